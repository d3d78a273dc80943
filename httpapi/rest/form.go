package rest

import (
	"bytes"
	"io"
	"mime"
	"mime/multipart"
	"reflect"
	"strings"
	"unicode/utf8"
)

// maxParts is how many parts a multipart form may have.
const maxParts = 64

// form is how the body of a form is written.
type form struct {
	multipart bool
	boundary  string
}

// formOf reads a Content-Type; ok is false for anything but the two form types.
func formOf(contentType string) (f form, ok bool) {
	if contentType == "" || strings.HasPrefix(contentType, "application/json") {
		return form{}, false
	}
	media, params, err := mime.ParseMediaType(contentType)
	if err != nil {
		return form{}, false
	}
	switch media {
	case "application/x-www-form-urlencoded":
		return form{}, true
	case "multipart/form-data":
		return form{multipart: true, boundary: params["boundary"]}, true
	}
	return form{}, false
}

func validText(s string) bool { return utf8.ValidString(s) }

// form reads a body of form fields. Each becomes a member that is a JSON text,
// read under coercion: so a number is its text, and a field of JSON type holds
// JSON text.
func (d *decoder) form(o *object, dst reflect.Value, f form, body []byte) bool {
	coerce := d.coerce
	d.coerce = true
	defer func() { d.coerce = coerce }()
	from := len(d.members)
	ok := true
	if f.multipart {
		ok = d.multipart(o, f.boundary, body)
	} else {
		ok = d.urlencoded(o, body)
	}
	if !ok {
		clear(d.members[from:])
		d.members = d.members[:from]
		return false
	}
	d.assign(o, dst, 0, from)
	return true
}

// urlencoded enters the fields of a query-like body.
func (d *decoder) urlencoded(o *object, body []byte) bool {
	for part := range strings.SplitSeq(string(trimSpace(body)), "&") {
		if part == "" {
			continue
		}
		name, value, _ := strings.Cut(part, "=")
		name, ok1 := unescapeText(name)
		value, ok2 := unescapeText(value)
		if !ok1 || !ok2 {
			d.found.Add("", "syntax", "the form has a bad escape or text that is not UTF-8")
			return false
		}
		d.formField(o, name, value)
	}
	return true
}

// multipart enters the parts of a multipart body.
func (d *decoder) multipart(o *object, boundary string, body []byte) bool {
	bad := func(why string) bool {
		d.found.Add("", "syntax", "the multipart form cannot be read: "+why)
		return false
	}
	if boundary == "" {
		return bad("its Content-Type names no boundary")
	}
	r := multipart.NewReader(bytes.NewReader(body), boundary)
	for n := 0; ; n++ {
		part, err := r.NextRawPart()
		if err == io.EOF {
			return true
		}
		if err != nil {
			return bad("it is not well formed")
		}
		if n == maxParts {
			return bad("it has more than 64 parts")
		}
		text, err := io.ReadAll(part)
		if err != nil {
			return bad("it is not well formed")
		}
		name := part.FormName()
		if name == "" {
			return bad("a part has no name")
		}
		if !validText(name) || !utf8.Valid(text) {
			return bad("a part is not valid UTF-8")
		}
		d.formField(o, name, string(text))
	}
}

// formField enters one field of a form as a member.
func (d *decoder) formField(o *object, name, value string) {
	d.member(o, 0, []byte(name), appendQuoted(make([]byte, 0, len(value)+2), value), nil)
}
