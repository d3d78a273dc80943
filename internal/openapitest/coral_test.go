package openapitest

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/atoll-platform/atoll/httpapi"
	"github.com/atoll-platform/atoll/platform"
	"github.com/atoll-platform/atoll/platform/platformtest"
	"github.com/atoll-platform/atoll/tenancy"
)

const flow = `{"name":"r","actors":[{"name":"in","type":"httpbroadcast"},{"name":"sum","type":"stats","params":{"field":"n"},"group":{"by":"city"},"timeout":{"duration":60,"mode":"continue"}},
	{"name":"limit","type":"threshold","params":{"key":"n","threshold":1}}],"links":[{"from":"in","to":"sum"},{"from":"in","to":"limit"}]}`

// TestCoralAnswersAsItsDocumentSays goes through the calls of the API and
// holds every answer against the document that the handler serves.
func TestCoralAnswersAsItsDocumentSays(t *testing.T) {
	p := platformtest.New(t, platform.WithAuthentication(tenancy.AcceptAll))
	h, err := httpapi.New(p)
	if err != nil {
		t.Fatal(err)
	}
	call := func(method, target, body string) (*http.Request, *httptest.ResponseRecorder) {
		r := httptest.NewRequest(method, "http://localhost"+target, strings.NewReader(body))
		r.RemoteAddr = "127.0.0.1:1"
		if body != "" {
			r.Header.Set("Content-Type", "application/json")
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return r, w
	}
	_, served := call("GET", "/openapi/coral.json", "")
	doc, err := Load(served.Body.Bytes())
	if err != nil {
		t.Fatal(err)
	}

	ids := map[string]string{} // by their place in calls below
	for _, c := range []struct {
		method, target, body string
		status               int
		id                   string // what the "id" of the answer is called
	}{
		{"GET", "/", "", 200, ""},
		{"GET", "/api/platform/cluster", "", 200, ""},
		{"GET", "/api/platform/cluster/127.0.0.1:2551", "", 200, ""},
		{"GET", "/api/platform/cluster/10.0.0.1", "", 404, ""},
		{"POST", "/api/platform/cluster", `{"action":"join","ip":"10.0.0.2","port":2552,"alias":"b","roles":["x"]}`, 200, ""},
		{"POST", "/api/platform/cluster", `{"action":"join"}`, 400, ""},
		{"GET", "/api/platform/settings", "", 200, ""},
		{"PATCH", "/api/platform/settings", `{"coral":{"log-level":"WARN"}}`, 200, ""},
		{"POST", "/api/platform/settings", `{"coral.api.port":1}`, 409, ""},
		{"POST", "/api/projects", `{"name":"p","definitions":[` + flow + `]}`, 201, "project"},
		{"GET", "/api/projects", "", 200, ""},
		{"GET", "/api/projects/{project}", "", 200, ""},
		{"PATCH", "/api/projects/{project}", `{"description":"d"}`, 200, ""},
		{"PUT", "/api/projects/{project}", `{"name":7}`, 400, ""},
		{"POST", "/api/runtimes?dry-run=true", flow, 200, ""},
		{"POST", "/api/runtimes", `{}`, 400, ""},
		{"POST", "/api/runtimes", `{"projectid":"{project}","distribution":{"mode":"split-x"},` + flow[1:], 201, "runtime"},
		{"GET", "/api/runtimes?status=created", "", 200, ""},
		{"GET", "/api/runtimes?status=nope", "", 400, ""},
		{"GET", "/api/runtimes/r", "", 200, ""},
		{"PATCH", "/api/runtimes/r", `{"status":"start"}`, 200, ""},
		{"PATCH", "/api/runtimes/r", `{"status":"start"}`, 409, ""},
		{"GET", "/api/runtimes/r/actors", "", 200, ""},
		{"GET", "/api/runtimes/r/links", "", 200, ""},
		{"POST", "/api/runtimes/r/actors/in", `{"n":1,"city":"A"}`, 200, ""},
		{"POST", "/api/runtimes/r/actors/sum/shunt", `{"n":1,"city":"A"}`, 204, ""},
		{"POST", "/api/runtimes/r/actors/limit/shunt", `{"n":2,"x":[1e400]}`, 200, ""},
		{"POST", "/api/runtimes/r/actors/limit/shunt", `{}`, 422, ""},
		{"GET", "/api/runtimes/r/actors/sum", "", 200, ""},
		{"GET", "/api/runtimes/r/actors/sum/state?by=A", "", 200, ""},
		{"GET", "/api/runtimes/r/actors/sum/stats", "", 200, ""},
		{"GET", "/api/runtimes/r/actors/none/stats", "", 404, ""},
		{"GET", "/api/runtimes/r/stats", "", 200, ""},
		{"GET", "/api/platform/stats", "", 200, ""},
		{"POST", "/api/users", `{"uniqueName":"neo","fullName":"N","email":"n@x","password":"abc123"}`, 201, "user"},
		{"POST", "/api/users", `{"uniqueName":"neo","fullName":"N","email":"n@x","password":"abc123"}`, 409, ""},
		{"POST", "/api/platform/users", `{}`, 400, ""},
		{"GET", "/api/users", "", 200, ""},
		{"GET", "/api/users/neo", "", 200, ""},
		{"GET", "/api/platform/users/{user}", "", 200, ""},
		{"PATCH", "/api/users/neo", `{"department":null}`, 200, ""},
		{"POST", "/api/runtimes/r/permissions", `{"user":"neo","method":"GET","uri":"/api/runtimes/r","allowed":true}`, 201, "permission"},
		{"GET", "/api/runtimes/r/permissions", "", 200, ""},
		{"GET", "/api/runtimes/r/permissions/{permission}", "", 200, ""},
		{"GET", "/api/runtimes/r/permissions/x", "", 400, ""},
		{"PATCH", "/api/runtimes/r/permissions", `{"id":"{permission}","allowed":false}`, 200, ""},
		{"DELETE", "/api/runtimes/r/permissions/{permission}", "", 200, ""},
		{"DELETE", "/api/projects/{project}", "", 200, ""},
		{"DELETE", "/api/users/neo", "", 200, ""},
		{"DELETE", "/api/runtimes/r", "", 200, ""},
		{"DELETE", "/api/runtimes/r", "", 404, ""},
		{"DELETE", "/api/runtimes", "", 200, ""},
		{"POST", "/api/platform/cluster", `{"action":"leave"}`, 200, ""},
	} {
		for name, id := range ids {
			c.target, c.body = strings.ReplaceAll(c.target, "{"+name+"}", id), strings.ReplaceAll(c.body, "{"+name+"}", id)
		}
		t.Run(c.method+" "+c.target, func(t *testing.T) {
			r, w := call(c.method, c.target, c.body)
			if w.Code != c.status {
				t.Fatalf("%d, want %d: %s", w.Code, c.status, w.Body)
			}
			var made struct{ ID string }
			if c.id != "" {
				if err := json.Unmarshal(w.Body.Bytes(), &made); err != nil || made.ID == "" {
					t.Fatalf("no id: %v %s", err, w.Body)
				}
				ids[c.id] = made.ID
			}
			if err := doc.Answer(r, w.Code, w.Header(), bytes.Clone(w.Body.Bytes())); err != nil {
				t.Error(err)
			}
		})
	}
}
