package policy

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// brief renders findings as "line:column code".
func brief(ds []Diagnostic) []string {
	var out []string
	for _, d := range ds {
		out = append(out, fmt.Sprintf("%d:%d %s", d.Line, d.Column, d.Code))
	}
	return out
}

func TestParseDiagnostics(t *testing.T) {
	tests := map[string]struct {
		text string
		want []string
	}{
		"an empty text is valid":                                   {text: ""},
		"comments alone are valid":                                 {text: "// nothing\n"},
		"a byte-order mark is dropped":                             {text: "\uFEFFon job::/ {}"},
		"columns do not count the byte-order mark":                 {text: "\uFEFFjob {", want: []string{"1:1 E_REALM"}},
		"a header alone is valid":                                  {text: `<continuum-policy description="a \"b\"" other="x">`},
		"a header attribute needs a name":                          {text: `<continuum-policy ="x">`, want: []string{"1:19 E_HEADER"}},
		"a header is closed":                                       {text: "<continuum-policy ", want: []string{"1:19 E_HEADER"}},
		"another header name is refused":                           {text: "<policy>", want: []string{"1:1 E_HEADER"}},
		"white space around punctuation is free":                   {text: `job::/x{if(a==[n]){permit read}{permit "a","b"}}`, want: []string{"1:15 W_UNBOUND"}},
		"braces may touch":                                         {text: "on job::/ {{ permit create }}"},
		"an address holds slashes after a colon":                   {text: "job::/ { { docker.allow https://h/x } }"},
		"a comment ends a word":                                    {text: "job::/ { { permit read//x\n} }"},
		"a hyphen is part of a word":                               {text: "job::/ { if (a-b->c == x-y) { tag -t } }"},
		"a number with a hyphen is one word":                       {text: "job::/ { { dep 1.9.3-p547 } }"},
		"typographic quotes are refused":                           {text: "job::/ {\n  if (a == “x”) { permit read } }", want: []string{"2:12 E_QUOTE"}},
		"a typographic quote ends a word":                          {text: "job::/ { { permit read” } }", want: []string{"1:23 E_QUOTE"}},
		"apostrophes are refused":                                  {text: "job::/ { { permit 'x' } }", want: []string{"1:19 E_QUOTE"}},
		"backquotes are refused":                                   {text: "job::/ { { permit `x` } }", want: []string{"1:19 E_QUOTE"}},
		"a semicolon is refused":                                   {text: "job::/ { { permit read; } }", want: []string{"1:23 E_CHAR"}},
		"a backslash is refused":                                   {text: `job::/ { { permit a\b } }`, want: []string{"1:20 E_CHAR"}},
		"a single ampersand is refused":                            {text: "job::/ { if (a == b & c == d) { x y } }", want: []string{"1:21 E_CHAR"}},
		"a single bar is refused":                                  {text: "job::/ { if (a == b | c == d) { x y } }", want: []string{"1:21 E_CHAR"}},
		"angle brackets are refused":                               {text: "job::/ { if (a < b) { x y } }", want: []string{"1:16 E_CHAR"}},
		"a stray closing bracket is refused":                       {text: "job::/ { { x a] } }", want: []string{"1:15 E_CHAR"}},
		"a control character is refused":                           {text: "job::/ { { x \x01 } }", want: []string{"1:14 E_CHAR"}},
		"a string ends on its line":                                {text: "job::/ { { x \"abc\n } }", want: []string{"1:14 E_STRING"}},
		"an unknown escape is at its backslash":                    {text: `job::/ { { x "a\n" } }`, want: []string{"1:16 E_STRING"}},
		"columns count code points":                                {text: `job::/ { { x "äöü" y } }`, want: []string{"1:22 E_EXPECT"}},
		"a tab counts one column":                                  {text: "job::/ {\t{ x y\t} ) }", want: []string{"1:18 E_EXPECT"}},
		"invalid bytes are at that byte":                           {text: "job::/ { { x \"a\xff\" } }", want: []string{"1:16 E_UTF8"}},
		"invalid bytes in a comment are found":                     {text: "// a\xffb\njob::/ {}", want: []string{"1:5 E_UTF8"}},
		"a bracket in a word needs an identifier":                  {text: "job::/ { { x a[1] } }", want: []string{"1:15 E_TEMPLATE"}},
		"a bracket in a string needs an identifier":                {text: `job::/ { { x "a[" } }`, want: []string{"1:16 E_TEMPLATE"}},
		"brackets of a regular expression are no templates":        {text: `job::/ { if (a regexMatch "^[a-z]+$") { x y } if (a regexMatch ^[0-9]$) { x y } }`},
		"a regular expression must compile":                        {text: `job::/ { if (a regexMatch "(") { x y } }`, want: []string{"1:27 E_REGEX"}},
		"a regular expression has at most 1,024 bytes":             {text: `job::/ { if (a regexMatch "` + strings.Repeat("a", 1025) + `") { x y } }`, want: []string{"1:27 E_REGEX"}},
		"a regular expression is a constant":                       {text: `job::/ { if (a regexMatch b->c) { x y } }`, want: []string{"1:27 E_REGEX"}},
		"a realm has a type":                                       {text: "/dev { }", want: []string{"1:1 E_REALM"}},
		"a realm's namespace starts with a slash":                  {text: "job::dev { }", want: []string{"1:1 E_REALM"}},
		"a realm's tokens are not empty":                           {text: "job:://a { }", want: []string{"1:1 E_REALM"}},
		"a template is a whole token of a realm":                   {text: "on job::/dev/[name]-tmp { }", want: []string{"1:4 E_REALM"}},
		"a realm's type is lower case":                             {text: "Job::/ { }", want: []string{"1:1 E_REALM"}},
		"a realm may end in a slash":                               {text: "route::/http/org/ { }"},
		"a realm may be exact":                                     {text: "service::/:: { }"},
		"a realm may name the empty local part only once":          {text: "service::/::a::b { }", want: []string{"1:1 E_REALM"}},
		"an fqnMatch constant is a realm":                          {text: `job::/ { if (job fqnMatch "/web") { x y } }`, want: []string{"1:27 E_REALM"}},
		"an fqnMatch constant may be a template":                   {text: `job::/[n] { if (job fqnMatch [n] && job fqnMatch "job::/[n]") { x y } }`},
		"a body holds rules":                                       {text: "job::/ { permit read }", want: []string{"1:10 E_EXPECT"}},
		"a string starts no rule":                                  {text: `job::/ { "x" }`, want: []string{"1:10 E_EXPECT"}},
		"the end of the text is one past the last character":       {text: "job::/ { { permit read }", want: []string{"1:25 E_EXPECT"}},
		"an equals sign is no operator":                            {text: "job::/ { if (a = b) { x y } }", want: []string{"1:16 E_OP"}},
		"there is no inequality":                                   {text: "job::/ { if (a != b) { x y } }", want: []string{"1:16 E_OP"}},
		"an unknown operator is named":                             {text: "job::/ { if (a like b) { x y } }", want: []string{"1:16 E_OP"}},
		"a missing operator is expected":                           {text: "job::/ { if (a) { x y } }", want: []string{"1:15 E_EXPECT"}},
		"there is no exclamation mark":                             {text: "job::/ { if (!a == b) { x y } }", want: []string{"1:14 E_RESERVED"}},
		"there is no else":                                         {text: "job::/ { if (a == b) { x y } else { x z } }", want: []string{"1:30 E_RESERVED"}},
		"there is no not":                                          {text: "job::/ { if (not a == b) { x y } }", want: []string{"1:14 E_RESERVED"}},
		"there is no unless":                                       {text: "job::/ { unless (a == b) { x y } }", want: []string{"1:10 E_RESERVED"}},
		"deny is no condition":                                     {text: "job::/ { if (deny == read) { x y } }", want: []string{"1:14 E_RESERVED"}},
		"deny is read as a claim":                                  {text: "job::/ { { deny read } }"},
		"deny is a value":                                          {text: "job::/ { { log deny } }"},
		"if does not nest":                                         {text: "job::/ { { x y if (a == b) { x z } } }", want: []string{"1:16 E_RESERVED"}},
		"an empty rule is at its closing brace":                    {text: "job::/ { if (a == b) { } }", want: []string{"1:24 E_EMPTY"}},
		"a trailing comma is refused":                              {text: "job::/ { { permit read, } }", want: []string{"1:25 E_EXPECT"}},
		"a claim needs a value":                                    {text: "job::/ { { permit } }", want: []string{"1:19 E_EXPECT"}},
		"an unbound template of its own is a warning":              {text: "auth::/ { if (auth_server@apcera.me->name == [me]) { defaultNamespace \"/home/[me]\" } }", want: []string{"1:46 W_UNBOUND"}},
		"a prefix test of a template is a warning":                 {text: "job::/home/[who] { if (name beginsWith \"[who]\") { permit read } }", want: []string{"1:40 W_PREFIX"}},
		"a prefix test up to a slash is fine":                      {text: "job::/home/[who] { if (name beginsWith \"/[who]/\") { permit read } }"},
		"the same claim twice is a warning":                        {text: "job::/ { { permit read, start, read } }", want: []string{"1:32 W_DUP"}},
		"an earlier grammar error wins over a later lexical error": {text: "job::/ { permit “x” }", want: []string{"1:10 E_EXPECT"}},
		"the parser resumes at the next policy":                    {text: "job::/ { permit read }\non job::/b { { permit } }\njob::/c { { x y } }\nroute::/d { ! }", want: []string{"1:10 E_EXPECT", "2:23 E_EXPECT", "4:13 E_RESERVED"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			doc, ds := Parse("d", tt.text)
			if diff := cmp.Diff(tt.want, brief(ds)); diff != "" {
				t.Errorf("Parse mismatch (-want +got):\n%s%v", diff, ds)
			}
			if (doc == nil) != HasErrors(ds) {
				t.Errorf("document %v beside findings %v", doc, ds)
			}
			for _, d := range ds {
				if d.Document != "d" || d.Message == "" {
					t.Errorf("finding lacks its document or message: %+v", d)
				}
			}
		})
	}
}

