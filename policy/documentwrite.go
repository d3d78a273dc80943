package policy

import (
	"context"
	"fmt"
	"slices"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/internal/store"
)

// DocumentWrite is a document to be made or changed.
type DocumentWrite struct {
	Name       string
	Text       string
	ForVersion uint64 // the version that it replaces; 0 for a new one
}

// System is the code of Denied for documents that are the platform's own.
const System atoll.Code = "system"

// maxWrites is how many documents one call may write.
const maxWrites = 1000

// Put makes or changes documents, all or none, and returns the version of the
// policy and the warnings. Invalid: a name twice or malformed, or texts that
// have errors, each a finding; Denied: the caller may not create or update a
// document or policy about a realm in the old or the new text, or a document
// is the platform's own; Conflict (stale): a version is not the present one;
// TooLarge: a text above MaxDocument.
func (d *Documents) Put(ctx context.Context, writes []DocumentWrite) (uint64, []Diagnostic, error) {
	const op = "policy.Documents.Put"
	docs, warnings, err := parseWrites(op, writes)
	if err != nil {
		return 0, nil, err
	}
	for i, w := range writes {
		if err := d.askWrite(ctx, op, w.Name, docs[i]); err != nil {
			return 0, nil, err
		}
	}
	version, more, err := d.write(ctx, op, docs, nil, func(tx *store.Tx) error {
		for _, w := range writes {
			if err := putDocument(tx, w); err != nil {
				return err
			}
		}
		return nil
	})
	return version, append(warnings, more...), err
}

func parseWrites(op string, writes []DocumentWrite) ([]*Document, []Diagnostic, error) {
	if len(writes) == 0 || len(writes) > maxWrites {
		return nil, nil, &atoll.Error{Kind: atoll.Invalid, Op: op, Msg: fmt.Sprintf("want 1 to %d documents", maxWrites),
			Findings: []atoll.Finding{{Path: "docs", Code: "length", Msg: fmt.Sprintf("docs has 1 to %d entries", maxWrites)}}}
	}
	var findings []atoll.Finding
	var found []Diagnostic
	docs := make([]*Document, len(writes))
	seen := map[string]bool{}
	for i, w := range writes {
		path := fmt.Sprintf("docs/%d/name", i)
		switch {
		case !ValidDocumentName(w.Name):
			findings = append(findings, atoll.Finding{Path: path, Code: "name", Msg: "a document's name is 1 to 128 letters, digits, - and _, and does not start with -"})
			continue
		case seen[w.Name]:
			findings = append(findings, atoll.Finding{Path: path, Code: "duplicate", Msg: "document " + w.Name + " occurs twice"})
			continue
		}
		seen[w.Name] = true
		doc, ds := Parse(w.Name, w.Text)
		docs[i], found = doc, append(found, ds...)
	}
	if len(findings) > 0 {
		return nil, nil, &atoll.Error{Kind: atoll.Invalid, Op: op, Msg: "the documents are not valid", Findings: findings}
	}
	if err := DiagnosticsError(op, found); err != nil {
		return nil, nil, err
	}
	return docs, found, nil
}

// askWrite asks whether the caller may write a document, given what is stored
// under its name now.
func (d *Documents) askWrite(ctx context.Context, op, name string, doc *Document) error {
	action, realms := Create, map[realmKey]bool{}
	if old, ok := documentRows.Get(d.st.View(), name); ok && !old.Deleted {
		action = Update
		if old.System {
			return systemDocument(op, name)
		}
		if o, _ := Parse(name, old.Text); o != nil {
			realms = realmsOf(o)
		}
	}
	if doc == nil {
		action = Delete
	} else {
		for r := range realmsOf(doc) {
			realms[r] = true
		}
	}
	if err := d.guard.Check(ctx, Do(action, documentFQN(name))); err != nil {
		return atoll.Wrap(op, err)
	}
	return d.askRealms(ctx, op, Update, realms)
}

func systemDocument(op, name string) error {
	return &atoll.Error{Kind: atoll.Denied, Code: System, Op: op, Msg: "document " + name + " is the platform's own and cannot be changed",
		Subject: atoll.Subject{Type: "policydoc", ID: name}}
}

