package fabric_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/runtime/fabric"
)

func TestParseReference(t *testing.T) {
	for name, tt := range map[string]struct {
		in   string
		want fabric.Reference
	}{
		"a repository alone has the tag latest":           {"hello", fabric.Reference{Repository: "hello", Tag: "latest"}},
		"a tag is behind a colon":                         {"hello:1.2", fabric.Reference{Repository: "hello", Tag: "1.2"}},
		"a namespace is before the repository":            {"demo/hello", fabric.Reference{Namespace: "demo", Repository: "hello", Tag: "latest"}},
		"a namespace may have parts":                      {"a/b/hello:t", fabric.Reference{Namespace: "a/b", Repository: "hello", Tag: "t"}},
		"a first part with a dot is a registry":           {"tutum.co/demo/hello:1", fabric.Reference{Registry: "tutum.co", Namespace: "demo", Repository: "hello", Tag: "1"}},
		"a first part with a port is a registry":          {"reg:5000/hello", fabric.Reference{Registry: "reg:5000", Repository: "hello", Tag: "latest"}},
		"localhost is a registry":                         {"localhost/hello", fabric.Reference{Registry: "localhost", Repository: "hello", Tag: "latest"}},
		"without a slash it is a repository":              {"localhost:5000", fabric.Reference{Repository: "localhost", Tag: "5000"}},
		"an address names repository and tag":             {"/api/v1/image/demo/hello/tag/1.2/", fabric.Reference{Namespace: "demo", Repository: "hello", Tag: "1.2"}},
		"an address may lack the last slash":              {"/api/v1/image/hello/tag/t", fabric.Reference{Repository: "hello", Tag: "t"}},
		"an address may have a registry with a port":      {"/api/v1/image/reg:5000/demo/hello/tag/t/", fabric.Reference{Registry: "reg:5000", Namespace: "demo", Repository: "hello", Tag: "t"}},
		"a repository may be called tag":                  {"/api/v1/image/x/tag/tag/t/", fabric.Reference{Namespace: "x", Repository: "tag", Tag: "t"}},
		"separators are inside of parts":                  {"x/my_app.v-2__x/a--b", fabric.Reference{Namespace: "x/my_app.v-2__x", Repository: "a--b", Tag: "latest"}},
		"capitals are letters":                            {"Demo/Hello:RC1", fabric.Reference{Namespace: "Demo", Repository: "Hello", Tag: "RC1"}},
		"255 characters are a name":                       {strings.Repeat("a", 255), fabric.Reference{Repository: strings.Repeat("a", 255), Tag: "latest"}},
		"the default tag does not count":                  {strings.Repeat("a", 255) + ":latest", fabric.Reference{Repository: strings.Repeat("a", 255), Tag: "latest"}},
		"an address of a long name is read back":          {"/api/v1/image/" + strings.Repeat("a", 255) + "/tag/latest/", fabric.Reference{Repository: strings.Repeat("a", 255), Tag: "latest"}},
		"nothing is no name":                              {"", fabric.Reference{}},
		"256 characters are none":                         {strings.Repeat("a", 256), fabric.Reference{}},
		"a name with its tag has 255 characters":          {strings.Repeat("a", 250) + ":123456", fabric.Reference{}},
		"an empty tag is none":                            {"hello:", fabric.Reference{}},
		"a tag does not begin with a dash":                {"hello:-1", fabric.Reference{}},
		"a tag has 128 characters at most":                {"hello:" + strings.Repeat("t", 129), fabric.Reference{}},
		"a digest is no tag":                              {"hello@sha256:0123", fabric.Reference{}},
		"parts are not empty":                             {"demo//hello", fabric.Reference{}},
		"a name does not begin with a slash":              {"/hello", fabric.Reference{}},
		"a name does not end with a slash":                {"hello/", fabric.Reference{}},
		"a part does not begin with a separator":          {"demo/.hello", fabric.Reference{}},
		"a part does not end with a separator":            {"demo/hello_", fabric.Reference{}},
		"two dots do not climb":                           {"demo/../hello", fabric.Reference{}},
		"three underscores are too many":                  {"a___b", fabric.Reference{}},
		"a blank is in no name":                           {"he llo", fabric.Reference{}},
		"a letter with an accent is in no name":           {"größe", fabric.Reference{}},
		"a scheme is no part":                             {"https://tutum.co/hello", fabric.Reference{}},
		"a port is a number":                              {"reg:port/hello", fabric.Reference{}},
		"a port has a bound":                              {"reg:65536/hello", fabric.Reference{}},
		"a registry is a host name":                       {"-reg.io/hello", fabric.Reference{}},
		"an address without a tag is none":                {"/api/v1/image/hello/", fabric.Reference{}},
		"an address with an empty tag is none":            {"/api/v1/image/hello/tag//", fabric.Reference{}},
		"an address has its tag in one place":             {"/api/v1/image/hello:1/tag/2/", fabric.Reference{}},
		"an address of another collection is none":        {"/api/v1/application/hello/tag/1/", fabric.Reference{}},
		"an address without a repository is none":         {"/api/v1/image//tag/1/", fabric.Reference{}},
		"a megabyte is refused without looking too close": {strings.Repeat("a/", 1<<19) + "a", fabric.Reference{}},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := fabric.ParseReference(tt.in)
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("ParseReference(%.300q) (-want +got):\n%s", tt.in, diff)
			}
			if bad := tt.want == (fabric.Reference{}); bad != (err != nil) {
				t.Fatalf("error %v", err)
			} else if bad {
				e, _ := errors.AsType[*atoll.Error](err)
				if e == nil || e.Kind != atoll.Invalid || len(e.Findings) != 1 || e.Findings[0].Path != "image" || len(e.Msg) > 300 {
					t.Errorf("error %#v", err)
				}
			}
		})
	}
}

