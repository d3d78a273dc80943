package builtin

import (
	"context"
	"encoding/json"
	"regexp"
	"strings"
	"sync"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/actor"
)

// Database is the driver of the cassandra actor type, and where an embedder
// plugs one in: the module brings none. WithDatabase supplies it; it is used by
// many actors at once. An implementation over a client library opens a session
// for each Connect, or lends one of a pool by DatabaseConfig.
//
// Where a session leads is said by whoever writes the definition, so it is for
// the driver to refuse hosts that it must not reach, and to bound how many
// sessions there are and how many rows a Select returns. The text of its errors
// is shown to who sent the query; of an *atoll.Error only the message is.
type Database interface {
	// Connect opens a session. It may take its time within ctx. When it fails,
	// the next query tries again.
	Connect(ctx context.Context, c DatabaseConfig) (DatabaseSession, error)
}

// DatabaseConfig is where a session leads.
type DatabaseConfig struct {
	Seeds    []string
	Port     int
	Keyspace string
	User     string // "" is the driver's own
	Password string
}

// DatabaseSession is one connection to one keyspace; it is used by one
// goroutine at a time.
type DatabaseSession interface {
	// Select returns the rows of a query, each an object by column.
	Select(ctx context.Context, query string) ([]actor.Value, error)
	// Execute runs any other statement.
	Execute(ctx context.Context, query string) error
	// Use changes the keyspace.
	Use(ctx context.Context, keyspace string) error
	// Schema returns the type of each column of each table of the keyspace.
	Schema(ctx context.Context) (map[string]map[string]string, error)
	Close() error
}

func cassandraType(db Database) actor.Type {
	return actor.Type{
		Name: "cassandra",
		Doc:  "Runs the queries in events on a database that the embedder connects.",
		Compile: compiler(func(p *cassandraParams, _ actor.Params, f *findings) actor.Maker {
			return buildCassandra(db, p, f)
		}),
		Stateful: true,
	}
}

type cassandraParams struct {
	Seeds    []string `json:"seeds" param:"required"`
	Keyspace string   `json:"keyspace" param:"required"`
	Port     *int     `json:"port"`
	User     string   `json:"user"`
	Password string   `json:"password"`
}

func buildCassandra(db Database, p *cassandraParams, f *findings) actor.Maker {
	if f.clean("/seeds") && len(p.Seeds) == 0 {
		f.add("/seeds", "empty", `"seeds" must name at least one host`)
	}
	port := 9042
	if p.Port != nil {
		port = *p.Port
		if f.clean("/port") && (port < 1 || port > 65535) {
			f.add("/port", "range", `"port" must be from 1 to 65535`)
		}
	}
	config := DatabaseConfig{p.Seeds, port, p.Keyspace, p.User, p.Password}
	return func(*actor.Env) (actor.Actor, error) {
		return &cassandra{db: db, config: config, keyspace: p.Keyspace, schema: actor.Object()}, nil
	}
}

type cassandra struct {
	db     Database
	config DatabaseConfig

	session DatabaseSession // of Perform alone

	mu        sync.Mutex // State is read beside Perform
	connected bool
	keyspace  string
	schema    actor.Value
}

var (
	queryKey     = actor.KeyOf("query")
	useStatement = regexp.MustCompile(`(?i)^\s*use\s+"?(\w+)"?\s*;?\s*$`)
)

// Parallel is one: a statement may depend on the one before.
func (*cassandra) Parallel() int { return 1 }

// Trigger runs the query in place, for callers that can wait.
func (c *cassandra) Trigger(_ actor.Context, e *actor.Event) (*actor.Event, error) {
	return c.Perform(context.Background(), e)
}

// Perform runs the query of the event. A query that fails is a result.
func (c *cassandra) Perform(ctx context.Context, e *actor.Event) (*actor.Event, error) {
	query, ok := e.Get(queryKey).Str()
	if !ok {
		return nil, actor.ErrNotProcessed
	}
	asked := actor.Field{Name: "query", Value: actor.String(query)}
	success := func(ok bool) actor.Field { return actor.Field{Name: "success", Value: actor.Bool(ok)} }
	rows, selects, err := c.run(ctx, query)
	if err != nil {
		msg := err.Error()
		if e, ok := err.(*atoll.Error); ok && e.Msg != "" {
			msg = e.Msg
		}
		return actor.NewEvent(asked, success(false), actor.Field{Name: "error", Value: actor.String(msg)}), nil
	}
	if !selects {
		return actor.NewEvent(asked, success(true)), nil
	}
	seeds := make([]actor.Value, len(c.config.Seeds))
	for i, s := range c.config.Seeds {
		seeds[i] = actor.String(s)
	}
	return actor.NewEvent(actor.Field{Name: "seeds", Value: actor.Array(seeds...)}, asked, success(true),
		actor.Field{Name: "data", Value: actor.Array(rows...)}), nil
}

// run connects if need be and runs one query.
func (c *cassandra) run(ctx context.Context, query string) (rows []actor.Value, selects bool, err error) {
	if err := c.connect(ctx); err != nil {
		return nil, false, err
	}
	if strings.HasPrefix(strings.ToLower(strings.TrimSpace(query)), "select") {
		rows, err = c.session.Select(ctx, query)
		return rows, true, err
	}
	if m := useStatement.FindStringSubmatch(query); m != nil {
		if err := c.session.Use(ctx, m[1]); err != nil {
			return nil, false, err
		}
		return nil, false, c.look(ctx, m[1])
	}
	return nil, false, c.session.Execute(ctx, query)
}

func (c *cassandra) connect(ctx context.Context) error {
	if c.session != nil {
		return nil
	}
	if c.db == nil {
		return failed("cassandra", "no database driver is configured on this platform")
	}
	s, err := c.db.Connect(ctx, c.config)
	if err != nil {
		return err
	}
	c.session = s
	return c.look(ctx, c.config.Keyspace)
}

// look reads the schema of the keyspace that the session is in now.
func (c *cassandra) look(ctx context.Context, keyspace string) error {
	schema, err := c.session.Schema(ctx)
	if err != nil {
		return err
	}
	text, err := json.Marshal(schema) // sorts tables and columns
	if err != nil {
		return err
	}
	v, err := actor.ParseValue(text)
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.connected, c.keyspace, c.schema = true, keyspace, v
	return nil
}

func (c *cassandra) StateNames() []string { return []string{"connected", "keyspace", "schema"} }

func (c *cassandra) State(name string) actor.Value {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch name {
	case "connected":
		return actor.Bool(c.connected)
	case "keyspace":
		return actor.String(c.keyspace)
	case "schema":
		return c.schema
	}
	return actor.Value{}
}

// Close ends the session.
func (c *cassandra) Close() error {
	if c.session == nil {
		return nil
	}
	s := c.session
	c.session = nil
	return s.Close()
}
