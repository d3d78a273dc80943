package rest

import (
	"fmt"
	"net/http"
	"reflect"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/atoll-platform/atoll"
)

type crossed struct {
	From int `json:"from" rule:"min=0"`
	To   int `json:"to"`
}

func (c *crossed) Check(f *Findings) {
	if c.From > c.To {
		f.Add("", "range", "from is larger than to")
	}
	if c.From < 10 {
		f.Add("from", "small", "from is small")
	}
	f.Err("to", atoll.Errorf(atoll.Invalid, "x", "to is odd"))
}

func TestRulesThatSpanFieldsComeLast(t *testing.T) {
	_, found := tryAll[crossed](t, ruleC, post, source{body: []byte(`{"to":-5,"from":-1}`)})
	want := []atoll.Finding{
		{Path: "from", Code: "min", Msg: "from must be at least 0, got -1"},
		{Code: "range", Msg: "from is larger than to"},
		{Path: "to", Code: "invalid", Msg: "to is odd"},
	}
	if diff := cmp.Diff(want, found); diff != "" {
		t.Errorf("findings (-want +got):\n%s", diff)
	}
	if _, bad := run[crossed](t, ruleC, post, source{body: []byte(`[`)}); strings.Join(bad, ";") != "syntax" {
		t.Errorf("an unreadable body is checked no further: %q", bad)
	}
}

func TestFindingsAreInDocumentOrderAndBounded(t *testing.T) {
	type in struct {
		A int    `json:"a" rule:"required"`
		B int    `json:"b" rule:"required"`
		C int    `json:"c"`
		Q int    `query:"q"`
		P int    `path:"p"`
		H int    `header:"H"`
		Z string `json:"z" rule:"required"`
	}
	op := Operation{Routes: []Route{{"POST", "/x/{p}"}}, Body: JSONBody}
	_, bad := run[in](t, ruleX, op, source{
		path: path("p", "x"), header: http.Header{"H": {"x"}}, query: []Pair{{Name: "q", Value: "x"}}, body: []byte(`{"c":"x","u":1,"a":null}`),
	})
	want := []string{"p type", "H type", "c type", "u unknown", "a null", "q type", "b required", "z required"}
	if diff := cmp.Diff(want, bad); diff != "" {
		t.Errorf("findings (-want +got):\n%s", diff)
	}

	type many struct {
		List []int `json:"list"`
	}
	body := `{"list":[` + strings.Repeat(`"x",`, 149) + `"x"]}`
	_, found := tryAll[many](t, ruleC, post, source{body: []byte(body)})
	if len(found) != 101 || found[99].Path != "/list/99" || found[100] != (atoll.Finding{Code: "more", Msg: "and 50 more"}) {
		t.Errorf("%d findings, the last %v", len(found), found[len(found)-1])
	}
}

func TestSmallElementsCannotGrowLargeArrays(t *testing.T) {
	type fat struct {
		A, B, C, D, E, F, G, H [8]string `json:"-"`
		N                      int       `json:"n"`
	}
	type in struct {
		List []fat `json:"list"`
	}
	body := `{"list":[` + strings.Repeat(`{},`, 200_000) + `{}]}`
	if _, bad := run[in](t, ruleC, post, source{body: []byte(body)}); strings.Join(bad, ";") != "list max" {
		t.Errorf("findings %q", bad)
	}
}

