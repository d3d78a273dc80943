package ldap

import (
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/atoll-platform/atoll"
)

// The settings that FromSettings reads.
const (
	prefix          = "coral.authentication.ldap."
	keyHost         = prefix + "host"
	keyPort         = prefix + "port"
	keyCertificates = prefix + "certificates"
	keyBindDN       = prefix + "bind-dn"
	keyStartTLS     = prefix + "start-tls"
	keyMultiFactor  = prefix + "mfa.enabled"
)

// FromSettings returns the Directory that settings describe, by full key:
//
//	coral.authentication.ldap.host          the server; required
//	coral.authentication.ldap.port          its port
//	coral.authentication.ldap.certificates  list of files with X.509 certificates; empty is a plain connection
//	coral.authentication.ldap.bind-dn       template of the distinguished name, with {user}; required
//	coral.authentication.ldap.start-tls     true turns to TLS on the plain port
//	coral.authentication.ldap.mfa.enabled   must not be true
//
// Other keys are not looked at. Options go over settings. It fails as New does,
// with all findings.
func FromSettings(values map[string]any, opts ...Option) (*Directory, error) {
	r := reader{values: values}
	host, template := r.text(keyHost), r.text(keyBindDN)
	o := defaults()
	o.port = r.number(keyPort)
	o.certificates = r.list(keyCertificates)
	o.startTLS = r.flag(keyStartTLS)
	o.mfa = r.flag(keyMultiFactor)
	return build("ldap.FromSettings", host, template, o, opts, r.findings)
}

// reader takes values out of settings and notes those of the wrong type.
type reader struct {
	values   map[string]any
	findings []atoll.Finding
}

func (r *reader) wrong(key, want string) {
	r.findings = append(r.findings, atoll.Finding{Path: key, Code: "type", Msg: fmt.Sprintf("%q must be %s", key, want)})
}

func (r *reader) text(key string) string {
	switch v := r.values[key].(type) {
	case nil:
	case string:
		return v
	default:
		r.wrong(key, "a text")
	}
	return ""
}

func (r *reader) number(key string) int {
	switch v := r.values[key].(type) {
	case nil:
		return 0
	case int:
		return v
	case int64:
		return int(v)
	case float64:
		if n := int(v); float64(n) == v {
			return n
		}
	case json.Number:
		if n, err := strconv.Atoi(v.String()); err == nil {
			return n
		}
	case string:
		if n, err := strconv.Atoi(v); err == nil {
			return n
		}
	}
	r.wrong(key, "a whole number")
	return 0
}

func (r *reader) flag(key string) bool {
	switch v := r.values[key].(type) {
	case nil:
		return false
	case bool:
		return v
	case string:
		if b, err := strconv.ParseBool(v); err == nil {
			return b
		}
	}
	r.wrong(key, "true or false")
	return false
}

func (r *reader) list(key string) []string {
	switch v := r.values[key].(type) {
	case nil:
		return nil
	case []string:
		return v
	case []any:
		texts := make([]string, 0, len(v))
		for _, x := range v {
			s, ok := x.(string)
			if !ok {
				r.wrong(key, "a list of texts")
				return nil
			}
			texts = append(texts, s)
		}
		return texts
	}
	r.wrong(key, "a list of texts")
	return nil
}