func putDocument(tx *store.Tx, w DocumentWrite) error {
	row := documentRow{Meta: store.Meta{ID: w.Name}}
	if old, ok := documentRows.Get(tx, w.Name); ok {
		row = *old
	}
	current := row.Number
	if row.Deleted {
		current = 0
	}
	if w.ForVersion != current {
		return &atoll.Error{Kind: atoll.Conflict, Code: atoll.Stale, Op: "policy.Documents.Put",
			Msg:     fmt.Sprintf("document %s is at version %d, not %d", w.Name, current, w.ForVersion),
			Subject: atoll.Subject{Type: "policydoc", ID: w.Name}}
	}
	if row.System && !row.Deleted {
		return systemDocument("policy.Documents.Put", w.Name)
	}
	event := "policydoc.update"
	if current == 0 {
		event = "policydoc.create"
	}
	row.Number++
	row.Text, row.Deleted = w.Text, false
	return storeDocument(tx, &row, event)
}

// storeDocument writes a row and, unless it is a deletion, its version.
func storeDocument(tx *store.Tx, row *documentRow, event string) error {
	if err := documentRows.Put(tx, row); err != nil {
		return err
	}
	tx.Note(event, documentFQN(row.ID).String(), map[string]any{"version": row.Number})
	if row.Deleted {
		return nil
	}
	return versionRows.Insert(tx, &versionRow{Name: row.ID, Number: row.Number, Text: row.Text, UpdatedAt: tx.Now(), UpdatedBy: tx.Actor()})
}

// Delete deletes documents, all or none, and returns the version of the
// policy. Old versions stay readable. NotFound: one does not exist, or the
// caller may not read it; Denied as Put.
func (d *Documents) Delete(ctx context.Context, names []string) (uint64, error) {
	const op = "policy.Documents.Delete"
	if len(names) == 0 || len(names) > maxWrites {
		return 0, atoll.Errorf(atoll.Invalid, op, "want 1 to %d names", maxWrites)
	}
	names = slices.Compact(slices.Sorted(slices.Values(names)))
	for _, n := range names {
		row, ok := documentRows.Get(d.st.View(), n)
		if !ok || row.Deleted || !d.guard.Allowed(ctx, Do(Read, documentFQN(n))) {
			return 0, noDocument(op, n)
		}
	}
	for _, n := range names {
		if err := d.askWrite(ctx, op, n, nil); err != nil {
			return 0, err
		}
	}
	version, _, err := d.write(ctx, op, nil, names, func(tx *store.Tx) error {
		for _, n := range names {
			row, ok := documentRows.Get(tx, n)
			if !ok || row.Deleted {
				return noDocument(op, n)
			}
			c := *row
			c.Deleted, c.Text = true, ""
			if err := storeDocument(tx, &c, "policydoc.delete"); err != nil {
				return err
			}
		}
		return nil
	})
	return version, err
}

// write stores what rows writes and makes the set with put and without drop
// active, both or neither.
func (d *Documents) write(ctx context.Context, op string, put []*Document, drop []string, rows func(*store.Tx) error) (uint64, []Diagnostic, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	now := d.refresh()
	next, found := now.set.With(put, drop)
	if next == nil {
		return 0, nil, DiagnosticsError(op, found)
	}
	var version uint64
	index, err := d.st.Update(ctx, func(tx *store.Tx) (err error) {
		if d.st.LastIndex(documentRows, variableRows) > now.index {
			return atoll.Errorf(atoll.Conflict, op, "the documents were replaced meanwhile")
		}
		if err = rows(tx); err == nil {
			version, err = nextVersion(tx)
		}
		return err
	})
	if err != nil {
		return 0, nil, atoll.Wrap(op, err)
	}
	d.active.Store(&compiled{set: next, index: index, denies: now.denies || slices.ContainsFunc(put, (*Document).denies)})
	return version, found, nil
}

// PutVariables makes or replaces a table of policy variables and returns the
// version of the policy. Every row has one cell for each column. Invalid,
// Denied.
func (d *Documents) PutVariables(ctx context.Context, name string, columns []string, cells [][]string) (uint64, error) {
	const op = "policy.Documents.PutVariables"
	if err := d.guard.Check(ctx, Do(Update, variableFQN(name))); err != nil {
		return 0, atoll.Wrap(op, err)
	}
	if fs := checkTable(name, columns, cells); len(fs) > 0 {
		return 0, &atoll.Error{Kind: atoll.Invalid, Op: op, Msg: "the table is not valid", Findings: fs}
	}
	row := &variableRow{Meta: store.Meta{ID: name}, Columns: slices.Clone(columns)}
	for _, r := range cells {
		row.Rows = append(row.Rows, slices.Clone(r))
	}
	return d.writeVariables(ctx, op, func(tx *store.Tx) error { return variableRows.Put(tx, row) })
}