func TestParseBounds(t *testing.T) {
	tests := map[string]struct {
		text string
		want []string
	}{
		"524,288 bytes are accepted":       {text: "//" + strings.Repeat("x", MaxDocument-2)},
		"one byte more is refused":         {text: "//" + strings.Repeat("x", MaxDocument-1), want: []string{"1:1 E_SIZE"}},
		"parentheses nest at most 64 deep": {text: "job::/ { if " + strings.Repeat("(", 200_000), want: []string{"1:77 E_EXPECT"}},
		"alternatives do not multiply without bound": {
			text: "job::/ { if (" + strings.TrimSuffix(strings.Repeat("(a == b || c == d) && ", 40), " && ") + ") { x y } }", want: []string{"1:10 E_SIZE"}},
		"a repetition of repetitions is refused": {text: `job::/ { if (a regexMatch "((a{30}){30}){30}") { x y } }`, want: []string{"1:27 E_REGEX"}},
		"a long list of alternatives is fine":    {text: "job::/ { if (" + strings.TrimSuffix(strings.Repeat("a==b||", 70_000), "||") + ") { x y } }"},
		"five hundred expressions are fine":      {text: "job::/ { " + strings.Repeat("if (a regexMatch \"[a-z]*x\") { x y } ", 500) + " }"},
		"ten thousand expressions are refused":   {text: "job::/ { " + strings.Repeat("if (a regexMatch \"[a-z]*x\") { x y }\n", 10_000) + " }", want: []string{"667:18 E_REGEX"}},
		"at most 20 findings are reported":       {text: strings.Repeat("job::/ { ! }\n", 1000), want: slicesRepeat(20, "%d:10 E_RESERVED")},
		"a large text of small rules is fine":    {text: "job::/ {" + strings.Repeat("{a b}", 20_000) + "}"},
		"too many rules are refused":             {text: "job::/ {\n" + strings.Repeat("{a b}\n", 80_000) + "}", want: []string{"20002:1 E_SIZE"}},
		"a large text of small policies is fine": {text: strings.Repeat("a::/{}", 80_000)},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			start := time.Now()
			_, ds := Parse("d", tt.text)
			if diff := cmp.Diff(tt.want, brief(ds)); diff != "" {
				t.Errorf("Parse mismatch (-want +got):\n%s", diff)
			}
			t.Logf("%d bytes in %v", len(tt.text), time.Since(start))
		})
	}
}

