package rest

import (
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/atoll-platform/atoll"
)

// checker is implemented by inputs with rules that span fields.
type checker interface{ Check(*Findings) }

var checkerType = reflect.TypeFor[checker]()

// source is what a request offers to bind.
type source struct {
	path        func(name string) (string, bool) // decoded parameters of the route
	query       []Pair                           // without credentials
	header      http.Header
	body        []byte // lent until bind returns
	contentType string
	upload      Upload
	self        Self
}

// binder reads requests into one In type.
type binder struct {
	in     *codec
	object *object
	op     *Operation
	create bool
	check  bool
}

// newBinder checks that the fields of in fit each other and the routes and the
// body mode of op, and reports every fault.
func newBinder(in reflect.Type, op *Operation) (*binder, error) {
	c, err := codecOf(in)
	if err != nil {
		return nil, err
	}
	if c.object == nil {
		return nil, fmt.Errorf("%s is not a struct with fields", in)
	}
	b := &binder{in: c, object: c.object, op: op, check: reflect.PointerTo(in).Implements(checkerType)}
	if len(op.Routes) > 0 {
		b.create = op.Routes[0].Method == http.MethodPost
	}
	faults := b.faults()
	if op.out != nil {
		faults = append(faults, answerFault(op.out))
	}
	return b, errors.Join(faults...)
}

// answerFault says why a result cannot be encoded, nil if it can.
func answerFault(out reflect.Type) error {
	t := bodyTypeOf(out)
	if t == nil {
		return nil
	}
	c, err := codecOf(t)
	if err != nil {
		return err
	}
	if why := c.writable(map[*codec]bool{}); why != "" {
		return fmt.Errorf("%s: %s", out, why)
	}
	return nil
}

// faults lists what is inconsistent between the fields and the row.
func (b *binder) faults() (faults []error) {
	fault := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }
	o := b.object
	params := map[string]bool{}
	for _, r := range b.op.Routes {
		for _, name := range templateParams(r.Path) {
			params[name] = true
			if !slices.ContainsFunc(o.fields, func(f Field) bool { return f.Path == name }) {
				fault("%s: no field takes the path parameter %q of %s", b.in.typ, name, r.Path)
			}
		}
	}
	for i := range o.fields {
		f := &o.fields[i]
		if f.Path != "" && !params[f.Path] {
			fault("%s.%s: no route has the path parameter %q", b.in.typ, f.GoName, f.Path)
		}
		if f.codec != nil {
			if why := f.codec.readable(map[*codec]bool{}); why != "" && !(f.ReadOnly && f.JSON != "") {
				fault("%s.%s: %s", b.in.typ, f.GoName, why)
			}
		}
		if f.rules.hasDef {
			d := newDecoder(&Profile{}, false)
			v := reflect.New(f.GoType).Elem()
			if d.setDefault(f, v); d.found.Len() == 0 {
				d.pushName(f.Name)
				d.apply(f, v)
			}
			if len(d.found.list) > 0 {
				fault("%s.%s: the default breaks a rule: %s", b.in.typ, f.GoName, d.found.list[0].Msg)
			}
			d.release()
		}
	}
	whole := bodyMember
	if o.body >= 0 {
		whole = o.fields[o.body].body
	}
	switch mode := b.op.Body; {
	case o.json && o.body >= 0:
		fault("%s: members and the whole body cannot both be taken", b.in.typ)
	case o.json && mode != JSONBody && mode != FormBody:
		// A member that another source gives too may be left to that source.
		for i := range o.fields {
			if f := &o.fields[i]; f.JSON != "" && f.Path+f.Query+f.Header == "" && !f.ReadOnly {
				fault("%s.%s: the row takes no body of members", b.in.typ, f.GoName)
			}
		}
	case (mode == UploadBody) != (whole == bodyUpload):
		fault("%s: the body mode Upload and a field with body:\"upload\" go together", b.in.typ)
	case (whole == bodyRaw || whole == bodyAny) && mode != RawBody && mode != JSONBody:
		fault("%s: a field with body:\"raw\" wants the body mode Raw", b.in.typ)
	case mode == RawBody && o.body < 0:
		fault("%s: the body mode Raw wants a field with body:\"raw\"", b.in.typ)
	}
	return faults
}

