package policy

import "context"

// Impact tells what a write would change before it is made: which of the
// callers would gain or lose which actions on which of the targets. It writes
// nothing and asks what Put would ask. Kinds as Put, but for Conflict: versions
// are not looked at.
func (d *Documents) Impact(ctx context.Context, texts []DocumentText, drop []string, callers []Caller, targets []Target) ([]Effect, error) {
	const op = "policy.Documents.Impact"
	before := d.Set()
	var docs []*Document
	if len(texts) > 0 {
		var err error
		if docs, _, err = parseTexts(op, texts, before); err != nil {
			return nil, err
		}
	}
	for _, doc := range docs {
		if _, err := d.askWrite(ctx, op, doc.Name, doc); err != nil {
			return nil, err
		}
	}
	for _, name := range drop {
		if err := d.readable(ctx, op, name); err != nil {
			return nil, err
		}
		if _, err := d.askWrite(ctx, op, name, nil); err != nil {
			return nil, err
		}
	}
	after, found := before.With(docs, drop)
	if after == nil {
		return nil, textError(op, found)
	}
	return Impact(before, after, callers, targets), nil
}