func TestReferenceTexts(t *testing.T) {
	type texts struct{ Text, Path, URI, Name string }
	for name, tt := range map[string]struct {
		in   string
		want texts
	}{
		"all parts":                    {"tutum.co/demo/my_app.2:1.0", texts{"tutum.co/demo/my_app.2:1.0", "tutum.co/demo/my_app.2", "/api/v1/image/tutum.co/demo/my_app.2/tag/1.0/", "my-app-2"}},
		"the repository alone":         {"mysql", texts{"mysql:latest", "mysql", "/api/v1/image/mysql/tag/latest/", "mysql"}},
		"a long repository is cut":     {"x/" + strings.Repeat("a", 62) + "_b", texts{"x/" + strings.Repeat("a", 62) + "_b:latest", "x/" + strings.Repeat("a", 62) + "_b", "/api/v1/image/x/" + strings.Repeat("a", 62) + "_b/tag/latest/", strings.Repeat("a", 62)}},
		"one of the longest that are":  {strings.Repeat("b", 63), texts{strings.Repeat("b", 63) + ":latest", strings.Repeat("b", 63), "/api/v1/image/" + strings.Repeat("b", 63) + "/tag/latest/", strings.Repeat("b", 63)}},
		"a namespace is in no name":    {"a/b/c", texts{"a/b/c:latest", "a/b/c", "/api/v1/image/a/b/c/tag/latest/", "c"}},
		"an address gives the texts":   {"/api/v1/image/a/b/tag/2/", texts{"a/b:2", "a/b", "/api/v1/image/a/b/tag/2/", "b"}},
		"the case of letters is kept":  {"Demo/Web:RC", texts{"Demo/Web:RC", "Demo/Web", "/api/v1/image/Demo/Web/tag/RC/", "Web"}},
		"a registry may have its port": {"r:80/web", texts{"r:80/web:latest", "r:80/web", "/api/v1/image/r:80/web/tag/latest/", "web"}},
	} {
		t.Run(name, func(t *testing.T) {
			r, err := fabric.ParseReference(tt.in)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, texts{r.String(), r.Path(), r.URI(), r.Name()}); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestWithTag(t *testing.T) {
	long, _ := fabric.ParseReference(strings.Repeat("a", 255))
	short := fabric.Reference{Repository: "web", Tag: "1"}
	for name, tt := range map[string]struct {
		of   fabric.Reference
		tag  string
		want fabric.Reference
	}{
		"another tag":                         {short, "2", fabric.Reference{Repository: "web", Tag: "2"}},
		"the default tag always fits":         {long, "latest", long},
		"an empty tag is none":                {short, "", fabric.Reference{}},
		"a tag with a slash is none":          {short, "a/b", fabric.Reference{}},
		"a tag that makes it too long is not": {long, "2", fabric.Reference{}},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := tt.of.WithTag(tt.tag)
			if diff := cmp.Diff(tt.want, got); diff != "" || (err == nil) == (tt.want == fabric.Reference{}) {
				t.Errorf("%v (-want +got):\n%s", err, diff)
			}
			if e, ok := errors.AsType[*atoll.Error](err); ok && (len(e.Findings) != 1 || e.Findings[0].Path != "tag") {
				t.Errorf("findings %+v", e.Findings)
			}
		})
	}
}

func FuzzParseReference(f *testing.F) {
	for _, s := range []string{"", "a", "tutum.co/demo/web:1.0", "/api/v1/image/demo/web/tag/1/", "localhost:5000/x", "a@b", "x/tag/tag:tag", strings.Repeat("a/", 127) + "a"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		r, err := fabric.ParseReference(s)
		if err != nil {
			if atoll.KindOf(err) != atoll.Invalid || r != (fabric.Reference{}) {
				t.Errorf("%q: %+v, %v", s, r, err)
			}
			return
		}
		for _, text := range []string{r.String(), r.URI()} {
			if again, err := fabric.ParseReference(text); err != nil || again != r {
				t.Errorf("%q is %+v; %q is %+v, %v", s, r, text, again, err)
			}
		}
		if r.Tag == "" || r.Name() == "" || len(r.Name()) > 63 || strings.Trim(r.Name(), "-") != r.Name() || len(r.Path()) > fabric.MaxReference {
			t.Errorf("%q: %+v, name %q", s, r, r.Name())
		}
		if same, err := r.WithTag(r.Tag); err != nil || same != r {
			t.Errorf("%q: %v with its own tag: %v", s, r, err)
		}
	})
}
