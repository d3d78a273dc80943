package fabric_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/internal/store"
	"github.com/atoll-platform/atoll/policy"
	"github.com/atoll-platform/atoll/runtime/fabric"
	"github.com/atoll-platform/atoll/runtime/workload"
	"github.com/atoll-platform/atoll/runtime/workload/driver"
)

func TestCreateFillsInWhatTheImageDecides(t *testing.T) {
	type made struct {
		Driver, Func, Image string
		Ports               []driver.Port
		Defaults            map[string]string
		Proc                driver.Process
	}
	ports := []driver.Port{{Number: 443, Proto: "tcp"}, {Number: 53, Proto: "udp"}}
	image := map[string]string{"IMAGE": "web", "PORT": "0"}
	for name, tt := range map[string]struct {
		n    fabric.NewApplication
		want made
	}{
		"everything left out is the image's": {
			n: application("x", "demo/web"),
			want: made{"func", "serve", "demo/web:latest", tcp(80), image,
				driver.Process{Argv: []string{"web", "--port", "80", "all"}, Entrypoint: "web --port 80", Command: "all"}},
		},
		"a command takes the place of the image's": {
			n: application("x", "demo/web:7", func(n *fabric.NewApplication) { n.Command = `'a b'  c` }),
			want: made{"func", "serve", "demo/web:7", tcp(80), image,
				driver.Process{Argv: []string{"web", "--port", "80", "a b", "c"}, Entrypoint: "web --port 80", Command: `'a b'  c`}},
		},
		"an entrypoint takes the place of the image's": {
			n: application("x", "demo/web", func(n *fabric.NewApplication) { n.Entrypoint = "other -x" }),
			want: made{"func", "serve", "demo/web:latest", tcp(80), image,
				driver.Process{Argv: []string{"other", "-x", "all"}, Entrypoint: "other -x", Command: "all"}},
		},
		"ports take the place of the image's": {
			n: application("x", "demo/web", func(n *fabric.NewApplication) { n.Ports = ports }),
			want: made{"func", "serve", "demo/web:latest", ports, image,
				driver.Process{Argv: []string{"web", "--port", "80", "all"}, Entrypoint: "web --port 80", Command: "all"}},
		},
		"no ports take their place too": {
			n: application("x", "demo/web", func(n *fabric.NewApplication) { n.Ports = []driver.Port{} }),
			want: made{"func", "serve", "demo/web:latest", []driver.Port{}, image,
				driver.Process{Argv: []string{"web", "--port", "80", "all"}, Entrypoint: "web --port 80", Command: "all"}},
		},
		"what the spec says besides stays": {
			n: application("x", "demo/db:2", user("K", "v"), func(n *fabric.NewApplication) {
				p := n.Spec.Procs["main"]
				p.User = "nobody"
				n.Spec.Procs["main"] = p
			}),
			want: made{"func", "serve", "demo/db:2", tcp(3307), map[string]string{"IMAGE": "db2"},
				driver.Process{Env: map[string]string{"K": "v"}, User: "nobody"}},
		},
		"a program of the list may be chosen": {
			n:    application("x", "tool", func(n *fabric.NewApplication) { n.Entrypoint = "other  --flag"; n.Command = "x" }),
			want: made{Driver: "func", Func: "serve", Image: "tool:latest", Proc: driver.Process{Argv: []string{"other", "--flag", "x"}, Entrypoint: "other  --flag", Command: "x"}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t)
				defer r.stop()
				sn, err := r.Create(t.Context(), tt.n)
				r.must(err)
				s := sn.Workload.Spec
				if diff := cmp.Diff(tt.want, made{s.Driver, s.Func, s.Image, s.Ports, s.Defaults, s.Procs["main"]}); diff != "" {
					t.Errorf("(-want +got):\n%s", diff)
				}
				if len(s.Procs) != 1 || sn.UnderWay() != true || len(sn.Instances) != 1 {
					t.Errorf("at acceptance: %s %v", states(sn), s.Procs)
				}
			})
		})
	}
}