// DeleteVariables deletes a table of policy variables. Documents that refer to
// it find nothing there. NotFound, Denied.
func (d *Documents) DeleteVariables(ctx context.Context, name string) (uint64, error) {
	const op = "policy.Documents.DeleteVariables"
	if err := d.guard.Check(ctx, Do(Delete, variableFQN(name))); err != nil {
		return 0, atoll.Wrap(op, err)
	}
	return d.writeVariables(ctx, op, func(tx *store.Tx) error {
		ok, err := variableRows.Delete(tx, name)
		if err == nil && !ok {
			return &atoll.Error{Kind: atoll.NotFound, Op: op, Msg: fmt.Sprintf("no table %.100s", name), Subject: atoll.Subject{Type: "table", ID: name}}
		}
		return err
	})
}

// Variables returns the tables of policy variables. Denied.
func (d *Documents) Variables(ctx context.Context) (Variables, error) {
	if err := d.guard.Check(ctx, Do(Read, FQN{Type: "policydoc", Namespace: "/variables"})); err != nil {
		return nil, atoll.Wrap("policy.Documents.Variables", err)
	}
	return variablesOf(d.st.View()), nil
}

func (d *Documents) writeVariables(ctx context.Context, op string, rows func(*store.Tx) error) (uint64, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	var version uint64
	_, err := d.st.Update(ctx, func(tx *store.Tx) (err error) {
		if err = rows(tx); err == nil {
			version, err = nextVersion(tx)
		}
		return err
	})
	if err != nil {
		return 0, atoll.Wrap(op, err)
	}
	d.refresh()
	return version, nil
}

// The bounds of a table of policy variables.
const (
	maxTableColumns = 64
	maxTableRows    = 100_000
)

func checkTable(name string, columns []string, cells [][]string) []atoll.Finding {
	var fs []atoll.Finding
	add := func(path, code, format string, args ...any) {
		if len(fs) < 100 {
			fs = append(fs, atoll.Finding{Path: path, Code: code, Msg: fmt.Sprintf(format, args...)})
		}
	}
	if !ValidDocumentName(name) {
		add("name", "name", "a table's name is 1 to 128 letters, digits, - and _, and does not start with -")
	}
	if len(columns) == 0 || len(columns) > maxTableColumns {
		add("columns", "length", "a table has 1 to %d columns", maxTableColumns)
	}
	for i, c := range columns {
		if !validClaimType(c) || slices.Contains(columns[:i], c) {
			add(fmt.Sprintf("columns/%d", i), "name", "a column's name is letters, digits, _, . and -, and occurs once")
		}
	}
	if len(cells) > maxTableRows {
		add("rows", "length", "a table has at most %d rows", maxTableRows)
	}
	for i, r := range cells {
		if len(r) != len(columns) {
			add(fmt.Sprintf("rows/%d", i), "length", "a row has one cell for each of the %d columns", len(columns))
		}
	}
	return fs
}

// Install writes the documents of a fresh platform into a store that has never
// had any, and brings the platform's own documents up to date in one that has.
// It is for the embedding program, at start-up: it asks nobody.
func (d *Documents) Install(ctx context.Context, docs []DefaultDocument) error {
	const op = "policy.Documents.Install"
	d.mu.Lock()
	defer d.mu.Unlock()
	_, err := d.st.Update(ctx, func(tx *store.Tx) error {
		fresh, changed := documentRows.Count(tx) == 0, false
		for _, doc := range docs {
			old, ok := documentRows.Get(tx, doc.Name)
			if !fresh && (!doc.System || ok && old.Text == doc.Text) {
				continue
			}
			if _, ds := Parse(doc.Name, doc.Text); HasErrors(ds) {
				return DiagnosticsError(op, ds)
			}
			row := documentRow{Meta: store.Meta{ID: doc.Name}}
			if ok {
				row = *old
			}
			row.Number++
			row.Text, row.System, row.Deleted = doc.Text, doc.System, false
			if err := storeDocument(tx, &row, "policydoc.install"); err != nil {
				return err
			}
			changed = true
		}
		if !changed {
			return nil
		}
		_, err := nextVersion(tx)
		return err
	})
	if err != nil {
		return atoll.Wrap(op, err)
	}
	d.refresh()
	return nil
}
