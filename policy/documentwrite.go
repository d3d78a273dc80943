package policy

import (
	"context"
	"errors"
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

// DocumentText is a document as its writer gives it.
type DocumentText struct{ Name, Text string }

// StaleDocument is one of the details of a Conflict: a document that is not at
// the version that the write was made for.
type StaleDocument struct {
	Name    string
	Current uint64 // 0: there is no such document
}

// The details of failures, by name.
const (
	DetailDiagnostics = "diagnostics" // of Invalid: []Diagnostic, the errors in the texts
	DetailStale       = "documents"   // of Conflict: []StaleDocument
)

// Put makes or changes documents, all or none, and returns the version of the
// policy and the warnings. Invalid: a name twice or malformed, or texts that
// have errors, each a finding and one of the diagnostics among the details;
// Denied: the caller may not create or update a document or policy about a
// realm in the old or the new text, or a document is the platform's own;
// Conflict (stale): a version is not the present one, every such document is
// among the details.
func (d *Documents) Put(ctx context.Context, writes []DocumentWrite) (uint64, []Diagnostic, error) {
	const op = "policy.Documents.Put"
	texts := make([]DocumentText, len(writes))
	for i, w := range writes {
		texts[i] = DocumentText{w.Name, w.Text}
	}
	docs, warnings, err := parseTexts(op, texts, d.Set())
	if err != nil {
		return 0, nil, err
	}
	asked := make([]uint64, len(writes))
	for i, w := range writes {
		if asked[i], err = d.askWrite(ctx, op, w.Name, docs[i]); err != nil {
			return 0, nil, err
		}
	}
	notes := d.notes(docs, nil)
	version, _, err := d.write(ctx, op, docs, nil, func(tx *store.Tx) error {
		if err := checkVersions(tx, op, writes, asked); err != nil {
			return err
		}
		for _, w := range writes {
			if err := putDocument(tx, w); err != nil {
				return err
			}
		}
		notes.write(tx)
		return nil
	})
	if err != nil {
		return 0, nil, err
	}
	return version, warnings, nil
}

const nameRule = "a document's name is 1 to 128 letters, digits, - and _, and does not start with -"

// parseTexts reads documents and holds them to the types and tables of a set.
// It returns the warnings.
func parseTexts(op string, texts []DocumentText, set *Set) ([]*Document, []Diagnostic, error) {
	if len(texts) == 0 || len(texts) > maxWrites {
		return nil, nil, &atoll.Error{Kind: atoll.Invalid, Op: op, Msg: fmt.Sprintf("want 1 to %d documents", maxWrites),
			Findings: []atoll.Finding{{Path: "docs", Code: "length", Msg: fmt.Sprintf("docs has 1 to %d entries", maxWrites)}}}
	}
	var findings []atoll.Finding
	var found []Diagnostic
	docs := make([]*Document, len(texts))
	seen := map[string]bool{}
	for i, t := range texts {
		path := fmt.Sprintf("docs/%d/name", i)
		switch {
		case !ValidDocumentName(t.Name):
			findings = append(findings, atoll.Finding{Path: path, Code: "name", Msg: nameRule})
			continue
		case seen[t.Name]:
			findings = append(findings, atoll.Finding{Path: path, Code: "duplicate", Msg: "document " + t.Name + " occurs twice"})
			continue
		}
		seen[t.Name] = true
		doc, ds := Parse(t.Name, t.Text)
		docs[i], found = doc, append(found, ds...)
		if doc != nil {
			found = append(found, checkDocument(doc, set.vars, set.types)...)
		}
	}
	if len(findings) > 0 {
		return nil, nil, &atoll.Error{Kind: atoll.Invalid, Op: op, Msg: "the documents are not valid", Findings: findings}
	}
	if err := textError(op, found); err != nil {
		return nil, nil, err
	}
	return docs, found, nil
}

// textError is DiagnosticsError with the errors among the details.
func textError(op string, ds []Diagnostic) error {
	err := DiagnosticsError(op, ds)
	if e, ok := errors.AsType[*atoll.Error](err); ok {
		e.Details = map[string]any{DetailDiagnostics: slices.DeleteFunc(slices.Clone(ds), Diagnostic.Warning)}
	}
	return err
}

// checkVersions holds the writes against what is stored: a version that is not
// the present one, and a document that changed since the caller was asked
// about, are stale.
func checkVersions(tx *store.Tx, op string, writes []DocumentWrite, asked []uint64) error {
	var stale []StaleDocument
	msg := ""
	for i, w := range writes {
		current := currentVersion(tx, w.Name)
		if w.ForVersion == current && asked[i] == current {
			continue
		}
		switch {
		case msg != "":
		case w.ForVersion == current:
			msg = fmt.Sprintf("document %s changed meanwhile", w.Name)
		case current == 0:
			msg = fmt.Sprintf("there is no document %s, and so no version %d", w.Name, w.ForVersion)
		default:
			msg = fmt.Sprintf("document %s is at version %d, not %d", w.Name, current, w.ForVersion)
		}
		stale = append(stale, StaleDocument{w.Name, current})
	}
	if stale == nil {
		return nil
	}
	return &atoll.Error{Kind: atoll.Conflict, Code: atoll.Stale, Op: op, Msg: msg,
		Subject: atoll.Subject{Type: "policydoc", ID: stale[0].Name}, Details: map[string]any{DetailStale: stale}}
}

// currentVersion is the version of a document, 0 if there is none.
func currentVersion(r store.Reader, name string) uint64 {
	if row, ok := documentRows.Get(r, name); ok && !row.Deleted {
		return row.Number
	}
	return 0
}

func systemDocument(op, name string) error {
	return &atoll.Error{Kind: atoll.Denied, Code: System, Op: op, Msg: "document " + name + " is the platform's own and cannot be changed",
		Subject: atoll.Subject{Type: "policydoc", ID: name}}
}

// putDocument writes a document whose version was checked.
func putDocument(tx *store.Tx, w DocumentWrite) error {
	row := documentRow{Meta: store.Meta{ID: w.Name}}
	if old, ok := documentRows.Get(tx, w.Name); ok {
		row = *old
	}
	event := "policy.update"
	switch {
	case w.ForVersion == 0:
		event, row.System = "policy.add", false
	case row.System:
		return systemDocument("policy.Documents.Put", w.Name)
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
// policy. A name that occurs several times counts once. NotFound: a document
// does not exist, or the caller may not read it; Denied as Put; Conflict: the
// documents change so often that the caller cannot be asked about them.
func (d *Documents) Delete(ctx context.Context, names []string) (uint64, error) {
	const op = "policy.Documents.Delete"
	if len(names) == 0 || len(names) > maxWrites {
		return 0, atoll.Errorf(atoll.Invalid, op, "want the names of 1 to %d documents", maxWrites)
	}
	names = slices.Compact(slices.Sorted(slices.Values(names)))
	var version uint64
	var err error
	for range 10 {
		if version, err = d.tryDelete(ctx, op, names); atoll.CodeOf(err) != atoll.Stale {
			break
		}
	}
	return version, err
}

// tryDelete is Delete unless a document changes between the asking and the
// deleting: then it is stale.
func (d *Documents) tryDelete(ctx context.Context, op string, names []string) (uint64, error) {
	for _, n := range names {
		if err := d.readable(ctx, op, n); err != nil {
			return 0, err
		}
	}
	asked := make([]uint64, len(names))
	for i, n := range names {
		var err error
		if asked[i], err = d.askWrite(ctx, op, n, nil); err != nil {
			return 0, err
		}
	}
	notes := d.notes(nil, names)
	version, _, err := d.write(ctx, op, nil, names, func(tx *store.Tx) error {
		for i, n := range names {
			row, ok := documentRows.Get(tx, n)
			switch {
			case !ok || row.Deleted:
				return noDocument(op, n)
			case row.Number != asked[i]:
				return &atoll.Error{Kind: atoll.Conflict, Code: atoll.Stale, Op: op, Msg: "document " + n + " changed meanwhile"}
			}
			c := *row
			c.Deleted, c.Text = true, ""
			if err := storeDocument(tx, &c, "policy.delete"); err != nil {
				return err
			}
		}
		notes.write(tx)
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
		return 0, nil, textError(op, found)
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
// It is for the embedding program, at start-up: it asks nobody, and whatever it
// writes is written by "system".
func (d *Documents) Install(ctx context.Context, docs []DefaultDocument) error {
	const op = "policy.Documents.Install"
	ctx = WithPrincipal(ctx, &Principal{Kind: Component, Name: "system"})
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
			event := "policy.update"
			if row.Number == 1 {
				event = "policy.add"
			}
			if err := storeDocument(tx, &row, event); err != nil {
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
