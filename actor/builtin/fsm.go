package builtin

import (
	"encoding/json"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/actor"
)

var fsmType = actor.Type{
	Name:     "fsm",
	Doc:      "Walks a table of states by the value of a field.",
	Compile:  compiler(buildFSM),
	Stateful: true,
}

type fsmParams struct {
	Key   string                       `json:"key" param:"required"`
	Table map[string]map[string]string `json:"table" param:"required"`
	S0    string                       `json:"s0" param:"required"`
}

func buildFSM(p *fsmParams, _ actor.Params, f *findings) actor.Maker {
	if _, ok := p.Table[p.S0]; !ok && f.clean("/s0", "/table") {
		f.add("/s0", "reference", `"s0" must be a state of "table", not %q`, p.S0)
	}
	key := actor.KeyOf(p.Key)
	return func(*actor.Env) (actor.Actor, error) {
		return &fsm{key: key, table: p.Table, first: p.Table[p.S0], state: p.S0}, nil
	}
}

type fsm struct {
	key   actor.Key
	table map[string]map[string]string
	first map[string]string // the row of s0, for states without one
	state string
}

func (m *fsm) Trigger(_ actor.Context, e *actor.Event) (*actor.Event, error) {
	input, ok := e.Text(m.key)
	if !ok {
		return nil, nil
	}
	row, ok := m.table[m.state]
	if !ok {
		row = m.first
	}
	if next, ok := row[input]; ok {
		m.state = next
	}
	return nil, nil
}

func (m *fsm) StateNames() []string { return []string{"s"} }

func (m *fsm) State(name string) actor.Value {
	if name == "s" {
		return actor.String(m.state)
	}
	return actor.Value{}
}

type savedFSM struct {
	S string `json:"s"`
}

func (m *fsm) SaveState() ([]byte, error) { return json.Marshal(savedFSM{m.state}) }

func (m *fsm) RestoreState(data []byte) error {
	var saved savedFSM
	if err := restore("fsm", data, &saved); err != nil {
		return err
	}
	if !m.reachable(saved.S) {
		return atoll.Errorf(atoll.Invalid, "fsm", "the saved state %q is not in the table", saved.S)
	}
	m.state = saved.S
	return nil
}

// reachable reports whether the table has that state, or leads to it.
func (m *fsm) reachable(state string) bool {
	if _, ok := m.table[state]; ok {
		return true
	}
	for _, row := range m.table {
		for _, next := range row {
			if next == state {
				return true
			}
		}
	}
	return false
}
