package policy_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/policy"
)

func ExampleParseFQN() {
	f, err := policy.ParseFQN("job::/tutum/neo::web")
	fmt.Println(f.Type, f.Namespace, f.Local, err)
	fmt.Println(policy.MustParseFQN("job::/tutum").Covers(f))
	// Output:
	// job /tutum/neo web <nil>
	// true
}

func ExampleToken() {
	fmt.Println(policy.Token("web", "~SV3"), policy.Token("my web / 1", "~SV3"))
	// Output: web my~20web~20~2F~201
}

func ExampleGuard() {
	guard := policy.NewGuard(policy.NewNative(nil, policy.Default{}))
	question := policy.Do(policy.Delete, policy.MustParseFQN("user::/accounts::smith"))

	// The embedding program itself calls.
	fmt.Println(guard.Check(context.Background(), question))

	// Somebody known calls.
	ctx := policy.WithPrincipal(context.Background(), &policy.Principal{Kind: policy.User, Name: "neo"})
	err := guard.Check(ctx, question)
	fmt.Println(errors.Is(err, atoll.Denied), err)
	// Output:
	// <nil>
	// true policy.Check: neo may not delete user::/accounts::smith
}

func ExampleParseGrantURI() {
	p, _ := policy.ParseGrantURI("/api/runtimes/neo-r1/actors/*")
	fmt.Println(p.Ref, p.Path, p.Star)
	fmt.Println(p.Covers(policy.CallSuffix("actors", "a", "stats")), p.Covers("/actors"))
	// Output:
	// neo-r1 /actors true
	// true false
}