// templateParams are the names of the parameters of a path template.
func templateParams(path string) (names []string) {
	for part := range strings.SplitSeq(path, "/") {
		if name, ok := strings.CutPrefix(part, "{"); ok {
			names = append(names, strings.TrimSuffix(strings.TrimSuffix(name, "}"), "..."))
		}
	}
	return names
}

// bind reads a request into dst, an addressable zero value of the In type. It
// returns every fault: of the path, the header, the body in document order, the
// query in its order, then what is missing, then what spans fields. Sources of
// one field are tried in the order path, header, body, query.
func (b *binder) bind(dst reflect.Value, src *source, p *Profile) []atoll.Finding {
	d := newDecoder(p, b.create)
	defer d.release()
	o := b.object
	d.state = append(d.state[:0], make([]fieldState, len(o.fields))...)
	if o.self != nil {
		*dst.FieldByIndex(o.self).Addr().Interface().(*Self) = src.self
	}
	for i := range o.fields {
		f := &o.fields[i]
		if f.Path != "" && src.path != nil {
			if text, ok := src.path(f.Path); ok {
				d.state[i].path = true
				d.plainField(f, dst, i, text)
			}
		}
		if f.Header != "" && !d.state[i].seen {
			if values := src.header.Values(f.Header); len(values) > 0 {
				d.plainField(f, dst, i, values[0])
			}
		}
	}
	readable := b.body(d, dst, src)
	if len(src.query) > 0 && (len(o.query) > 0 || o.rest >= 0) {
		d.query(o, dst, src.query)
	}
	if readable {
		d.finish(o, dst, 0)
		if b.check {
			d.cross(dst)
		}
	}
	return d.found.result()
}

// result is the list that an answer shows.
func (f *Findings) result() []atoll.Finding {
	if f.more > 0 {
		f.list = append(f.list, atoll.Finding{Code: "more", Msg: "and " + strconv.Itoa(f.more) + " more"})
	}
	return f.list
}

// cross runs the rules that span fields, and drops what they say about fields
// whose own value was refused.
func (d *decoder) cross(dst reflect.Value) {
	var found Findings
	dst.Addr().Interface().(checker).Check(&found)
	single := d.found
	for _, f := range found.list {
		if f.Path == "" || !single.Has(TopField(f.Path)) {
			d.found.Append(f)
		}
	}
	d.found.more += found.more
}

// body reads what the row takes of the body. It reports whether the body could
// be read at all; a row without it cannot say what is missing.
func (b *binder) body(d *decoder, dst reflect.Value, src *source) bool {
	o, body := b.object, src.body
	switch b.op.Body {
	case UploadBody:
		if o.body >= 0 {
			dst.FieldByIndex(o.fields[o.body].index).Set(reflect.ValueOf(src.upload))
		}
		return true
	case NoBody:
		if d.p.NoBody != NoBodyObject || len(trimSpace(body)) == 0 {
			return true
		}
		return d.document(&object{keep: -1}, dst, body, len(d.state))
	case FormBody:
		if form, ok := formOf(src.contentType); ok {
			return d.form(o, dst, form, body)
		}
	}
	if o.body >= 0 {
		if t := b.op.typed(src.contentType); t != nil {
			return b.typed(d, dst, &o.fields[o.body], t, body)
		}
		return b.whole(d, dst, &o.fields[o.body], body)
	}
	if len(trimSpace(body)) == 0 && (b.op.Optional || !o.json) {
		return true
	}
	return d.document(o, dst, body, 0)
}

