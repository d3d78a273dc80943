package tutum_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"

	"github.com/atoll-platform/atoll/httpapi"
	"github.com/atoll-platform/atoll/httpapi/rest/resttest"
	"github.com/atoll-platform/atoll/platform"
	"github.com/atoll-platform/atoll/platform/platformtest"
	"github.com/atoll-platform/atoll/runtime/workload/driver"
	"github.com/atoll-platform/atoll/runtime/workload/driver/funcdriver"
	"github.com/atoll-platform/atoll/tenancy"
)

// fuzzed is a platform that lets everybody in and knows the image worker. It stays the
// same for all inputs: what they make, later ones meet.
func fuzzed(f *testing.F) *httpapi.Handler {
	f.Helper()
	p := platformtest.New(f, platform.WithAuthentication(tenancy.AcceptAll))
	wait := func(ctx context.Context, _ *funcdriver.Task) error { <-ctx.Done(); return nil }
	if err := p.Functions().Register("worker", wait, driver.Image{Command: "run"}); err != nil {
		f.Fatal(err)
	}
	h, err := httpapi.New(p)
	if err != nil {
		f.Fatal(err)
	}
	return h
}

// send makes one request and returns the answer and what is wrong with it.
func send(h *httpapi.Handler, method, target, body, typ string) (status int, answer, fault string) {
	w := resttest.Send(h, method, target, body, "Content-Type", typ)
	if w == nil {
		return 0, "", ""
	}
	if w.Code >= 500 {
		return w.Code, w.Body.String(), "a failure of the server"
	}
	return w.Code, w.Body.String(), answerFault(method, w.Code, w.Header().Get, w.Body.Bytes())
}

func FuzzCreate(f *testing.F) {
	f.Add(`{"image":"worker"}`)
	f.Add(`{"image_tag":"/api/v1/image/worker/tag/v1/","name":"a","container_size":"M","run_command":"a 'b c' \"d\\\"\" e\\ f","entrypoint":"x","target_num_containers":2}`)
	f.Add(`{"image":"worker","container_ports":[{"protocol":"tcp","inner_port":80,"outer_port":null},{"protocol":"UDP","inner_port":53}],"container_envvars":[{"key":"A","value":"ä"}]}`)
	f.Add(`{"image":"worker","linked_to_application":["x",{"to_application":"/api/v1/application/x/","name":"db"}],"roles":["global"],"web_public_dns":"a.b","sequential_deployment":true}`)
	f.Add(`{"image":"worker","autorestart":"ALWAYS","autoreplace":"ON_FAILURE","autodestroy":"OFF"}`)
	f.Add(`{"image":null,"image":[],"name":1,"target_num_containers":1e400}`)
	h := fuzzed(f)
	f.Fuzz(func(t *testing.T, body string) {
		status, answer, fault := send(h, "POST", apps, body, "application/json")
		if fault != "" {
			t.Fatalf("%q: %d %s: %s", body, status, fault, answer)
		}
		if status != 202 {
			return
		}
		var made object
		if err := json.Unmarshal([]byte(answer), &made); err != nil {
			t.Fatal(err)
		}
		// What is shown can be sent back, and what was made can go.
		got, text, fault := send(h, "GET", made.uri(), "", "")
		if got != 200 || fault != "" {
			t.Fatalf("%q cannot be read: %d %s: %s", body, got, fault, text)
		}
		if got, text, fault = send(h, "PATCH", made.uri(), text, ""); fault != "" || got != 202 && !strings.Contains(text, "cannot change application in state") {
			t.Fatalf("%q is not taken back: %d %s: %s", body, got, fault, text)
		}
		if got, text, fault = send(h, "DELETE", made.uri(), "", ""); fault != "" || got != 202 && !strings.Contains(text, "cannot terminate application in state") {
			t.Fatalf("%q cannot be terminated: %d %s: %s", body, got, fault, text)
		}
	})
}

func FuzzRequests(f *testing.F) {
	for _, r := range contract.Rows {
		f.Add(r.Method(), target(&r, noSuch), "{}", "application/json")
	}
	for _, query := range []string{"limit=0&offset=1", "limit=99999999999999999999", "name=a&state=Stopped+with+errors&uuid__startswith=A", "application__uuid__startswith=%41&limit=1", "tail=3", "a=%zz", ";", "limit=-1&=&&x"} {
		f.Add("GET", apps+"?"+query, "", "")
		f.Add("GET", cons+"?"+query, "", "")
	}
	f.Add("POST", "/api/v1/application?x=%2F", `{`, "text/plain")
	f.Add("PATCH", apps+"%2e%2e/", `{"target_num_containers":null}`, "")
	f.Add("POST", cons+noSuch+"/redeploy/", `{"tag":"v1"}`, "application/json")
	h := fuzzed(f)
	if status, answer, _ := send(h, "POST", apps, `{"image":"worker","target_num_containers":2}`, ""); status != 202 {
		f.Fatal(answer)
	}
	f.Fuzz(func(t *testing.T, method, target, body, typ string) {
		if !strings.HasPrefix(target, "/api/v1/") || method == "" || strings.ContainsAny(method, " \r\n\x00") {
			return
		}
		if status, answer, fault := send(h, method, target, body, typ); fault != "" {
			t.Fatalf("%s %q %q: %d %s: %s", method, target, body, status, fault, answer)
		}
	})
}
