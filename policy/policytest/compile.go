package policytest

import (
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/policy"
)

// Load reads every file <name>.pol at the top of fsys, by name. Failed if one
// cannot be read, Invalid for a file whose name is not that of a document.
func Load(fsys fs.FS) ([]policy.DocumentText, error) {
	const op = "policytest.Load"
	files, err := fs.Glob(fsys, "*.pol")
	if err != nil {
		return nil, atoll.Errorf(atoll.Failed, op, "the documents cannot be listed: %w", err)
	}
	texts := make([]policy.DocumentText, 0, len(files))
	for _, file := range files {
		name := strings.TrimSuffix(path.Base(file), ".pol")
		if !policy.ValidDocumentName(name) {
			return nil, atoll.Errorf(atoll.Invalid, op, "%q is not the name of a document", name)
		}
		text, err := fs.ReadFile(fsys, file)
		if err != nil {
			return nil, atoll.Errorf(atoll.Failed, op, "%s cannot be read: %w", file, err)
		}
		texts = append(texts, policy.DocumentText{Name: name, Text: string(text)})
	}
	return texts, nil
}

// Option says what documents are compiled with.
type Option func(*options)

type options struct {
	types     []policy.ResourceType
	variables policy.Variables
	fresh     bool
	admins    []string
}

// Types registers resource types beside those of the platform.
func Types(types ...policy.ResourceType) Option {
	return func(o *options) { o.types = append(o.types, types...) }
}

// Variables sets the tables of policy variables.
func Variables(v policy.Variables) Option { return func(o *options) { o.variables = v } }

// Fresh adds the documents of a fresh platform, with these administrators. A
// document of the same name takes the place of one of them.
func Fresh(admins ...string) Option {
	return func(o *options) { o.fresh, o.admins = true, admins }
}

// Compile compiles documents as a platform does. Invalid lists every error in
// the texts.
func Compile(texts []policy.DocumentText, opts ...Option) (*policy.Set, error) {
	const op = "policytest.Compile"
	o := options{}
	for _, f := range opts {
		f(&o)
	}
	types, err := policy.NewRegistry(append(policy.PlatformTypes(), o.types...))
	if err != nil {
		return nil, atoll.Wrap(op, err)
	}
	var docs []*policy.Document
	var found []policy.Diagnostic
	add := func(name, text string, system bool) {
		doc, ds := policy.Parse(name, text)
		if found = append(found, ds...); doc != nil {
			doc.System = system
			docs = append(docs, doc)
		}
	}
	if o.fresh {
		for _, d := range append(policy.DefaultDocuments(types, o.admins...), policy.DefaultDocument{Name: "homes", Text: policy.HomesText}) {
			if !slices.ContainsFunc(texts, func(t policy.DocumentText) bool { return t.Name == d.Name }) {
				add(d.Name, d.Text, d.System)
			}
		}
	}
	for i, t := range texts {
		if slices.ContainsFunc(texts[:i], func(u policy.DocumentText) bool { return u.Name == t.Name }) {
			return nil, atoll.Errorf(atoll.Invalid, op, "document %.128s occurs twice", t.Name)
		}
		add(t.Name, t.Text, false)
	}
	if err := policy.DiagnosticsError(op, found); err != nil {
		return nil, err
	}
	set, found := policy.Compile(docs, o.variables, types)
	if set == nil {
		return nil, policy.DiagnosticsError(op, found)
	}
	return set, nil
}

// needs says what a rule would have asked for.
func needs(n policy.Need) string {
	var lacks []string
	for _, c := range n.Claims {
		lacks = append(lacks, c.String())
	}
	lacks = append(lacks, n.Conditions...)
	return fmt.Sprintf("%s lacks %s", place(n.Grounds), strings.Join(lacks, " and "))
}

func place(g policy.Grounds) string {
	if g.Document == "" {
		return "several rules together"
	}
	return fmt.Sprintf("%s.pol:%d", g.Document, g.Line)
}
