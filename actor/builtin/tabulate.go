package builtin

import (
	"encoding/json"
	"fmt"
	"math"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/actor"
)

// The bounds of a table. A combination of dimension values that does not fit
// is counted as "dropped"; its event passes like the others.
const (
	maxCells     = 100_000
	maxCellBytes = 8 << 20 // of all dimension values together
)

var tabulateType = actor.Type{
	Name:     "tabulate",
	Doc:      "Keeps a table of aggregates for each combination of field values.",
	Compile:  compiler(buildTabulate),
	Stateful: true,
}

type tabulateParams struct {
	Dimensions  []string `json:"dimensions" param:"required"`
	Value       string   `json:"value" param:"required"`
	Functions   []string `json:"functions" param:"required"`
	Normalize   *string  `json:"normalize"`
	Passthrough *bool    `json:"passthrough"`
}

func buildTabulate(p *tabulateParams, _ actor.Params, f *findings) actor.Maker {
	if f.clean("/dimensions") && len(p.Dimensions) == 0 {
		f.add("/dimensions", "empty", `"dimensions" must name at least one field`)
	}
	if f.clean("/functions") && len(p.Functions) == 0 {
		f.add("/functions", "empty", `"functions" must name at least one function`)
	}
	for i, name := range p.Functions {
		f.oneOf(fmt.Sprintf("/functions/%d", i), name, "average", "count", "sum", "min", "max")
	}
	shape := tabulate{dimensions: p.Dimensions, value: p.Value, functions: p.Functions, pass: true}
	if p.Normalize != nil {
		f.oneOf("/normalize", *p.Normalize, "row", "column", "total")
		shape.normalize = *p.Normalize
	}
	if p.Passthrough != nil {
		shape.pass = *p.Passthrough
	}
	shape.valueKey = actor.KeyOf(p.Value)
	for _, d := range p.Dimensions {
		shape.keys = append(shape.keys, actor.KeyOf(d))
	}
	return func(*actor.Env) (actor.Actor, error) {
		t := shape
		t.index = make(map[string]int)
		return &t, nil
	}
}

type tabulate struct {
	dimensions []string
	keys       []actor.Key
	value      string
	valueKey   actor.Key
	functions  []string
	normalize  string
	pass       bool

	cells   []cell
	index   map[string]int // by the JSON text of the dimension values
	bytes   int
	scratch []byte
}

// cell aggregates the values of one combination. Count is of all values, N of
// the numbers among them.
type cell struct {
	At    []actor.Value `json:"at"`
	Count int64         `json:"count"`
	N     int64         `json:"n"`
	Sum   float64       `json:"sum"`
	Min   float64       `json:"min"`
	Max   float64       `json:"max"`
}

func (t *tabulate) Trigger(c actor.Context, e *actor.Event) (*actor.Event, error) {
	t.update(c, e)
	if t.pass {
		return e, nil
	}
	return nil, nil
}

func (t *tabulate) update(c actor.Context, e *actor.Event) {
	value := e.Get(t.valueKey)
	if value.IsMissing() {
		return
	}
	key := t.scratch[:0]
	for _, k := range t.keys {
		v := e.Get(k)
		if v.IsMissing() {
			return
		}
		key = append(rounded(v).AppendJSON(key), ',')
	}
	t.scratch = key
	if cap(t.scratch) > 1<<16 {
		t.scratch = nil
	}
	i, ok := t.index[string(key)]
	if !ok {
		if len(t.cells) >= maxCells || t.bytes+len(key) > maxCellBytes {
			c.Count("dropped")
			return
		}
		at := make([]actor.Value, len(t.keys))
		for j, k := range t.keys {
			at[j] = owned(rounded(e.Get(k)))
		}
		i = t.insert(cell{At: at}, string(key))
	}
	t.cells[i].add(value)
}

// insert adds a cell under its key.
func (t *tabulate) insert(c cell, key string) int {
	t.cells = append(t.cells, c)
	t.index[key] = len(t.cells) - 1
	t.bytes += len(key)
	return len(t.cells) - 1
}

