package rest_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/httpapi/rest"
	"github.com/atoll-platform/atoll/policy"
)

// A dialect is a profile, which is data, and a table of rows.
func ExampleNew() {
	profile := rest.Profile{
		Name: "greeter", Prefix: "/greet", Challenge: "Bearer",
		Schemes: []rest.Scheme{{In: rest.InAuthorization, Names: []string{"Bearer"}, Form: policy.Bearer}},
		Status:  map[rest.Case]int{},
		Words:   map[rest.Case]string{{Kind: atoll.NotFound}: "Nobody is called {id}."},
		Fail:    func(_ *rest.Call, f *rest.Failure) any { return map[string]string{"error": f.Text} },
	}
	for _, k := range atoll.Kinds() { // a real profile says what each kind is
		profile.Status[rest.Case{Kind: k}] = http.StatusInternalServerError
	}
	for c, status := range map[rest.Case]int{
		{Kind: atoll.Invalid}: 400, {Kind: atoll.NotFound}: 404, {Kind: atoll.Unauthenticated}: 401,
		{Kind: atoll.NotFound, Code: rest.CodeRoute}: 404, {Kind: atoll.Invalid, Code: rest.CodeMethod}: 405,
		{Kind: atoll.Invalid, Code: rest.CodeAccept}: 406, {Kind: atoll.Invalid, Code: rest.CodeType}: 415,
		{Kind: atoll.TooLarge, Code: rest.CodeURI}: 414,
	} {
		profile.Status[c] = status
	}

	type greetIn struct {
		Name  string `path:"name,object"`
		Times int    `query:"times" rule:"default=1 min=1 max=3"`
	}
	greet := rest.Op(rest.Operation{
		ID: "greeter.greet", Entity: "greeting", Summary: "Greets somebody",
		Routes: []rest.Route{{Method: "GET", Path: "/greet/{name}"}},
	}, func(ctx context.Context, in greetIn) (string, error) {
		if in.Name == "nobody" {
			return "", &atoll.Error{Kind: atoll.NotFound, Op: "greet", Subject: atoll.Subject{Type: "person", ID: in.Name}}
		}
		return strings.Repeat("hello ", in.Times) + in.Name + ", says " + policy.ActorName(ctx), nil
	})

	dialect, err := rest.New(profile, greet)
	if err != nil {
		fmt.Println(err)
		return
	}
	server, err := rest.NewServer(rest.Options{
		Authenticator: policy.AuthenticatorFunc(func(_ context.Context, c policy.Credentials) (*policy.Principal, error) {
			if c.Secret != "open sesame" {
				return nil, atoll.Errorf(atoll.Unauthenticated, "login", "Who are you?")
			}
			return &policy.Principal{Kind: policy.User, Name: "ali"}, nil
		}),
	}, dialect)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, target := range []string{"/greet/neo?times=2", "/greet/nobody", "/greet/neo?times=9", "/elsewhere"} {
		r := httptest.NewRequest("GET", target, nil)
		r.Header.Set("Authorization", "Bearer open sesame")
		w := httptest.NewRecorder()
		server.ServeHTTP(w, r)
		fmt.Println(w.Code, w.Body)
	}
	// Output:
	// 200 "hello hello neo, says ali"
	// 404 {"error":"Nobody is called nobody."}
	// 400 {"error":"times must be at most 3, got 9"}
	// 404 {"error":"No such path."}
}
