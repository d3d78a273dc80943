package coral_test

import (
	"strings"
	"testing"

	"github.com/atoll-platform/atoll/httpapi"
	"github.com/atoll-platform/atoll/httpapi/rest/resttest"
	"github.com/atoll-platform/atoll/platform"
	"github.com/atoll-platform/atoll/platform/platformtest"
	"github.com/atoll-platform/atoll/tenancy"
)

// fuzzed is a platform in which two runtimes, users and a project may be found
// and broken. It stays the same for all inputs: what they make, later ones meet.
func fuzzed(f *testing.F) *httpapi.Handler {
	f.Helper()
	h, err := httpapi.New(platformtest.New(f, platform.WithAuthentication(tenancy.AcceptAll)))
	if err != nil {
		f.Fatal(err)
	}
	return h
}

// ask makes one request and returns what is wrong with the answer.
func ask(h *httpapi.Handler, method, target, body string, header ...string) (status int, answer, fault string) {
	w := resttest.Send(h, method, target, body, header...)
	if w == nil {
		return 0, "", ""
	}
	switch text := w.Body.String(); {
	case w.Code == 500 || w.Code == 502 || w.Code > 504:
		return w.Code, text, "a failure of the server"
	case w.Code >= 400 && strings.Contains(text, `{"error":"No such path."}`): // of no dialect
		return w.Code, text, ""
	case w.Code != 204 && method != "HEAD":
		return w.Code, text, errorBodyFault(w.Code, []byte(text))
	default:
		return w.Code, text, ""
	}
}

func FuzzRequests(f *testing.F) {
	f.Add("GET", "/", "", "application/json")
	for _, r := range rows {
		f.Add(r.Method(), r.try, "{}", "application/json")
	}
	f.Add("POST", "/api/runtimes?dry-run=true", pair("x"), "")
	f.Add("POST", "/api/runtimes/r/actors/sum/shunt", `{"n":1e999}`, "application/json")
	f.Add("PATCH", "/api/platform/settings", `{"coral":{"actor":{"mailbox":1}}}`, "text/plain")
	f.Add("PATCH", "/api/platform/settings", `{"127.0.0.1:2551":{"a":{"b":[{}]}}}`, "")
	f.Add("POST", "/api/platform/cluster", `{"action":"join","ip":"::1","port":1,"alias":"a","roles":["x"]}`, "")
	f.Add("POST", "/api/platform/cluster", `{"action":"leave","alias":"a"}`, "")
	f.Add("DELETE", "/api/runtimes/r/permissions?id=%00&id=a;b", `[`, "")
	f.Add("GET", "/api/runtimes/%2e%2e/%2F/..//actors/\xff", "", "")
	f.Add("POST", "/api/users", `{"uniqueName":"a","fullName":"A","email":"a@a","password":"abc123","permissions":[{"runtime":"coral-r","method":"*","uri":"/api/runtimes/r/*","allowed":true}]}`, "")
	f.Add("PUT", "/api/projects/p", `{"definitions":[{"name":"x"}]}`, "")
	h := fuzzed(f)
	f.Fuzz(func(t *testing.T, method, target, body, typ string) {
		if !strings.HasPrefix(target, "/") || method == "" || strings.ContainsAny(method, " \r\n\x00") {
			return
		}
		_, _, _ = ask(h, "POST", "/api/runtimes/r/actors/in", `{}`) // the runtime r may have been deleted
		if status, _, _ := ask(h, "GET", "/api/runtimes/r", ""); status == 404 {
			_, _, _ = ask(h, "POST", "/api/runtimes", pair("r"))
		}
		if status, answer, fault := ask(h, method, target, body, "Content-Type", typ, "Accept", "*/*"); fault != "" {
			t.Fatalf("%s %q %q: %d %s: %s", method, target, body, status, fault, answer)
		}
	})
}

func FuzzDefinitions(f *testing.F) {
	f.Add(pair("a"))
	f.Add(flights)
	f.Add(`{"name":"a","actors":[{"name":"a","type":"groupby","params":{"by":"x","actor":{"type":"stats","params":{"field":"n"}}}},{"name":"b","type":"window","params":{"method":"count","number":3,"sliding":1}}],"links":[{"from":"a","to":"b"}]}`)
	f.Add(`{"name":"a","actors":[{"name":"g","type":"generator","params":{"format":{"x":"N(100.0, 1.0)"},"timer":{"rate":1,"times":1,"delay":0}}},{"name":"s","type":"sample","params":{"fraction":0.5},"copies":3}],"links":[{"from":"g","to":"s"}],"distribution":{"mode":"duplicate","copies":2,"machines":"round-robin"}}`)
	f.Add(`{"name":7,"actors":{},"links":[{"from":{},"to":[]}],"owner":[],"projectid":1,"distribution":[]}`)
	h := fuzzed(f)
	f.Fuzz(func(t *testing.T, definition string) {
		status, answer, fault := ask(h, "POST", "/api/runtimes?dry-run=true", definition)
		if fault != "" {
			t.Fatalf("%q: %d %s: %s", definition, status, fault, answer)
		}
		made, text, fault := ask(h, "POST", "/api/runtimes", definition)
		if fault != "" {
			t.Fatalf("%q: %d %s: %s", definition, made, fault, text)
		}
		if (status == 200) != (made == 201) && made != 409 {
			t.Fatalf("%q: the check says %d, the making %d: %s %s", definition, status, made, answer, text)
		}
		if made == 201 {
			// What is shown can be checked again, and what was made can go.
			if status, answer, fault := ask(h, "DELETE", "/api/runtimes", ""); status != 200 {
				t.Fatalf("%q cannot be deleted: %d %s %s", definition, status, fault, answer)
			}
		}
	})
}