func slicesRepeat(n int, format string) (out []string) {
	for i := range n {
		out = append(out, fmt.Sprintf(format, i+1))
	}
	return out
}

func TestFormat(t *testing.T) {
	tests := map[string]struct{ text, want string }{
		"a short rule stays on its line": {
			text: `job::/dev{if(a==b&&(c=="d"||e equals f)){permit read,update}}`,
			want: "on job::/dev {\n  if (a == b && (c == \"d\" || e equals f)) { permit read, update }\n}\n"},
		"claims of several types take a line each": {
			text: "all::/ { { permit read permit update role x } }",
			want: "on all::/ {\n  {\n    permit read, update\n    role x\n  }\n}\n"},
		"comments keep their order": {
			text: "// top\njob::/ { // one\n  { permit read // two\n }\n // three\n}\n// four\n",
			want: "// top\non job::/ {\n  // one\n  {\n    permit read\n    // two\n  }\n  // three\n}\n\n// four\n"},
		"a header keeps its text": {
			text: "<continuum-policy   description = \"a \\\"b\\\"\" >\njob::/ {}",
			want: "<continuum-policy description=\"a \\\"b\\\"\">\n\non job::/ {}\n"},
		"needless parentheses go": {
			text: "job::/ { if (((a == b) || ((c == d)))) { x y->z } }",
			want: "on job::/ {\n  if (a == b || c == d) { x y->z }\n}\n"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			doc, ds := Parse("d", tt.text)
			if doc == nil {
				t.Fatal(ds)
			}
			if diff := cmp.Diff(tt.want, Format(doc)); diff != "" {
				t.Errorf("Format mismatch (-want +got):\n%s", diff)
			}
		})
	}
}