func TestFindingsEchoLittleAndNoSecret(t *testing.T) {
	type in struct {
		Name string         `json:"name" rule:"max=3"`
		Pass Secret         `json:"pass" rule:"min=6"`
		Opt  Opt[Secret]    `json:"opt" rule:"re=[a-z]+"`
		Many []Secret       `json:"many" rule:"enum=a"`
		Key  Secret         `query:"key" rule:"max=2"`
		Nums map[string]int `json:"nums"`
	}
	long := strings.Repeat("ü", 60)
	_, found := tryAll[in](t, ruleC, post, source{
		query: []Pair{{Name: "key", Value: "hunter2"}},
		body:  []byte(fmt.Sprintf(`{"name":%q,"pass":"hunt2","opt":"hunter2","many":["hunter2"],"nums":{"k":%q}}`, long, long)),
	})
	if len(found) != 6 {
		t.Fatalf("%d findings: %v", len(found), found)
	}
	for _, f := range found {
		if strings.Contains(f.Msg, "hunt") {
			t.Errorf("a secret is shown: %q", f.Msg)
		}
		if strings.Contains(f.Msg, long) || len(f.Msg) > 150 {
			t.Errorf("too much is shown: %q", f.Msg)
		}
	}
	_, found = tryAll[in](t, ruleC, post, source{body: []byte(`{"pass":{"hunter2":1}}`)})
	if len(found) != 1 || strings.Contains(found[0].Msg, "hunt") {
		t.Errorf("a secret of the wrong type: %v", found)
	}
	_, found = tryAll[in](t, ruleC, post, source{body: []byte(`{"pass":"hunter2`)})
	if len(found) != 1 || strings.Contains(found[0].Msg, "hunt") {
		t.Errorf("an unreadable body: %v", found)
	}
}

type picky int

func (p *picky) UnmarshalText(b []byte) error {
	if len(b) > 3 {
		return atoll.Errorf(atoll.Invalid, "picky", "at most three letters")
	}
	*p = picky(len(b))
	return nil
}
func (p picky) MarshalText() ([]byte, error) { return []byte(strings.Repeat("x", int(p))), nil }

type port struct{ n int }

func (p *port) UnmarshalJSON(b []byte) error {
	_, err := fmt.Sscan(strings.Trim(string(b), `"`), &p.n)
	return err
}
func (p port) MarshalJSON() ([]byte, error) { return []byte(fmt.Sprint(p.n)), nil }

func TestTypesThatReadThemselves(t *testing.T) {
	type in struct {
		Word  picky        `json:"word"`
		Words []Opt[picky] `json:"words"`
		Port  port         `json:"port"`
		Deep  struct {
			Port port `json:"port"`
		} `json:"deep"`
	}
	got, bad := run[in](t, ruleA, post, source{body: []byte(`{"word":"ab","words":["a"],"port":"80","deep":{"port":81}}`)})
	want := in{Word: 2, Words: []Opt[picky]{Some(picky(1))}, Port: port{80}}
	want.Deep.Port.n = 81
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(port{})); diff != "" || bad != nil {
		t.Errorf("%q (-want +got):\n%s", bad, diff)
	}
	_, found := tryAll[in](t, ruleA, post, source{body: []byte(`{"word":"abcd","port":"x","word2":1}`)})
	wantFound := []atoll.Finding{
		{Path: "word", Code: "invalid", Msg: `word is refused: at most three letters, got "abcd"`},
		{Path: "port", Code: "type", Msg: `port is refused: the value is not valid, got "x"`},
	}
	if diff := cmp.Diff(wantFound, found); diff != "" {
		t.Errorf("findings (-want +got):\n%s", diff)
	}
}

func TestOneBinderServesManyCallsAtATime(t *testing.T) {
	op := Operation{Routes: []Route{{"PUT", "/x/{id}"}}, Body: JSONBody}
	b, err := newBinder(reflect.TypeFor[tenFields](), &op)
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for n := range 200 {
				id := fmt.Sprint(i, ".", n)
				var in tenFields
				found := bindInto(b, &in, &source{path: path("id", id), body: []byte(tenBody)}, allRules[[]string{"C", "T", "A", "X", "S"}[n%5]])
				if found != nil || in.ID != id || in.Name != "crawler" || string(in.Config) != `{"from":"a","to":[1,2,3]}` {
					t.Errorf("bound %+v, %v", in, found)
					return
				}
				if _, err := encodeText(in, ruleC); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
}
