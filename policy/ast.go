package policy

// MaxDocument is the largest text of a document, in bytes.
const MaxDocument = 512 << 10

// Document is a parsed policy document. It is immutable.
type Document struct {
	Name     string
	Text     string // without byte-order mark
	System   bool   // one of the platform's own; simulations mark it
	Header   []Attribute
	Policies []*Policy
	comments []comment
}

// Attribute is one attribute of the header; only "description" has meaning.
type Attribute struct{ Name, Value string }

// Description returns the description in the header, if there is one.
func (d *Document) Description() string {
	for _, a := range d.Header {
		if a.Name == "description" {
			return a.Value
		}
	}
	return ""
}

// Policy is a realm with its rules.
type Policy struct {
	Realm Realm
	Rules []*Rule
	end   Pos // of the closing brace
}

// Rule asserts its claims for every resource of the realm for which its
// condition holds.
type Rule struct {
	Pos    Pos        // of "if", or of the brace of a rule without condition
	If     *Condition // as written; nil is always
	Claims []Assertion
	any    []conjunction // If as a choice of conjunctions
	open   Pos           // of the brace before the claims
	end    Pos           // of the closing brace
}

// Condition is a comparison, or several joined by one connective.
type Condition struct {
	All, Any   []*Condition // joined by &&, by ||
	Comparison *Comparison
}

// conjunction is a list of comparisons that must all hold.
type conjunction []*Comparison

// Comparison tests the claims that a reference sees.
type Comparison struct {
	Left  Reference
	Op    Operator
	Right Operand
	Pos   Pos
	regex *regex // of regexMatch
}

// Reference names claims by who issued them and their type.
type Reference struct {
	Issuer string // "" is the engine and the component that enforces
	Type   string
}

func (r Reference) String() string {
	if r.Issuer == "" {
		return r.Type
	}
	return r.Issuer + "->" + r.Type
}

// policyVariables is the issuer of policy variables: PV->table.column.
const policyVariables = "PV"

// Operator is how a comparison compares.
type Operator uint8

// The operators.
const (
	Equal Operator = iota // ==
	Equals
	FQNMatch
	BeginsWith
	EndsWith
	Contains
	RegexMatch
)

var operatorNames = [...]string{"==", "equals", "fqnMatch", "beginsWith", "endsWith", "contains", "regexMatch"}

func (o Operator) String() string { return operatorNames[o] }

// equality reports whether o is one of the two spellings of equality.
func (o Operator) equality() bool { return o <= Equals }

func parseOperator(s string) (Operator, bool) {
	for i, n := range operatorNames {
		if n == s {
			return Operator(i), true
		}
	}
	return 0, false
}

// Operand is the right side of a comparison, or the value of a claim.
type Operand struct {
	Text   string    // of a constant, escapes resolved; templates not yet replaced
	Raw    string    // as written
	Ref    Reference // if IsRef
	IsRef  bool
	Quoted bool
	Pos    Pos
	holds  bool // Text may hold templates
}

// template returns the name if the operand is a template of its own.
func (o *Operand) template() (string, bool) {
	if o.IsRef || o.Quoted || !o.holds || templateLen(o.Text) != len(o.Text) {
		return "", false
	}
	return o.Text[1 : len(o.Text)-1], true
}

// Assertion is one claim that a rule asserts.
type Assertion struct {
	Type  string
	Value Operand
	Pos   Pos // of the type, or of the value if several share one type
}