// typed hands a body of a further type of the row to the field that reads it.
func (b *binder) typed(d *decoder, dst reflect.Value, f *Field, t *BodyType, body []byte) bool {
	r := dst.FieldByIndex(f.index).Addr().Interface().(typedReader)
	return d.tookBody(r.DecodeTyped(t.Media, body))
}

// tookBody reports what a row said of a body that it read itself.
func (d *decoder) tookBody(err error) bool {
	if err == nil {
		return true
	}
	fs, msg, code := safeText(err)
	if len(fs) == 0 {
		fs = []atoll.Finding{{Code: code, Msg: msg}}
	}
	d.found.Append(fs...)
	return false
}

// whole hands the bytes of the body to the one field that takes them.
func (b *binder) whole(d *decoder, dst reflect.Value, f *Field, body []byte) bool {
	v := dst.FieldByIndex(f.index)
	if len(body) == 0 && b.op.Optional {
		body = []byte("{}")
	}
	if f.codec == nil {
		return d.tookBody(v.Addr().Interface().(bodyReader).DecodeBody(body))
	}
	if fault := checkJSON(body, d.p.Duplicate != FieldIgnored); fault != nil {
		d.found.Append(*fault)
		return false
	}
	text := trimSpace(body)
	if f.body == bodyRaw && !d.p.AnyTop && text[0] != '{' {
		return d.fail("type", "must be a JSON object"+d.got(f.codec, text))
	}
	if f.codec.shape == shapeRaw {
		v.SetBytes(append(make([]byte, 0, len(body)), body...))
		d.apply(f, v)
		return true
	}
	return d.value(f.codec, v, text)
}

// document reads a body of members.
func (d *decoder) document(o *object, dst reflect.Value, body []byte, mark int) bool {
	if fault := checkJSON(body, false); fault != nil {
		d.found.Append(*fault)
		return false
	}
	text := trimSpace(body)
	if text[0] != '{' {
		d.found.Add("", "type", "the body must be a JSON object"+d.got(&codec{}, text))
		return false
	}
	d.object(o, dst, text, mark)
	return true
}

// object reads the members of an object into the fields of v, whose states
// begin at mark, in document order.
func (d *decoder) object(o *object, v reflect.Value, text []byte, mark int) {
	from := len(d.members)
	var others map[string]bool
	if d.p.Duplicate != FieldIgnored && (o.keep >= 0 || d.p.Unknown == FieldIgnored) {
		others = map[string]bool{}
	}
	for w := walkInto(text); ; {
		name, value, ok := w.next(true)
		if !ok {
			break
		}
		d.member(o, mark, unquote(name), value, others)
	}
	d.assign(o, v, mark, from)
}

// member enters one member; of members for the same field the last counts, or
// each further one is refused. others, if not nil, collects the names that no
// field takes, to refuse repeated ones among them too.
func (d *decoder) member(o *object, mark int, name, value []byte, others map[string]bool) {
	field, known := o.byName[string(name)]
	if !known {
		if others != nil {
			if others[string(name)] {
				d.twice(name)
			}
			others[string(name)] = true
		}
		if o.keep >= 0 || d.p.Unknown != FieldIgnored {
			d.members = append(d.members, member{field: -1, name: name, value: value})
		}
		return
	}
	st := &d.state[mark+field]
	if st.where > 0 {
		if d.p.Duplicate != FieldIgnored {
			d.twice(name)
		}
		d.members[st.where-1].dropped = true
	}
	d.members = append(d.members, member{field: field, name: name, value: value})
	st.where = int32(len(d.members))
}

func (d *decoder) twice(name []byte) {
	text := cut(string(name))
	d.found.Add(d.under(string(name)), "duplicate", "the member "+strconv.Quote(text)+" is there twice")
}

