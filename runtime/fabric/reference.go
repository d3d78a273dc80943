package fabric

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/atoll-platform/atoll"
)

// MaxReference is the length of the longest reference to an image, in bytes.
const MaxReference = 255

// DefaultTag is the tag of a reference that names none.
const DefaultTag = "latest"

// Reference names an image. Values that ParseReference or WithTag returned are
// valid and have a tag; comparison is by ==.
type Reference struct {
	Registry   string // host[:port], "" = the default one
	Namespace  string // parts joined by "/", "" = none
	Repository string
	Tag        string
}

// The text around the parts of a reference that has the form of an address.
const (
	addressHead = "/api/v1/image/"
	addressTag  = "/tag/"
)

// ParseReference reads [registry/][namespace/]repository[:tag], or the address
// of an image as URI prints it. The first part is a registry if it holds a "." or
// a ":" or is localhost. Invalid has one finding, with path "image".
func ParseReference(s string) (Reference, error) {
	r, reason := parseReference(s)
	if reason != "" {
		return Reference{}, badReference("image", reason)
	}
	return r, nil
}

// badReference is what is wrong with the name of an image.
func badReference(path, reason string) error {
	return &atoll.Error{Kind: atoll.Invalid, Op: "fabric.ParseReference", Msg: reason,
		Findings: []atoll.Finding{{Path: path, Code: "form", Msg: reason}}}
}

// parseReference is ParseReference with the reason of a failure as text.
func parseReference(s string) (r Reference, reason string) {
	path, tag, reason := cutTag(s)
	if reason != "" {
		return r, reason
	}
	if r.Tag = tag; tag == "" {
		r.Tag = DefaultTag
	} else if !isTag(tag) {
		return r, fmt.Sprintf("the tag %.140q of an image is letters, digits, \"_\", \".\" and \"-\", at most 128", tag)
	}
	parts := strings.Split(path, "/")
	if len(parts) > 1 && (parts[0] == "localhost" || strings.ContainsAny(parts[0], ".:")) {
		if r.Registry, parts = parts[0], parts[1:]; !isHost(r.Registry) {
			return r, fmt.Sprintf("the registry %.100q of an image is a host name, perhaps with a port", r.Registry)
		}
	}
	for _, p := range parts {
		if !isPart(p) {
			return r, fmt.Sprintf("the part %.100q of an image's name is letters and digits, with single \".\", \"_\" and \"-\" between them", p)
		}
	}
	r.Repository = parts[len(parts)-1]
	r.Namespace = strings.Join(parts[:len(parts)-1], "/")
	if r.length() > MaxReference {
		return r, fmt.Sprintf("the name of an image has at most %d characters", MaxReference)
	}
	return r, ""
}

// cutTag takes both forms apart.
func cutTag(s string) (path, tag, reason string) {
	const most = len(addressHead) + MaxReference + len(addressTag) + len(DefaultTag) + len("/")
	if s == "" {
		return "", "", "an image needs a name"
	}
	if len(s) > most {
		return "", "", fmt.Sprintf("the name of an image has at most %d characters", MaxReference)
	}
	if rest, ok := strings.CutPrefix(s, addressHead); ok {
		rest = strings.TrimSuffix(rest, "/")
		i := strings.LastIndex(rest, addressTag)
		if i < 0 || i+len(addressTag) == len(rest) {
			return "", "", "the address of an image is " + addressHead + "<repository>" + addressTag + "<tag>/"
		}
		if path, tag = rest[:i], rest[i+len(addressTag):]; strings.LastIndexByte(path, ':') > strings.LastIndexByte(path, '/') {
			return "", "", "the address of an image has its tag behind " + addressTag
		}
		return path, tag, ""
	}
	if strings.Contains(s, "@") {
		return "", "", "images are named by tag, not by digest"
	}
	if i := strings.LastIndexByte(s, ':'); i > strings.LastIndexByte(s, '/') {
		if s[i+1:] == "" {
			return "", "", "there is no tag behind the \":\""
		}
		return s[:i], s[i+1:], ""
	}
	return s, "", ""
}

func alnum(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
}

// isPart reports whether s is a part of a name: letters and digits, with single
// separators, "__" or dashes between them.
func isPart(s string) bool {
	if s == "" || !alnum(s[0]) || !alnum(s[len(s)-1]) {
		return false
	}
	for i := range len(s) {
		switch c := s[i]; {
		case alnum(c), c == '-':
		case c == '_':
			if s[i-1] == '_' && s[i-2] == '_' || s[i-1] == '.' || s[i-1] == '-' {
				return false
			}
		case c == '.':
			if !alnum(s[i-1]) {
				return false
			}
		default:
			return false
		}
	}
	return true
}

func isTag(s string) bool {
	if s == "" || len(s) > 128 || s[0] == '.' || s[0] == '-' {
		return false
	}
	for i := range len(s) {
		if c := s[i]; !alnum(c) && c != '_' && c != '.' && c != '-' {
			return false
		}
	}
	return true
}

// isHost reports whether s is host[:port].
func isHost(s string) bool {
	host, port, has := strings.Cut(s, ":")
	if has {
		if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 || port[0] == '0' {
			return false
		}
	}
	return isHostName(host)
}

// isHostName reports whether s is labels of letters, digits and dashes, joined by dots.
func isHostName(s string) bool {
	if len(s) > 253 {
		return false
	}
	for label := range strings.SplitSeq(s, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		for i := range len(label) {
			if c := label[i]; !alnum(c) && c != '-' {
				return false
			}
		}
	}
	return true
}

// length is that of the text, in which the default tag need not stand.
func (r Reference) length() int {
	n := len(r.Path())
	if r.Tag != DefaultTag {
		n += 1 + len(r.Tag)
	}
	return n
}

// Path returns the reference without its tag.
func (r Reference) Path() string {
	p := r.Repository
	if r.Namespace != "" {
		p = r.Namespace + "/" + p
	}
	if r.Registry != "" {
		p = r.Registry + "/" + p
	}
	return p
}

// String returns [registry/][namespace/]repository:tag, which ParseReference
// reads back.
func (r Reference) String() string { return r.Path() + ":" + r.Tag }

// URI returns /api/v1/image/<path>/tag/<tag>/, which ParseReference reads back.
func (r Reference) URI() string { return addressHead + r.Path() + addressTag + r.Tag + "/" }

// WithTag returns the reference with another tag. Invalid has one finding, with
// path "tag".
func (r Reference) WithTag(tag string) (Reference, error) {
	if r.Tag = tag; !isTag(tag) || r.length() > MaxReference {
		return Reference{}, badReference("tag", "a tag is letters, digits, \"_\", \".\" and \"-\", at most 128, and fits into the name of the image")
	}
	return r, nil
}

// Name returns what an application of the image is called unless somebody says
// otherwise: the repository, with a dash for every character that no name has.
func (r Reference) Name() string {
	const most = 63
	b := []byte(r.Repository)
	for i, c := range b {
		if !alnum(c) {
			b[i] = '-'
		}
	}
	return strings.TrimRight(string(b[:min(len(b), most)]), "-")
}