func TestRealmCovers(t *testing.T) {
	tests := []struct {
		realm, target string
		want          bool
	}{
		{"job::/dev", "job::/dev/web::shop", true},
		{"job::/dev", "job::/development::shop", false},
		{"network::/ops::*", "network::/ops::mgmt", true},
		{"network::/ops::*", "network::/ops/east::mgmt", false},
		{"network::/ops::*", "network::/ops", false},
		{"network::/ops::*", "network::/ops::a/b", true},
		{"service::/::", "service::/::mail", true},
		{"service::/::", "service::/ops::mail", false},
		{"*::/team/[t]", "quota::/team/red/ci", true},
		{"all::/team/[t]", "quota::/team/red/ci", true},
		{"job::/[a]/[a]", "job::/x/y", false},
		{"job::/[a]/[a]", "job::/x/x", true},
		{"job::/[a]::[a]", "job::/x::x", true},
		{"job::/[a]::[a]", "job::/x::y", false},
		{"job::/dev::shop", "job::/dev::shop/http/1", false},
		{"job::/dev::*/http", "job::/dev::shop/http", true},
		{"job::/a/*/c", "job::/a/b/c/d", true},
		{"job::/a/*/c", "job::/a/c", false},
		{"job::/", "job::/", true},
		{"route::/http/org/", "route::/http/org/x", true},
		{"job::/", "route::/", false},
	}
	for _, tt := range tests {
		r, what := parseRealm(tt.realm)
		if what != "" {
			t.Fatalf("%s: %s", tt.realm, what)
		}
		if got := r.Covers(MustParseFQN(tt.target)); got != tt.want {
			t.Errorf("%s covers %s: %v, want %v", tt.realm, tt.target, got, tt.want)
		}
	}
}

// meaning is what of a document matters to a decision.
func meaning(d *Document) string {
	var b strings.Builder
	for _, a := range d.Header {
		fmt.Fprintf(&b, "%s=%q\n", a.Name, a.Value)
	}
	for _, p := range d.Policies {
		fmt.Fprintf(&b, "%s %v %v %v\n", p.Realm.Type, p.Realm.Namespace, p.Realm.Form, p.Realm.Local)
		for _, r := range p.Rules {
			for _, c := range r.any {
				for _, k := range c {
					fmt.Fprintf(&b, "  %v %v %q %v %v %v;", k.Left, k.Op, k.Right.Text, k.Right.Ref, k.Right.IsRef, k.Right.Quoted)
				}
				b.WriteString(" or")
			}
			for _, a := range r.Claims {
				fmt.Fprintf(&b, "    %s %q %v %v", a.Type, a.Value.Text, a.Value.Ref, a.Value.IsRef)
			}
			b.WriteByte('\n')
		}
	}
	return b.String()
}

var parseSeeds = []string{
	"", "// x", "\uFEFF<continuum-policy description=\"d\">\non job::/ {}",
	`all::/home/[who] { if (auth_server@apcera.me->name==[who]) { permit create, read  defaultDir "/home/[who]/inbox" } }`,
	"job::/a{if(a==b||(c endsWith \"x\\\"\"&&d regexMatch ^[a]$)){role x y PV->T.c}{log none}}// end",
	"service::/:: { // c\n { tag -x, \"[u]\" } }", "job::/ { ! }\njob::/b { } <", "“", "[", "job::/ { if (((", "a::/{}{", "\xff",
}

func FuzzParse(f *testing.F) {
	for _, s := range parseSeeds {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		doc, ds := Parse("d", text)
		if (doc == nil) != HasErrors(ds) || len(ds) > MaxDiagnostics {
			t.Fatalf("document %v, findings %v", doc != nil, ds)
		}
		for _, d := range ds {
			if d.Line < 1 || d.Column < 1 {
				t.Fatalf("no place: %v", d)
			}
		}
		if doc == nil {
			return
		}
		printed := Format(doc)
		again, ds := Parse("d", printed)
		if again == nil {
			if ds[0].Code == ErrSize {
				return
			}
			t.Fatalf("printed text does not parse: %v\n%s", ds, printed)
		}
		if diff := cmp.Diff(meaning(doc), meaning(again)); diff != "" {
			t.Fatalf("printed text means something else (-want +got):\n%s", diff)
		}
		if twice := Format(again); twice != printed {
			t.Fatalf("formatting again changes the text:\n%s\n%s", printed, twice)
		}
	})
}
