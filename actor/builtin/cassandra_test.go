package builtin_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/atoll-platform/atoll/actor"
	"github.com/atoll-platform/atoll/actor/actortest"
	"github.com/atoll-platform/atoll/actor/builtin"
)

// tables is a database of one table in each keyspace.
type tables struct {
	config builtin.DatabaseConfig
	calls  []string
	down   bool
}

func (d *tables) Connect(_ context.Context, c builtin.DatabaseConfig) (builtin.DatabaseSession, error) {
	d.config = c
	if d.down {
		return nil, errors.New("no host answers")
	}
	return d, nil
}

func (d *tables) Select(_ context.Context, query string) ([]actor.Value, error) {
	if strings.Contains(query, "bad") {
		return nil, errors.New("no table bad")
	}
	return []actor.Value{actor.Object(actor.Field{Name: "n", Value: actor.Int(4)})}, nil
}

func (d *tables) Execute(_ context.Context, query string) error {
	d.calls = append(d.calls, query)
	return nil
}

func (d *tables) Use(_ context.Context, keyspace string) error {
	d.calls = append(d.calls, "use "+keyspace)
	return nil
}

func (d *tables) Schema(context.Context) (map[string]map[string]string, error) {
	return map[string]map[string]string{"t": {"n": "int", "a": "text"}, "s": {}}, nil
}

func (d *tables) Close() error {
	d.calls = append(d.calls, "close")
	return nil
}

func cassandra(t *testing.T, db *tables) *actortest.Harness {
	t.Helper()
	typ, _ := builtin.Registry(builtin.WithDatabase(db)).Lookup("cassandra")
	return actortest.Start(t, typ, `{"seeds":["10.0.0.5"],"keyspace":"k","user":"u","password":"p"}`)
}

func TestCassandra(t *testing.T) {
	db := new(tables)
	h := cassandra(t, db)
	if diff := cmp.Diff(`{"connected":false,"keyspace":"k","schema":{}}`, h.State()); diff != "" {
		t.Errorf("state before the first query (-want +got):\n%s", diff)
	}
	for _, s := range []step{
		{`{"query":"select n from k.t"}`, emits(`{"seeds":["10.0.0.5"],"query":"select n from k.t","success":true,"data":[{"n":4}]}`)},
		{`{"query":" SELECT bad"}`, emits(`{"query":" SELECT bad","success":false,"error":"no table bad"}`)},
		{`{"query":"insert into t"}`, emits(`{"query":"insert into t","success":true}`)},
		{`{"query":"use other;"}`, emits(`{"query":"use other;","success":true}`)},
		{`{}`, notProcessed},
		{`{"query":7}`, notProcessed},
	} {
		if diff := cmp.Diff([]actortest.Outcome{s.want}, h.Send(s.event)); diff != "" {
			t.Errorf("%s mismatch (-want +got):\n%s", s.event, diff)
		}
	}
	if diff := cmp.Diff(`{"connected":true,"keyspace":"other","schema":{"s":{},"t":{"a":"text","n":"int"}}}`, h.State()); diff != "" {
		t.Errorf("state mismatch (-want +got):\n%s", diff)
	}
	h.Close()
	if diff := cmp.Diff([]string{"insert into t", "use other", "close"}, db.calls); diff != "" {
		t.Errorf("calls mismatch (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(builtin.DatabaseConfig{Seeds: []string{"10.0.0.5"}, Port: 9042, Keyspace: "k", User: "u", Password: "p"}, db.config); diff != "" {
		t.Errorf("config mismatch (-want +got):\n%s", diff)
	}
}

func TestCassandraConnectsAgain(t *testing.T) {
	db := &tables{down: true}
	h := cassandra(t, db)
	want := []actortest.Outcome{emits(`{"query":"x","success":false,"error":"no host answers"}`)}
	if diff := cmp.Diff(want, h.Send(`{"query":"x"}`)); diff != "" {
		t.Errorf("mismatch (-want +got):\n%s", diff)
	}
	db.down = false
	if diff := cmp.Diff([]actortest.Outcome{emits(`{"query":"x","success":true}`)}, h.Send(`{"query":"x"}`)); diff != "" {
		t.Errorf("mismatch (-want +got):\n%s", diff)
	}
}

func TestCassandraWithoutADriverSaysSo(t *testing.T) {
	h := actortest.Start(t, typeOf(t, "cassandra"), `{"seeds":["h"],"keyspace":"k"}`)
	want := []actortest.Outcome{emits(`{"query":"select 1","success":false,"error":"no database driver is configured on this platform"}`)}
	if diff := cmp.Diff(want, h.Send(`{"query":"select 1"}`)); diff != "" {
		t.Errorf("mismatch (-want +got):\n%s", diff)
	}
}
