package openapitest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/atoll-platform/atoll/httpapi"
	"github.com/atoll-platform/atoll/platform"
	"github.com/atoll-platform/atoll/platform/platformtest"
	"github.com/atoll-platform/atoll/runtime/workload/driver"
	"github.com/atoll-platform/atoll/runtime/workload/driver/funcdriver"
	"github.com/atoll-platform/atoll/tenancy"
)

// TestTutumAnswersAsItsDocumentSays goes through the calls of the API and holds
// every answer against the document that the handler serves.
func TestTutumAnswersAsItsDocumentSays(t *testing.T) {
	p := platformtest.New(t, platform.WithAuthentication(tenancy.AcceptAll))
	wait := func(ctx context.Context, task *funcdriver.Task) error {
		fmt.Fprintln(task.Stdout(), "hello")
		<-ctx.Done()
		return nil
	}
	if err := p.Functions().Register("demo/wait", wait, driver.Image{Ports: []driver.Port{{Number: 80, Proto: "tcp"}}, Env: map[string]string{"A": "1"}}); err != nil {
		t.Fatal(err)
	}
	h, err := httpapi.New(p)
	if err != nil {
		t.Fatal(err)
	}
	call := func(method, target, body string) (*http.Request, *httptest.ResponseRecorder) {
		r := httptest.NewRequest(method, "http://localhost"+target, strings.NewReader(body))
		r.RemoteAddr = "127.0.0.1:1"
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return r, w
	}
	_, served := call("GET", "/openapi/tutum.json", "")
	doc, err := Load(served.Body.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	type object struct {
		URI        string   `json:"resource_uri"`
		State      string   `json:"state"`
		Containers []string `json:"containers"`
	}
	uris := map[string]string{} // of what was made, by name
	until := func(uri, state string) {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		for {
			index := p.Index()
			_, w := call("GET", uri, "")
			var o object
			if err := json.Unmarshal(w.Body.Bytes(), &o); err != nil {
				t.Fatal(err)
			}
			if o.State == state {
				return
			}
			if err := p.Wait(ctx, index+1); err != nil {
				t.Fatalf("%s is %s and will not be %s", uri, o.State, state)
			}
		}
	}
	const apps, cons, none = "/api/v1/application/", "/api/v1/container/", "0b2c7a3e-1111-4222-8333-444455556666/"
	for _, c := range []struct {
		method, target, body string
		status               int
		name, then           string // what is made is called so; the state to wait for
	}{
		{"GET", apps, "", 200, "", ""},
		{"GET", apps + "?limit=x", "", 400, "", ""},
		{"GET", cons + "?state=Running&limit=0", "", 200, "", ""},
		{"POST", apps, `{}`, 400, "", ""},
		{"POST", apps, `{"image":"demo/wait","name":"db"}`, 202, "db", "Running"},
		{"POST", apps, `{"image":"demo/wait:v1","name":"web","target_num_containers":2,"container_envvars":[{"key":"K","value":"v"}],"linked_to_application":["{db}"],"web_public_dns":"a.example.com","roles":[]}`, 202, "web", "Running"},
		{"GET", apps + "?name=web&limit=1&offset=1", "", 200, "", ""},
		{"GET", "{web}", "", 200, "", ""},
		{"GET", "{db}", "", 200, "", ""},
		{"GET", "{web}logs/", "", 200, "", ""},
		{"GET", "{web}logs/?tail=-1", "", 400, "", ""},
		{"PATCH", "{web}", `{"autorestart":"ALWAYS","target_num_containers":3}`, 202, "web", "Running"},
		{"PATCH", "{web}", `{"name":"x"}`, 400, "", ""},
		{"POST", "{web}start/", "", 400, "", ""},
		{"POST", "{web}redeploy/", `{"tag":"v2"}`, 202, "web", "Running"},
		{"GET", "{web}", "", 200, "web", ""},
		{"GET", "{web.0}", "", 200, "", ""},
		{"GET", "{web.0}logs/?tail=1", "", 200, "", ""},
		{"POST", "{web.0}stop/", "", 202, "", ""},
		{"POST", "{web.1}redeploy/", "", 202, "", ""},
		{"POST", "{web.1}redeploy/", "", 400, "", ""},
		{"GET", cons, "", 200, "", ""},
		{"POST", "{db.0}start/", "", 400, "", ""},
		{"DELETE", "{db.0}", "", 202, "", ""},
		{"POST", "{web}stop/", "", 202, "web", "Stopped"},
		{"POST", "{web.0}start/", "", 202, "", ""},
		{"DELETE", "{db}", "", 202, "", ""},
		{"GET", "{db}", "", 200, "", ""},
		{"GET", apps + none, "", 404, "", ""},
		{"DELETE", cons + none, "", 404, "", ""},
	} {
		for name, uri := range uris {
			c.target, c.body = strings.ReplaceAll(c.target, "{"+name+"}", uri), strings.ReplaceAll(c.body, "{"+name+"}", uri)
		}
		t.Run(c.method+" "+c.target, func(t *testing.T) {
			r, w := call(c.method, c.target, c.body)
			if w.Code != c.status {
				t.Fatalf("%d, want %d: %s", w.Code, c.status, w.Body)
			}
			if err := doc.Answer(r, w.Code, w.Header(), bytes.Clone(w.Body.Bytes())); err != nil {
				t.Error(err)
			}
			var o object
			if c.name != "" {
				if err := json.Unmarshal(w.Body.Bytes(), &o); err != nil {
					t.Fatal(err)
				}
				uris[c.name] = o.URI
				for i, uri := range o.Containers {
					uris[fmt.Sprint(c.name, ".", i)] = uri
				}
			}
			if c.then != "" {
				until(o.URI, c.then)
			}
		})
	}
}
