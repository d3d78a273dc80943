package builtin_test

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/atoll-platform/atoll/actor"
	"github.com/atoll-platform/atoll/actor/builtin"
)

// cluster is an embedder's driver. This one has a table with one row; a real
// one holds a client library's configuration and opens its sessions.
type cluster struct{ hosts []string }

func (c cluster) Connect(_ context.Context, cfg builtin.DatabaseConfig) (builtin.DatabaseSession, error) {
	for _, seed := range cfg.Seeds {
		if !slices.Contains(c.hosts, seed) { // a tenant chose it
			return nil, errors.New("this platform does not connect to " + seed)
		}
	}
	return clusterSession{}, nil
}

type clusterSession struct{}

func (clusterSession) Select(context.Context, string) ([]actor.Value, error) {
	return []actor.Value{actor.Object(actor.Field{Name: "n", Value: actor.Int(4)})}, nil
}
func (clusterSession) Execute(context.Context, string) error { return errors.New("read only") }
func (clusterSession) Use(context.Context, string) error     { return nil }
func (clusterSession) Schema(context.Context) (map[string]map[string]string, error) {
	return map[string]map[string]string{"t": {"n": "int"}}, nil
}
func (clusterSession) Close() error { return nil }

// An embedding program gives the actor type cassandra the driver that it wants.
// The registry goes to platform.WithActors.
func ExampleWithDatabase() {
	registry := builtin.Registry(builtin.WithDatabase(cluster{hosts: []string{"10.0.0.5"}}))

	typ, _ := registry.Lookup("cassandra")
	for _, seed := range []string{"10.0.0.5", "169.254.169.254"} {
		params := actor.Object(
			actor.Field{Name: "seeds", Value: actor.Array(actor.String(seed))},
			actor.Field{Name: "keyspace", Value: actor.String("k")},
		)
		env := new(actor.Env)
		newActor, findings := typ.Compile(actor.Params{Value: params, Env: env})
		if len(findings) > 0 {
			fmt.Println(findings)
			return
		}
		a, err := newActor(env)
		if err != nil {
			fmt.Println(err)
			return
		}
		out, err := a.Trigger(nil, actor.NewEvent(actor.Field{Name: "query", Value: actor.String("select n from k.t")}))
		fmt.Println(out, err)
	}
	// Output:
	// {"seeds":["10.0.0.5"],"query":"select n from k.t","success":true,"data":[{"n":4}]} <nil>
	// {"query":"select n from k.t","success":false,"error":"this platform does not connect to 169.254.169.254"} <nil>
}