// rounded returns numbers with four decimals at most, and others as they are.
func rounded(v actor.Value) actor.Value {
	if v.Kind() != actor.NumberKind {
		return v
	}
	if n, ok := v.Int(); ok {
		return actor.Int(n)
	}
	f, ok := v.Float()
	if !ok || math.Abs(f) >= 1e15 {
		return v
	}
	return actor.Float(math.Round(f*1e4) / 1e4)
}

// owned returns v without the memory of the event that it was read from.
func owned(v actor.Value) actor.Value {
	if w, err := actor.ParseValue(v.AppendJSON(nil)); err == nil {
		return w
	}
	return v
}

func (c *cell) add(v actor.Value) {
	c.Count++
	f, ok := v.Float()
	if !ok {
		return
	}
	if c.N++; c.N == 1 {
		c.Min, c.Max = f, f
	}
	c.Min, c.Max = min(c.Min, f), max(c.Max, f)
	if sum := c.Sum + f; !math.IsInf(sum, 0) {
		c.Sum = sum
	}
}

func (t *tabulate) StateNames() []string { return []string{"table"} }

func (t *tabulate) State(name string) actor.Value {
	if name != "table" {
		return actor.Value{}
	}
	counts, sums := t.totals()
	rows := make([]actor.Value, len(t.cells))
	for i := range t.cells {
		c := &t.cells[i]
		group := t.group(c)
		fields := make([]actor.Field, 0, len(c.At)+1)
		for j, name := range t.dimensions {
			fields = append(fields, actor.Field{Name: name, Value: c.At[j]})
		}
		aggregates := make([]actor.Field, len(t.functions))
		for j, f := range t.functions {
			aggregates[j] = actor.Field{Name: f, Value: t.aggregate(c, f, counts[group], sums[group])}
		}
		rows[i] = actor.Object(append(fields, actor.Field{Name: t.value, Value: actor.Object(aggregates...)})...)
	}
	return actor.Array(rows...)
}

// totals adds up what counts and sums are divided by, for each group.
func (t *tabulate) totals() (counts, sums map[string]float64) {
	counts, sums = make(map[string]float64), make(map[string]float64)
	if t.normalize == "" {
		return counts, sums
	}
	for i := range t.cells {
		c := &t.cells[i]
		group := t.group(c)
		counts[group] += float64(c.Count)
		sums[group] += c.Sum
	}
	return counts, sums
}

// group is what the cells have in common that are normalized together.
func (t *tabulate) group(c *cell) string {
	switch t.normalize {
	case "row":
		return c.At[0].String()
	case "column":
		return c.At[len(c.At)-1].String()
	}
	return ""
}

func (t *tabulate) aggregate(c *cell, function string, count, sum float64) actor.Value {
	switch function {
	case "count":
		if t.normalize != "" {
			return actor.Float(float64(c.Count) / count)
		}
		return actor.Int(c.Count)
	case "sum":
		if t.normalize != "" {
			return actor.Float(c.Sum / sum) // null if there is nothing to be a fraction of
		}
		return actor.Float(c.Sum)
	}
	if c.N == 0 {
		return actor.Null()
	}
	switch function {
	case "average":
		return actor.Float(c.Sum / float64(c.N))
	case "min":
		return actor.Float(c.Min)
	default:
		return actor.Float(c.Max)
	}
}

type savedTable struct {
	Cells []cell `json:"cells"`
}

func (t *tabulate) SaveState() ([]byte, error) { return json.Marshal(savedTable{t.cells}) }

func (t *tabulate) RestoreState(data []byte) error {
	var saved savedTable
	if err := restore("tabulate", data, &saved); err != nil {
		return err
	}
	n := *t
	n.cells, n.index, n.bytes = nil, make(map[string]int), 0
	for _, c := range saved.Cells {
		var key []byte
		for _, v := range c.At {
			key = append(v.AppendJSON(key), ',')
		}
		if _, twice := n.index[string(key)]; twice || len(c.At) != len(t.keys) || len(n.cells) >= maxCells || n.bytes+len(key) > maxCellBytes {
			return atoll.Errorf(atoll.Invalid, "tabulate", "the saved table does not fit the parameters")
		}
		n.insert(c, string(key))
	}
	*t = n
	return nil
}
