package httpapi_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/atoll-platform/atoll/httpapi"
	"github.com/atoll-platform/atoll/platform"
	"github.com/atoll-platform/atoll/tenancy"
)

// A platform that lets everybody on this machine in, and its API on a listener
// of the program's own.
func ExampleNew() {
	ctx := context.Background()
	p, err := platform.New(platform.WithAuthentication(tenancy.AcceptAll))
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := p.Start(ctx); err != nil {
		fmt.Println(err)
		return
	}
	defer p.Shutdown(ctx)
	h, err := httpapi.New(p)
	if err != nil {
		fmt.Println(err)
		return
	}
	server := httptest.NewServer(h) // or http.ListenAndServe("127.0.0.1:8000", h)
	defer server.Close()

	post := func(path, body string) {
		res, err := http.Post(server.URL+path, "application/json", strings.NewReader(body))
		if err != nil {
			fmt.Println(err)
			return
		}
		defer res.Body.Close()
		answer, _ := io.ReadAll(res.Body)
		fmt.Println(res.StatusCode, string(answer))
	}
	post("/api/runtimes?dry-run=true", `{"name":"r","actors":[],"links":[]}`)
	post("/api/runtimes/r/actors/in", `{"n":1}`)
	// Output:
	// 400 {"action":"Create runtime","success":false,"reason":"The runtime definition is not valid.","details":"/actors: a runtime has at least one actor\n/links: a runtime has at least one link","errors":["The list of actors is empty.","The list of links is empty."],"codes":["no-actors","no-links"],"findings":[{"pointer":"/actors","code":"no-actors","message":"a runtime has at least one actor"},{"pointer":"/links","code":"no-links","message":"a runtime has at least one link"}]}
	// 404 {"action":"Find runtime","success":false,"reason":"No runtime r."}
}