// assign gives the members collected since from to their fields.
func (d *decoder) assign(o *object, v reflect.Value, mark, from int) {
	var kept reflect.Value
	for i := from; i < len(d.members); i++ {
		switch m := d.members[i]; {
		case m.dropped:
		case m.field >= 0:
			f := &o.fields[m.field]
			d.pushName(f.JSON)
			d.memberField(f, v, mark+m.field, m.value)
			d.pop()
		case o.keep >= 0:
			if !kept.IsValid() {
				f := &o.fields[o.keep]
				kept = v.FieldByIndex(f.index)
				kept.Set(reflect.MakeMap(f.GoType))
			}
			var raw Raw
			if d.raw(nil, reflect.ValueOf(&raw).Elem(), m.value) {
				kept.SetMapIndex(reflect.ValueOf(string(m.name)), reflect.ValueOf(raw))
			}
		case d.p.Unknown == FieldRefused || d.p.Unknown == FieldRefusedOnCreate && d.create:
			d.unknown(m.name)
		}
	}
	clear(d.members[from:])
	d.members = d.members[:from]
}

// memberField gives a member to its field, under the rules of the profile.
func (d *decoder) memberField(f *Field, v reflect.Value, state int, text []byte) {
	if f.ReadOnly || f.CreateOnly && !d.create {
		if d.p.ReadOnly == FieldRefused || d.p.ReadOnly == FieldRefusedOnCreate && d.create {
			rule := "is read-only"
			if f.CreateOnly {
				rule = "cannot be changed"
			}
			d.fail("read_only", rule)
			d.state[state].seen = true
		}
		return
	}
	fv := v.FieldByIndex(f.index)
	if d.state[state].path {
		if f.rules.same && !(text[0] == 'n' && d.p.Null == NullAbsent) {
			d.agree(f, fv, text)
		}
		return
	}
	if d.state[state].seen {
		return
	}
	if text[0] == 'n' {
		if d.null(f, fv) {
			return
		}
		d.state[state].seen = true
		return
	}
	d.state[state].seen = true
	if d.value(f.codec, fv, text) {
		d.apply(f, fv)
	}
}

// agree holds a member to the value that the path gave the same field.
func (d *decoder) agree(f *Field, given reflect.Value, text []byte) {
	v := reflect.New(f.GoType).Elem()
	if text[0] != 'n' && !d.value(f.codec, v, text) {
		return
	}
	if !v.Equal(given) {
		d.fail("same", "must be the one in the path"+d.got(f.codec, text))
	}
}

// null deals with a null for a field and reports whether it counts as absent.
func (d *decoder) null(f *Field, v reflect.Value) (absent bool) {
	rule := d.p.Null
	switch {
	case f.rules.null:
		rule = NullClears
	case f.rules.required && rule == NullClears:
		rule = NullRefused
	}
	switch rule {
	case NullAbsent:
		return true
	case NullRefused:
		d.fail("null", "must not be null")
		return false
	}
	v.SetZero()
	switch f.codec.shape {
	case shapeOpt:
		v.Field(0).SetUint(uint64(Nulled))
	case shapeRaw:
		v.SetBytes([]byte("null"))
	}
	return false
}

// plainField gives a text without quotes to a field.
func (d *decoder) plainField(f *Field, v reflect.Value, state int, text string) {
	d.state[state].seen = true
	d.pushName(f.Name)
	fv := v.FieldByIndex(f.index)
	if d.plain(f.codec, fv, text) {
		d.apply(f, fv)
	}
	d.pop()
}

// finish gives absent fields their defaults and names the missing ones, in the
// order of declaration.
func (d *decoder) finish(o *object, v reflect.Value, mark int) {
	for i := range o.fields {
		f := &o.fields[i]
		if !f.rules.required && !f.rules.hasDef || d.state[mark+i].seen || f.CreateOnly && !d.create {
			continue
		}
		if f.rules.hasDef {
			d.setDefault(f, v.FieldByIndex(f.index))
			continue
		}
		d.pushName(f.Name)
		d.fail("required", "is required")
		d.pop()
	}
}
