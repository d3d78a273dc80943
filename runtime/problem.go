package runtime

import (
	"errors"
	"fmt"
	"strings"

	"github.com/atoll-platform/atoll"
)

// ProblemCode is the stable word for one rule of definitions.
type ProblemCode string

// The rules, in the order in which problems are reported.
const (
	NoRuntimeName           ProblemCode = "no-runtime-name"
	NoActorSection          ProblemCode = "no-actor-section"
	NoActors                ProblemCode = "no-actors"
	TooManyActors           ProblemCode = "too-many-actors"
	ActorsWithoutNames      ProblemCode = "actors-without-names"
	DuplicateActorNames     ProblemCode = "duplicate-actor-names"
	InvalidActorDefinitions ProblemCode = "invalid-actor-definitions"
	NoLinksSection          ProblemCode = "no-links-section"
	NoLinks                 ProblemCode = "no-links"
	TooManyLinks            ProblemCode = "too-many-links"
	LinksWithoutFromOrTo    ProblemCode = "links-without-from-or-to"
	LinksWithoutActor       ProblemCode = "links-without-actor"
	CircularLinks           ProblemCode = "circular-links"
	OrphanedActors          ProblemCode = "orphaned-actors"
	OwnerUUIDWithLDAP       ProblemCode = "owner-uuid-with-ldap"
	CollectMissing          ProblemCode = "collect-missing"
	CollectEmptyAlias       ProblemCode = "collect-empty-alias"
	CollectEmptyFrom        ProblemCode = "collect-empty-from"
	CollectEmptyField       ProblemCode = "collect-empty-field"
	CollectDuplicateAlias   ProblemCode = "collect-duplicate-alias"
	CollectNotAlphanumeric  ProblemCode = "collect-not-alphanumeric"
	CollectFromSelf         ProblemCode = "collect-from-self"
	CollectAliasMismatch    ProblemCode = "collect-alias-mismatch"
	CollectFromUnknownActor ProblemCode = "collect-from-unknown-actor"
	InvalidDistribution     ProblemCode = "invalid-distribution"
	InvalidActorOption      ProblemCode = "invalid-actor-option"
)

var problemTexts = []struct {
	code ProblemCode
	msg  string
}{
	{NoRuntimeName, "The runtime has no name, or one with characters other than letters, digits, _ . and -."},
	{NoActorSection, "The definition has no list of actors."},
	{NoActors, "The list of actors is empty."},
	{TooManyActors, "The definition has too many actors."},
	{ActorsWithoutNames, "Every actor must have a name."},
	{DuplicateActorNames, "The names of the actors must differ."},
	{InvalidActorDefinitions, "Some actors have an unknown type, or a name or parameters that are not valid."},
	{NoLinksSection, "The definition has no list of links."},
	{NoLinks, "The list of links is empty."},
	{TooManyLinks, "The definition has too many links."},
	{LinksWithoutFromOrTo, "Every link must have from and to."},
	{LinksWithoutActor, "Every link must name actors of the runtime."},
	{CircularLinks, "The links must not form a circle."},
	{OrphanedActors, "Every actor must be in a link, or be collected from."},
	{OwnerUUIDWithLDAP, "With directory authentication the owner must be given by name."},
	{CollectMissing, "Some actors need a collect and have none."},
	{CollectEmptyAlias, "Every collect must have an alias."},
	{CollectEmptyFrom, "Every collect must have a from."},
	{CollectEmptyField, "Every collect must have a field."},
	{CollectDuplicateAlias, "The aliases of the collects of an actor must differ."},
	{CollectNotAlphanumeric, "Alias, from and field of a collect must be letters, digits and _."},
	{CollectFromSelf, "An actor must not collect from itself."},
	{CollectAliasMismatch, "The aliases must be exactly those that the type of the actor defines."},
	{CollectFromUnknownActor, "Every collect must be from an actor of the runtime."},
	{InvalidDistribution, "The distribution is not valid."},
	{InvalidActorOption, "Some options of actors are not valid."},
}

// ProblemCodes returns every code, in the order in which they are reported.
func ProblemCodes() []ProblemCode {
	codes := make([]ProblemCode, len(problemTexts))
	for i, t := range problemTexts {
		codes[i] = t.code
	}
	return codes
}

// Problem is one broken rule of a definition. A rule that is broken in several
// places is one Problem with several Faults.
type Problem struct {
	Code       ProblemCode
	Msg        string          // the rule, a sentence
	Faults     []atoll.Finding // where it is broken, in order: a JSON pointer and a sentence each; 100 at most
	More       int             // further faults that are not listed
	Pointer    string          // of the first fault
	Suggestion string          // what was probably meant in the first fault that has one, "" if nothing is near

	Suggestions map[int]string // what was probably meant, by the position in Faults; nil if nothing is near in any
}

// Details returns the faults as text, one to a line.
func (p *Problem) Details() string {
	lines := make([]string, 0, len(p.Faults)+1)
	for _, f := range p.Faults {
		lines = append(lines, f.Path+": "+f.Msg)
	}
	if p.More > 0 {
		lines = append(lines, fmt.Sprintf("and %d more", p.More))
	}
	return strings.Join(lines, "\n")
}

// problemsDetail is where an error keeps its problems.
const problemsDetail = "problems"

// ProblemsError returns the Invalid error that reports the problems: one
// finding for each, and the details as text under "details". Of no problems it
// returns nil.
func ProblemsError(op string, ps []Problem) error {
	if len(ps) == 0 {
		return nil
	}
	e := &atoll.Error{Kind: atoll.Invalid, Op: op, Msg: "the runtime definition is not valid"}
	var details []string
	for i := range ps {
		p := &ps[i]
		e.Findings = append(e.Findings, atoll.Finding{Path: p.Pointer, Code: string(p.Code), Msg: p.Msg})
		details = append(details, p.Details())
	}
	e.Details = map[string]any{problemsDetail: ps, "details": strings.Join(details, "\n")}
	return e
}

// ProblemsOf returns the problems that err reports, nil if it reports none.
func ProblemsOf(err error) []Problem {
	if e, ok := errors.AsType[*atoll.Error](err); ok {
		ps, _ := e.Details[problemsDetail].([]Problem)
		return ps
	}
	return nil
}
