package policy

import (
	"testing"
	"time"

	"github.com/atoll-platform/atoll"
	"github.com/google/go-cmp/cmp"
)

// setOf compiles one document.
func setOf(t testing.TB, text string) *Set {
	t.Helper()
	return mustCompile(t, []*Document{mustParse(t, "d", text)}, nil, platformTypes(t))
}

func result(t testing.TB, text, target string, claims ...Claim) Result {
	t.Helper()
	return setOf(t, text).Session(claims).Evaluate(MustParseFQN(target))
}

func TestQuotas(t *testing.T) {
	text := `quota::/ { { max.package.size 2GB } }
quota::/lab/[who] { { total.memory 4GB  total.network 1Gbps }
  if (LDAP->group == "interns") { total.memory 1GB  max.package.size 500MB } }`
	got := Quotas(result(t, text, "quota::/lab/ada", Claim{"LDAP", "group", "interns"}))
	want := []Quota{
		{"max.package.size", 2 << 30, "quota::/"},
		{"max.package.size", 524_288_000, "quota::/lab/ada"},
		{"total.memory", 1_073_741_824, "quota::/lab/ada"},
		{"total.network", 1_000_000_000, "quota::/lab/ada"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("mismatch (-want +got):\n%s", diff)
	}
	if n, ok := MaxQuota(got, "max.package.size"); n != 524_288_000 || !ok {
		t.Errorf("smallest limit is %d %v", n, ok)
	}
	if _, ok := MaxQuota(got, "max.instances"); ok {
		t.Error("a limit that nobody stated")
	}
}

func TestLogNoise(t *testing.T) {
	tests := map[string]struct {
		text string
		want LogChoice
	}{
		"refusals are written by default":          {"", LogDenied},
		"the deepest realm counts alone":           {"job::/ { { log allow } } job::/a { { log none } } job::/a/b { { log deny, allow } }", LogDenied | LogAllowed},
		"none beats the others":                    {"job::/a { { log none, allow } }", LogNothing},
		"a realm with local part is deeper":        {"job::/a/b { { log none } } job::/a/b::* { { log allow } }", LogAllowed},
		"a claim counts at its deepest assertion":  {"job::/ { { log allow } } job::/a { { log none } } job::/a/b { { log allow } }", LogAllowed},
		"a text from elsewhere says nothing known": {"job::/ { if (LDAP->l == loud) { log LDAP->l } }", 0},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if got := LogNoise(result(t, tt.text, "job::/a/b::x", Claim{"LDAP", "l", "loud"})); got != tt.want {
				t.Errorf("got %b, want %b", got, tt.want)
			}
		})
	}
}

