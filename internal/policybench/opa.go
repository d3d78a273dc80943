package main

import (
	"context"
	"encoding/json"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/rego"
	"github.com/open-policy-agent/opa/v1/storage/inmem"
	"github.com/open-policy-agent/opa/v1/util"
)

// opa-data: the grants are data, found by namespace, action and id; the
// caller's ids and the namespaces above the target come with the question.

const opaModule = `package bench

default allow := false

allow if {
	some namespace in input.namespaces
	some id in input.ids
	data.grants[namespace][input.action][id]
}

allow if {
	some i, namespace in input.namespaces
	data.self[namespace][input.action]
	input.tokens[i] == input.ids[0]
}
`

func opaText(w *world) []string {
	grants := map[string]map[string]map[string]bool{}
	self := map[string]map[string]bool{}
	for i := range w.grants {
		g := &w.grants[i]
		if g.self() {
			if self[fqn(g.root())] == nil {
				self[fqn(g.root())] = map[string]bool{}
			}
			self[fqn(g.root())][g.action] = true
			continue
		}
		name := fqn(g.namespace)
		if grants[name] == nil {
			grants[name] = map[string]map[string]bool{}
		}
		if grants[name][g.action] == nil {
			grants[name][g.action] = map[string]bool{}
		}
		grants[name][g.action][g.who] = true
	}
	text, err := json.Marshal(map[string]any{"grants": grants, "self": self})
	if err != nil {
		panic(err)
	}
	return []string{string(text)}
}

type opaSet struct{ query rego.PreparedEvalQuery }

func opaLoad(texts []string) (loaded, error) {
	var data map[string]any
	if err := util.Unmarshal([]byte(texts[0]), &data); err != nil {
		return nil, err
	}
	store := inmem.NewFromObjectWithOpts(data, inmem.OptRoundTripOnWrite(false), inmem.OptReturnASTValuesOnRead(true))
	query, err := rego.New(rego.Query("data.bench.allow"), rego.Module("bench.rego", opaModule), rego.Store(store)).PrepareForEval(context.Background())
	return &opaSet{query}, err
}

func (o *opaSet) asker(w *world) func(int) bool {
	inputs := make([]ast.Value, len(w.questions))
	for i, q := range w.questions {
		var names []string
		for _, p := range prefixes(q.namespace) {
			names = append(names, fqn(p))
		}
		v, err := ast.InterfaceToValue(map[string]any{
			"namespaces": names, "tokens": tokens(q.namespace), "ids": w.users[q.user].ids, "action": q.action})
		if err != nil {
			panic(err)
		}
		inputs[i] = v
	}
	ctx := context.Background()
	return func(i int) bool {
		rs, err := o.query.Eval(ctx, rego.EvalParsedInput(inputs[i]))
		if err != nil {
			panic(err)
		}
		return rs.Allowed()
	}
}