func TestCreateSaysEverythingThatIsWrong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		defer r.stop()
		r.must(r.Images().Register(fabric.Image{Name: "program", Driver: "func", Entrypoint: "/bin/app run", Entrypoints: []string{"/bin/sh"}}))
		db := r.create("db", "demo/db:1")
		gone := r.create("gone", "slow")
		if _, err := r.ws.Delete(t.Context(), gone.Workload.ID); err != nil {
			t.Fatal(err)
		}
		other := r.create("theirs", "demo/db:1", func(n *fabric.NewApplication) { n.Tenant = "trinity" })
		script := r.create("script", "demo/db:1", func(n *fabric.NewApplication) {
			n.State, n.Spec.Behave.Runs = workload.Ready, workload.RunLimit{Max: 1}
		})
		set := func(f func(*fabric.NewApplication)) fabric.NewApplication { return application("x", "demo/web", f) }
		link := func(target, name string) func(*fabric.NewApplication) {
			return func(n *fabric.NewApplication) {
				n.Links = append(n.Links, fabric.NewLink{Target: target, Name: name})
			}
		}
		many := func(n *fabric.NewApplication) {
			for range fabric.MaxLinks + 1 {
				linkTo(db, "")(n)
			}
		}
		for name, tt := range map[string]struct {
			n    fabric.NewApplication
			want []string
		}{
			"an image that nobody knows":         {application("x", "nobody/knows"), []string{"image unknown"}},
			"a tag that nobody knows":            {application("x", "demo/db:3"), []string{"image unknown"}},
			"an open quote in the entrypoint":    {set(func(n *fabric.NewApplication) { n.Entrypoint = `"` }), []string{"entrypoint form"}},
			"an open quote in the command":       {set(func(n *fabric.NewApplication) { n.Command = `'` }), []string{"command form"}},
			"a command that is too long":         {set(func(n *fabric.NewApplication) { n.Command = strings.Repeat("ö", 4097) }), []string{"command size"}},
			"a program that is not in the list":  {application("x", "tool", func(n *fabric.NewApplication) { n.Entrypoint = "third" }), []string{"entrypoint denied"}},
			"the program with other arguments":   {application("x", "program", func(n *fabric.NewApplication) { n.Entrypoint = "/bin/app destroy" }), []string{"entrypoint denied"}},
			"a program that only begins like it": {application("x", "program", func(n *fabric.NewApplication) { n.Entrypoint = "/bin/shell" }), []string{"entrypoint denied"}},
			"no program at all":                  {application("x", "program", func(n *fabric.NewApplication) { n.Entrypoint = "  " }), []string{"entrypoint denied"}},
			"ports that are none": {set(func(n *fabric.NewApplication) {
				n.Ports = []driver.Port{{Number: 70000, Proto: "tcp"}, {Number: 1, Proto: "sctp"}}
			}), []string{"ports/0 range", "ports/1 form"}},
			"a role that there is not":       {set(func(n *fabric.NewApplication) { n.Roles = []string{"global", "admin"} }), []string{"roles/1 unknown"}},
			"a host that is no name":         {set(func(n *fabric.NewApplication) { n.WebDNS = "http://x/" }), []string{"webDNS form"}},
			"a host that is too long":        {set(func(n *fabric.NewApplication) { n.WebDNS = strings.Repeat("a.", 130) + "b" }), []string{"webDNS form"}},
			"a link to nobody":               {set(link("3c0f2e0e-0000-4000-8000-000000000000", "")), []string{"links/0 unknown"}},
			"a link to what is no id":        {set(link("db", "")), []string{"links/0 unknown"}},
			"a link to what is deleted":      {set(linkTo(gone, "")), []string{"links/0 unknown"}},
			"a link to another tenant's":     {set(linkTo(other, "")), []string{"links/0 unknown"}},
			"a link to what runs on request": {set(linkTo(script, "")), []string{"links/0 unknown"}},
			"a link name that is none":       {set(linkTo(db, "-db")), []string{"links/0 form"}},
			"a link name that is too long":   {set(linkTo(db, strings.Repeat("a", 64))), []string{"links/0 form"}},
			"two links of one name":          {application("x", "demo/web", linkTo(db, "a"), linkTo(db, "b"), linkTo(db, "a")), []string{"links/2 duplicate"}},
			"two links of one default name":  {application("x", "demo/web", linkTo(db, ""), linkTo(db, "db")), []string{"links/1 duplicate"}},
			"too many links":                 {set(many), []string{"links size"}},
			"all of it at once": {application("x", "demo/web", link("a", "b"), link("c", "d"), count(-1), func(n *fabric.NewApplication) {
				n.Command, n.Roles, n.WebDNS = `\`, []string{"a"}, "a b"
			}), []string{"command form", "webDNS form", "roles/0 unknown", "links/0 unknown", "links/1 unknown", "count range"}},
		} {
			synctest.Wait()
			before := r.st.LastIndex()
			sn, err := r.Create(t.Context(), tt.n)
			if diff := cmp.Diff(tt.want, found(err)); diff != "" || atoll.KindOf(err) != atoll.Invalid || sn != nil {
				t.Errorf("%s: %v (-want +got):\n%s", name, err, diff)
			}
			if r.st.LastIndex() != before {
				t.Errorf("%s: something was written", name)
			}
		}
	})
}

func TestALinkMayNameItsTargetInCapitals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		defer r.stop()
		db := r.create("db", "demo/db:1")
		web := r.create("web", "demo/web", func(n *fabric.NewApplication) {
			n.Links = []fabric.NewLink{{Target: strings.ToUpper(db.Workload.ID)}}
		})
		if l := r.LinksFrom(web); len(l) != 1 || l[0].Target != db.Workload.ID || l[0].Name != "db" {
			t.Errorf("%+v", l)
		}
	})
}

func TestCreateIsOneTransaction(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		defer r.stop()
		db := r.create("db", "demo/db:1")
		refuse := atoll.Errorf(atoll.Quota, "test", "no more")
		for name, edit := range map[string]func(*fabric.NewApplication){
			"a token that cannot be issued": func(n *fabric.NewApplication) { r.tokens.fail = refuse; n.Roles = []string{"global"} },
			"somebody else in the transaction": func(n *fabric.NewApplication) {
				n.Within = func(tx *store.Tx, sn *workload.Snapshot) error { return refuse }
			},
		} {
			synctest.Wait()
			before := r.st.LastIndex()
			_, err := r.Create(t.Context(), application("web", "demo/web", linkTo(db, "db"), edit))
			if atoll.KindOf(err) != atoll.Quota || r.st.LastIndex() != before || len(r.LinksTo(db)) != 0 {
				t.Errorf("%s: %v", name, err)
			}
			r.tokens.fail = nil
		}
		if _, err := r.Create(t.Context(), application("web", "demo/web"), func(sn *workload.Snapshot) error {
			if sn.Workload.Title != "web" {
				t.Errorf("the condition sees %+v", sn.Workload)
			}
			return refuse
		}); atoll.KindOf(err) != atoll.Quota {
			t.Error(err)
		}
		before := r.st.LastIndex()
		sn := r.create("web", "demo/web", linkTo(db, "db"), global)
		if sn.Index != before+1 {
			t.Errorf("index %d after %d", sn.Index, before)
		}
	})
}

func TestANameThatIsTakenGetsLonger(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		defer r.stop()
		first, second := r.create("web", "demo/web"), r.create("web", "demo/web")
		if a, b := first.Workload.FQN, second.Workload.FQN; a != "job::/tutum/neo::web" || b != "job::/tutum/neo::web-"+second.Workload.ID[:8] {
			t.Errorf("%s, %s", a, b)
		}
		if second.Workload.Title != "web" {
			t.Errorf("title %s", second.Workload.Title)
		}
		fixed := func(n *fabric.NewApplication) { n.ID = "0badcafe-0000-4000-8000-000000000000" }
		r.create("web-0badcafe", "demo/web")
		if _, err := r.Create(t.Context(), application("web", "demo/web", fixed)); atoll.CodeOf(err) != atoll.Exists {
			t.Errorf("a given id leaves two names: %v", err)
		}
		if _, err := r.ws.Delete(t.Context(), first.Workload.ID); err != nil {
			t.Fatal(err)
		}
		if third := r.create("web", "demo/web"); third.Workload.FQN != "job::/tutum/neo::web" {
			t.Errorf("a name that is free again: %s", third.Workload.FQN)
		}
		var wg sync.WaitGroup
		names := make([]string, 16)
		for k := range names {
			wg.Go(func() {
				sn, err := r.Create(context.Background(), application("many", "demo/web"))
				if err != nil {
					t.Error(err)
					return
				}
				names[k] = sn.Workload.FQN
			})
		}
		wg.Wait()
		slices.Sort(names)
		if n := len(slices.Compact(names)); n != 16 || names[0] != "job::/tutum/neo::many" {
			t.Errorf("%d names, the first is %s", n, names[0])
		}
	})
}

func TestUpdateChangesRecordAndWorkloadAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := t.Context()
		r := newRig(t)
		defer r.stop()
		id := r.create("web", "demo/web", func(n *fabric.NewApplication) { n.WebDNS = "a.example.com" }).Workload.ID
		synctest.Wait()
		host := func(s string) fabric.Change { return fabric.Change{WebDNS: &s} }
		scale := func(d *workload.Desired) error { d.Count = 3; return nil }
		refuse := func(*workload.Snapshot) error { return atoll.Errorf(atoll.Conflict, "test", "not now") }
		for _, tt := range []struct {
			name   string
			change fabric.Change
			edit   func(*workload.Desired) error
			cond   workload.Cond
			kind   atoll.Kind
			commit bool
			host   string
			count  int
		}{
			{name: "nothing is no change", host: "a.example.com", count: 1},
			{name: "the same is no change", change: host("a.example.com"), host: "a.example.com", count: 1},
			{name: "a condition refuses both", change: host("b.example.com"), edit: scale, cond: refuse, kind: atoll.Conflict, host: "a.example.com", count: 1},
			{name: "a bad host refuses both", change: host("b c"), edit: scale, kind: atoll.Invalid, host: "a.example.com", count: 1},
			{name: "a bad count refuses both", change: host("b.example.com"), edit: func(d *workload.Desired) error { d.Count = -1; return nil }, kind: atoll.Invalid, host: "a.example.com", count: 1},
			{name: "the record alone", change: host("b.example.com"), commit: true, host: "b.example.com", count: 1},
			{name: "both", change: host(""), edit: scale, commit: true, count: 3},
		} {
			var conds []workload.Cond
			if tt.cond != nil {
				conds = append(conds, tt.cond)
			}
			before := r.st.LastIndex()
			sn, err := r.Update(ctx, id, tt.change, tt.edit, conds...)
			commits := r.st.LastIndex() - before // one: nothing else has had time
			if atoll.KindOf(err) != tt.kind || (commits > 0) != tt.commit || err == nil && tt.commit && sn.Index != before+1 {
				t.Errorf("%s: %v, %d commits", tt.name, err, commits)
			}
			now, _ := r.ws.Get(ctx, id)
			if got := r.Application(now).WebDNS; got != tt.host || now.Workload.Count != tt.count {
				t.Errorf("%s: host %q, count %d", tt.name, got, now.Workload.Count)
			}
			synctest.Wait()
		}
		_, err := r.Update(ctx, id, host("a b"), func(*workload.Desired) error {
			return &atoll.Error{Kind: atoll.Invalid, Findings: []atoll.Finding{{Path: "mine", Code: "bad"}}}
		})
		if diff := cmp.Diff([]string{"mine bad", "webDNS form"}, found(err)); diff != "" {
			t.Errorf("%v (-want +got):\n%s", err, diff)
		}
		if _, err := r.Update(ctx, id, host("a b"), func(*workload.Desired) error { return atoll.Errorf(atoll.Quota, "test", "full") }); atoll.KindOf(err) != atoll.Quota {
			t.Error(err)
		}
		if _, err := r.Update(ctx, "nobody", host("x.y"), nil); atoll.KindOf(err) != atoll.NotFound {
			t.Error(err)
		}
	})
}

// rules permits what they list, as "action fqn".
type rules struct {
	mu    sync.Mutex
	deny  map[string]bool
	asked []string
}

func (g *rules) Decide(_ *policy.Principal, q policy.Question) policy.Decision {
	g.mu.Lock()
	defer g.mu.Unlock()
	text := fmt.Sprintf("%s %s", q.Action, q.Target.Local)
	g.asked = append(g.asked, text)
	return policy.Decision{Allowed: !g.deny[text]}
}

func TestTheGuardIsAskedForBothSidesOfALink(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &rules{deny: map[string]bool{}}
		r := newRigOn(t, openStore(t), policy.NewGuard(g))
		defer r.stop()
		ctx := policy.WithPrincipal(t.Context(), &policy.Principal{Kind: policy.User, Name: "neo"})
		db := r.create("db", "demo/db:1")
		synctest.Wait()
		g.asked = nil
		if _, err := r.Create(ctx, application("web", "demo/web", linkTo(db, "a"), linkTo(db, "b"))); err != nil {
			t.Fatal(err)
		}
		want := []string{"read db", "read db", "create web", "read web", "update web", "link web", "read db", "link db", "read db", "link db"}
		if diff := cmp.Diff(want, g.asked); diff != "" {
			t.Errorf("questions (-want +got):\n%s", diff)
		}
		for deny, kind := range map[string]atoll.Kind{
			"create web2": atoll.Denied, "update web2": atoll.Denied, "link web2": atoll.Denied, "link db": atoll.Denied,
			"read db": atoll.Invalid, // it is not there for him
		} {
			synctest.Wait()
			g.deny = map[string]bool{deny: true}
			before := r.st.LastIndex()
			_, err := r.Create(ctx, application("web2", "demo/web", linkTo(db, "a")))
			if atoll.KindOf(err) != kind || r.st.LastIndex() != before {
				t.Errorf("without %s: %v", deny, err)
			}
		}
		g.deny = map[string]bool{"create web2": true, "update db": true}
		if _, err := r.Create(ctx, application("web2", "nobody/knows")); atoll.KindOf(err) != atoll.Denied {
			t.Errorf("who may not create is told what is wrong: %v", err)
		}
		host := "no host"
		if _, err := r.Update(ctx, db.Workload.ID, fabric.Change{WebDNS: &host}, nil); atoll.KindOf(err) != atoll.Denied {
			t.Errorf("who may not update is told what is wrong: %v", err)
		}
		g.deny, g.asked = map[string]bool{}, nil
		if _, err := r.Create(ctx, application("web2", "demo/web")); err != nil || !slices.Equal(g.asked, []string{"create web2"}) {
			t.Errorf("without links: %v, %v", g.asked, err)
		}
	})
}

func TestAServiceThatIsNotBoundIsUnavailable(t *testing.T) {
	s := fabric.New(openStore(t), nil)
	for name, call := range map[string]func() error{
		"create":            func() error { _, err := s.Create(t.Context(), application("x", "x")); return err },
		"update":            func() error { _, err := s.Update(t.Context(), "x", fabric.Change{}, nil); return err },
		"redeploy":          func() error { _, err := s.Redeploy(t.Context(), "x", nil); return err },
		"redeploy instance": func() error { _, _, err := s.RedeployInstance(t.Context(), "x", nil); return err },
	} {
		if err := call(); atoll.KindOf(err) != atoll.Unavailable {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestRolesNeedSomebodyWhoIssuesTokens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, fabric.WithTokens(nil))
		defer r.stop()
		if _, err := r.Create(t.Context(), application("x", "demo/web", global)); !slices.Equal(found(err), []string{"roles/0 unknown"}) {
			t.Error(err)
		}
	})
}

func TestHosts(t *testing.T) {
	owner := func(_ store.Reader, w *workload.Workload) string { return w.Tenant }
	long := strings.Repeat("a", 60) + "-b"
	for name, tt := range map[string]struct {
		opts             []fabric.Option
		unique           string
		host, first, url string
	}{
		"without anything it is this machine":       {nil, "web", "127.0.0.1", "127.0.0.1", ""},
		"the advertised host is everybody's":        {[]fabric.Option{fabric.WithAdvertised("box.local"), fabric.WithPublicURL("http://box.local:8080/")}, "web", "box.local", "box.local", "http://box.local:8080"},
		"a domain gives everybody a name":           {[]fabric.Option{fabric.WithBaseDomain(".example.com", owner)}, "web", "web-neo.example.com", "web-1-neo.example.com", ""},
		"a domain without owners":                   {[]fabric.Option{fabric.WithBaseDomain("example.com", nil)}, "web", "web.example.com", "web-1.example.com", ""},
		"a label that is too long is cut before it": {[]fabric.Option{fabric.WithBaseDomain("example.com", owner)}, long, strings.Repeat("a", 59) + "-neo.example.com", strings.Repeat("a", 59) + "-neo.example.com", ""},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, tt.opts...)
				defer r.stop()
				sn := r.create(tt.unique, "demo/web")
				sn = r.get(sn)
				if got := []string{r.PublicDNS(sn.Workload), r.ContainerDNS(sn.Workload, sn.Instances[0])}; !slices.Equal(got, []string{tt.host, tt.first}) {
					t.Errorf("hosts %q", got)
				}
				if tt.unique != "web" {
					return
				}
				vars := r.LinkVariables(sn)
				if vars["WEB_1_PORT"] != "tcp://"+tt.first+":40001" || vars["WEB_TUTUM_API_URL"] != tt.url+"/api/v1/application/"+sn.Workload.ID+"/" {
					t.Errorf("%v", vars)
				}
			})
		})
	}
}