func TestDefaultNamespace(t *testing.T) {
	tests := map[string]struct{ text, principal, want string }{
		"the sandbox by default":         {"", "ann@corp.example", "/sandbox/ann"},
		"a stated namespace":             {"auth::/ { { defaultNamespace /dev/web } }", "ann", "/dev/web"},
		"the namespace of an FQN":        {`auth::/ { { defaultNamespace "job::/dev::x" } }`, "ann", "/dev"},
		"a prefix":                       {"auth::/ { { defaultNamespacePrefix /home } }", "ann@x", "/home/ann"},
		"the root as prefix":             {"auth::/ { { defaultNamespacePrefix / } }", "ann@x", "/ann"},
		"a namespace beats a prefix":     {"auth::/ { { defaultNamespacePrefix /home defaultNamespace /dev } }", "ann", "/dev"},
		"a malformed namespace is none":  {"auth::/ { { defaultNamespace dev } }", "ann", "/sandbox/ann"},
		"odd names become a valid token": {"", "ann lee", "/sandbox/ann~20lee"},
		"the deepest realm counts":       {"auth::/ { { defaultNamespace /a } } auth::/oauth2 { { defaultNamespace /b } }", "ann", "/b"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if got := DefaultNamespace(result(t, tt.text, "auth::/oauth2/http"), tt.principal); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}

func TestTokens(t *testing.T) {
	text := `auth::/oauth2/http { { tokenTimeout 24h }
  if (Google->email endsWith "@corp.example") { permit issue  name Google->email  role staff  log none } }
on job::/ci::deployer { {permit issue} { tokenTimeout "900s" team ci } }`
	set := setOf(t, text)
	got := IssueToken(set.Session([]Claim{{"Google", "email", "kai@corp.example"}, {"Google", "email", "kai@else.example"}}).Evaluate(MustParseFQN("auth::/oauth2/http")), UserTokenLife)
	want := TokenGrant{Issue: true, Name: "kai@corp.example", Life: 24 * time.Hour,
		Claims: []Claim{{AuthServer, "name", "kai@corp.example"}, {AuthServer, "role", "staff"}}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("person mismatch (-want +got):\n%s", diff)
	}
	nobody := set.Session(nil)
	if got := IssueToken(nobody.Evaluate(MustParseFQN("auth::/oauth2/nats")), MessagingTokenLife); got.Issue || got.Life != 1200*time.Second {
		t.Errorf("a token for nobody: %+v", got)
	}
	got = IssueApplicationToken(nobody.Evaluate(MustParseFQN("auth::/oauth2/apptoken")), nobody.Evaluate(MustParseFQN("job::/ci::deployer")))
	want = TokenGrant{Issue: true, Name: "job::/ci::deployer", Life: 900 * time.Second,
		Claims: []Claim{{AuthServer, "team", "ci"}, {AuthServer, "name", "job::/ci::deployer"}}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("application mismatch (-want +got):\n%s", diff)
	}
	if got := IssueApplicationToken(nobody.Evaluate(MustParseFQN("auth::/oauth2/apptoken")), nobody.Evaluate(MustParseFQN("job::/ci::other"))); got.Issue || got.Life != ApplicationTokenLife {
		t.Errorf("an application token that nobody permits: %+v", got)
	}
}

func TestScheduling(t *testing.T) {
	got := Scheduling(result(t, "job::/ { { schedulingTag.hard ssd, -spot  schedulingTag.soft eu, -old } }", "job::/a::b"))
	want := SchedulingTags{Must: []string{"ssd"}, MustNot: []string{"spot"}, Should: []string{"eu"}, ShouldNot: []string{"old"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("mismatch (-want +got):\n%s", diff)
	}
}

func TestPipelineDisabled(t *testing.T) {
	r := result(t, `job::/ { { sp.disable mysql, "service::/data", "provider::/p::*" } }`, "job::/a::b")
	svc := MustParseFQN("service::/x::y")
	tests := map[string]struct {
		typ      string
		service  Target
		provider Target
		want     bool
	}{
		"by the type of the service": {"mysql", svc, Target{}, true},
		"by the realm of services":   {"http", MustParseFQN("service::/data/eu::orders"), Target{}, true},
		"by the realm of providers":  {"http", svc, MustParseFQN("provider::/p::a"), true},
		"not otherwise":              {"http", svc, MustParseFQN("provider::/p/q::a"), false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if got := PipelineDisabled(r, tt.typ, tt.service, tt.provider); got != tt.want {
				t.Errorf("got %v", got)
			}
		})
	}
}

func TestImages(t *testing.T) {
	const registry = "registry-1.docker.io"
	for in, want := range map[string]string{
		"nginx":                            "https://registry-1.docker.io/library/nginx:latest",
		"nginx:1.25":                       "https://registry-1.docker.io/library/nginx:1.25",
		"library/nginx":                    "https://registry-1.docker.io/library/nginx:latest",
		"team/web:2":                       "https://registry-1.docker.io/team/web:2",
		"images.example.net/web/shop:2":    "https://images.example.net/web/shop:2",
		"localhost:5000/x":                 "https://localhost:5000/x:latest",
		"https://images.example.net/x":     "https://images.example.net/x:latest",
		"https://registry-1.docker.io/zsh": "https://registry-1.docker.io/library/zsh:latest",
	} {
		if got := ImageName(in, registry); got != want {
			t.Errorf("ImageName(%s) = %s, want %s", in, got, want)
		}
	}
	tests := []struct {
		pattern, image string
		want           bool
	}{
		{"*", "anything/at:all", true},
		{"nginx", "library/nginx:1.25", true},
		{"library/nginx:1.25", "nginx:1.25", true},
		{"nginx:1.25", "nginx:1.26", false},
		{"nginx", "team/nginx", false},
		{"https://images.example.net/*", "images.example.net/web/shop:2", true},
		{"https://images.example.net/web*", "images.example.net/other:2", false},
		{"team/*", "team/web", true},
		{"team/*", "teams/web", false},
	}
	for _, tt := range tests {
		r := result(t, "job::/ { { docker.allow "+quote(tt.pattern)+" } }", "job::/a::b")
		if got := ImageAllowed(r, tt.image, registry); got != tt.want {
			t.Errorf("pattern %s covers %s: %v", tt.pattern, tt.image, got)
		}
	}
	if ImageAllowed(result(t, "", "job::/a::b"), "nginx", registry) {
		t.Error("an image without any docker.allow")
	}
}

func TestResolvePackages(t *testing.T) {
	const java = `job::/ { { package.allow "package::/base" }
  if (dependency equals runtime.java) { package.default "package::/base/rt::jdk-17" } }
job::/legacy { if (dependency equals runtime.java) { package.default "package::/base/rt::jdk-8" } }
`
	pkg := func(fqn, version string, provides string, needs ...string) Package {
		return Package{FQN: MustParseFQN(fqn), Version: version, Provides: []string{provides}, DependsOn: needs}
	}
	ready := []Package{
		pkg("package::/base/rt::jdk-8", "8", "runtime.java", "os.linux"),
		pkg("package::/base/rt::jdk-17", "17", "runtime.java", "os.linux"),
		pkg("package::/base/os::ubuntu-9", "9.10", "os.linux"),
		pkg("package::/base/os::ubuntu-10", "10.1", "os.linux"),
		pkg("package::/base/ring::a", "1", "package.a", "package.b"),
		pkg("package::/base/ring::b", "1", "package.b", "package.a"),
		pkg("package::/elsewhere::jdk", "99", "runtime.java"),
	}
	tests := map[string]struct {
		more    string
		job     string
		needs   []string
		running []string
		want    []string
		err     string
	}{
		"the deeper default wins":                         {job: "job::/legacy::payroll", needs: []string{"runtime.java"}, want: []string{"ubuntu-10", "jdk-8"}},
		"the other default elsewhere":                     {job: "job::/web::shop", needs: []string{"runtime.java"}, want: []string{"ubuntu-10", "jdk-17"}},
		"the highest version without default":             {job: "job::/web::shop", needs: []string{"os.linux"}, want: []string{"ubuntu-10"}},
		"no package twice":                                {job: "job::/web::shop", needs: []string{"os.linux", "runtime.java", "os.linux"}, want: []string{"ubuntu-10", "jdk-17"}},
		"nothing provides it":                             {job: "job::/web::shop", needs: []string{"runtime.ruby"}, err: `No packages satisfy dependency "runtime.ruby"`},
		"a circle is an error":                            {job: "job::/web::shop", needs: []string{"package.a"}, err: "package package::/base/ring::a depends on itself"},
		"a lock leaves no choice":                         {more: `job::/web { { package.lock "package::/base/os::ubuntu-9" } }`, job: "job::/web::shop", needs: []string{"os.linux"}, want: []string{"ubuntu-9"}},
		"a lock that covers nothing has no fallback":      {more: `job::/web { { package.lock "package::/nope" } }`, job: "job::/web::shop", needs: []string{"os.linux"}, err: `No packages satisfy dependency "os.linux"`},
		"the deepest lock counts":                         {more: `job::/ { { package.lock "package::/nope" } } job::/web { { package.lock "package::/base/os::ubuntu-9" } }`, job: "job::/web::shop", needs: []string{"os.linux"}, want: []string{"ubuntu-9"}},
		"what is retired is not chosen":                   {more: `job::/ { { package.retire "package::/base/os::ubuntu-10" } }`, job: "job::/web::shop", needs: []string{"os.linux"}, want: []string{"ubuntu-9"}},
		"a job keeps a retired package that it runs":      {more: `job::/ { { package.retire "package::/base/os::ubuntu-10" } }`, job: "job::/web::shop", needs: []string{"os.linux"}, running: []string{"package::/base/os::ubuntu-10"}, want: []string{"ubuntu-10"}},
		"a default that covers no candidate says nothing": {more: `job::/web { { package.default "package::/nope" } }`, job: "job::/web::shop", needs: []string{"runtime.java"}, want: []string{"ubuntu-10", "jdk-17"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			q := PackageQuestion{Job: MustParseFQN(tt.job), Needs: tt.needs, Ready: ready}
			for _, f := range tt.running {
				q.Running = append(q.Running, MustParseFQN(f))
			}
			got, err := setOf(t, java+tt.more).Session(nil).ResolvePackages(q)
			if tt.err != "" {
				e, ok := err.(*atoll.Error)
				if !ok || e.Kind != atoll.Unprocessable || e.Msg != tt.err {
					t.Fatalf("got %v, want %s", err, tt.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			var names []string
			for _, p := range got {
				names = append(names, p.FQN.Local)
			}
			if diff := cmp.Diff(tt.want, names); diff != "" {
				t.Errorf("mismatch (-want +got):\n%s", diff)
			}
		})
	}
}

func TestMissingClaim(t *testing.T) {
	for _, tt := range [][4]string{
		{"docker.allow", "https://images.example.net/web/shop:2", "job::/dev::shop", `missing claim "docker.allow \"https://images.example.net/web/shop:2\"" on "job::/dev::shop"`},
		{"permit", "read", "job::/dev", `missing claim "permit read" on "job::/dev"`},
	} {
		if got := MissingClaim(tt[0], tt[1], MustParseFQN(tt[2])); got != tt[3] {
			t.Errorf("got %s, want %s", got, tt[3])
		}
	}
}
