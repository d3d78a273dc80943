package view_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/policy"
	"github.com/atoll-platform/atoll/runtime/fleet"
	"github.com/atoll-platform/atoll/runtime/workload"
	"github.com/atoll-platform/atoll/runtime/workload/driver"
	"github.com/atoll-platform/atoll/runtime/workload/view"
)

func TestTutumCreate(t *testing.T) {
	c := view.TutumCreate{
		UUID: "0f1e2d3c-0000-4000-8000-000000000000", Namespace: "/t/neo", Tenant: "neo", Repository: "reg.example.com/team/my_web",
		Size: "M", RunCommand: ptr("--port 80"), Target: ptr(3),
		Ports: []view.TutumPort{{Inner: 80, Protocol: "TCP"}}, Env: []view.TutumVar{{"A", "1"}},
		Autorestart: "ALWAYS", Autoreplace: "ON_FAILURE", Sequential: true, Roles: []string{"/api/v1/role/global/"}, WebDNS: "www.example.com",
		LinkNames: []string{"", "db", ""},
	}
	got, found := c.New()
	if len(found) > 0 {
		t.Fatal(found)
	}
	want := workload.NewWorkload{
		ID: c.UUID, FQN: policy.MustParseFQN("job::/t/neo::my-web"), Title: "my-web", Tenant: "neo", Home: workload.Tutum,
		Count: 3, State: workload.Started,
		Spec: workload.Spec{
			Template: driver.Template{
				Ports: []driver.Port{{Number: 80, Proto: "tcp"}},
				Procs: map[string]driver.Process{"main": {Command: "--port 80", Env: map[string]string{"A": "1"}}},
			},
			Resources: fleet.Resources{Memory: 1 << 30, CPU: 1000},
			Recover: workload.Recovery{Steps: []workload.Step{
				{Do: workload.ActionRestart, On: workload.OnClean | workload.OnFailed | workload.OnLost, Max: 3, Window: time.Minute,
					Delay: workload.Delay{Free: true, First: time.Second, Top: 2 * time.Second}},
				{Do: workload.ActionReplace, On: workload.OnFailed | workload.OnLost, Max: 3, Window: 5 * time.Minute},
			}},
			Place:   workload.Placement{Overcommit: true},
			Rollout: workload.Rollout{Sequential: true},
			Verify:  workload.Verify{Timeout: 120 * time.Second, PlaceTimeout: 120 * time.Second},
			Stop:    workload.Stop{Grace: 10 * time.Second},
			Behave: workload.Behave{Index: workload.Ascending, Shrink: workload.IdleFirst, Strict: true, Revive: true, Env: workload.EnvContainer,
				DirAfter: workload.WhileInSlot, Retain: time.Hour, Tombstone: time.Hour},
			Logs: workload.LogSpec{Lines: 100_000, Bytes: 1 << 20, InstanceBytes: 1 << 20}, MaxCount: 100,
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if delays := []time.Duration{0, time.Second, 2 * time.Second}; !cmp.Equal(delays, []time.Duration{
		got.Spec.Recover.Steps[0].Delay.Of(1), got.Spec.Recover.Steps[0].Delay.Of(2), got.Spec.Recover.Steps[0].Delay.Of(3)}) {
		t.Error("the delays of three restarts are 0, 1 and 2 seconds")
	}
}

func TestTutumCreateFindsEverything(t *testing.T) {
	c := view.TutumCreate{
		Name: "-web", Size: "xs", RunCommand: ptr(`"open`), Entrypoint: ptr(strings.Repeat("é", 4097)), Target: ptr(101),
		Ports:       []view.TutumPort{{Inner: 0, Protocol: "tcp"}, {Inner: 1, Protocol: "sctp"}, {Inner: 2, Protocol: "udp", Outer: ptr(3)}, {Inner: 2, Protocol: "UDP"}},
		Env:         []view.TutumVar{{"1A", ""}, {"TUTUM_X", ""}, {"A", ""}, {"A", ""}, {"B", "\x00"}},
		Autorestart: "always", Autoreplace: "SOMETIMES", Autodestroy: "no",
		LinkNames: []string{"-db", "db", "db"}, Roles: []string{"root"}, WebDNS: "not a host",
	}
	_, found := c.New()
	got := map[string]int{}
	for _, f := range found {
		got[f.Path]++
		if f.Msg == "" || f.Code == "" {
			t.Errorf("%+v", f)
		}
	}
	want := map[string]int{"name": 1, "container_size": 1, "run_command": 1, "entrypoint": 1, "target_num_containers": 1, "container_ports": 4,
		"container_envvars": 4, "autorestart": 1, "autoreplace": 1, "autodestroy": 1, "linked_to_application": 2, "roles": 1, "web_public_dns": 1}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("findings by member (-want +got):\n%s", diff)
	}
}

func TestTutumCreateAcceptsTheLimits(t *testing.T) {
	for name, c := range map[string]view.TutumCreate{
		"nothing but the image":         {Repository: "web"},
		"a name of one character":       {Name: "a"},
		"a name of 63 characters":       {Name: "a" + strings.Repeat("-", 61) + "b"},
		"a hundred containers":          {Target: ptr(100)},
		"more where the embedder says":  {Target: ptr(200), Settings: view.TutumSettings{MaxContainers: 200}},
		"a command of 4096 characters":  {RunCommand: ptr(strings.Repeat("é", 4096))},
		"no ports instead of the image": {Ports: []view.TutumPort{}},
		"both protocols on one port":    {Ports: []view.TutumPort{{Inner: 53, Protocol: "udp"}, {Inner: 53, Protocol: "tcp"}}},
		"an empty value":                {Env: []view.TutumVar{{"_", ""}}},
		"the same role twice":           {Roles: []string{"global", "/api/v1/role/global/"}},
		"an address as host name":       {WebDNS: "10.0.0.1"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, found := c.New(); len(found) > 0 {
				t.Error(found)
			}
		})
	}
}

func TestTutumCreateRefusesBeyondTheLimits(t *testing.T) {
	for name, c := range map[string]view.TutumCreate{
		"a name of 64 characters":      {Name: strings.Repeat("a", 64)},
		"a name that ends with a dash": {Name: "web-"},
		"a name with a dot":            {Name: "web.1"},
		"no containers":                {Target: ptr(0)},
		"port 65536":                   {Ports: []view.TutumPort{{Inner: 65536, Protocol: "tcp"}}},
		"a zero byte in a command":     {RunCommand: ptr("a\x00b")},
		"a host name with a port":      {WebDNS: "www.example.com:80"},
		"a host name of 256":           {WebDNS: strings.Repeat("a.", 127) + "aa"},
		"a key with a dash":            {Env: []view.TutumVar{{"A-B", ""}}},
	} {
		t.Run(name, func(t *testing.T) {
			if _, found := c.New(); len(found) != 1 {
				t.Errorf("findings %v, want one", found)
			}
		})
	}
}

func TestTutumDefaultName(t *testing.T) {
	for repository, want := range map[string]string{
		"web": "web", "team/web": "web", "reg.example.com:5000/team/my_web.v2": "my-web-v2", "": "application", "team/__": "application",
		"_x": "x", strings.Repeat("a", 62) + "__": strings.Repeat("a", 62),
	} {
		if got := view.TutumDefaultName(repository); got != want {
			t.Errorf("the name of %q is %q, want %q", repository, got, want)
		}
	}
}

func TestTutumUniqueName(t *testing.T) {
	const id = "0f1e2d3c-4b5a-4678-8000-000000000000"
	if got := view.TutumUniqueName("web", id, false); got != "web" {
		t.Errorf("a free name is %q", got)
	}
	if got := view.TutumUniqueName("web", id, true); got != "web-0f1e2d3c" {
		t.Errorf("a name that is taken is %q", got)
	}
}

func TestTutumPatch(t *testing.T) {
	app := func(is ...*workload.Instance) *workload.Snapshot {
		c := view.TutumCreate{Namespace: "/t/neo", Tenant: "neo", Name: "web", Autorestart: "ALWAYS", RunCommand: ptr("serve 80"),
			Ports: []view.TutumPort{{Inner: 80, Protocol: "tcp"}, {Inner: 53, Protocol: "udp"}}, Env: []view.TutumVar{{"A", "1"}, {"B", "2"}}}
		n, found := c.New()
		if len(found) > 0 {
			t.Fatal(found)
		}
		s := whole(is...)
		s.Workload.FQN, s.Workload.Title, s.Workload.Home, s.Workload.Spec = n.FQN.String(), n.Title, n.Home, n.Spec
		s.Workload.Spec.Image = "demo/web:v1"
		p := s.Workload.Spec.Procs["main"]
		p.Argv = []string{"serve", "80"}
		s.Workload.Spec.Procs["main"] = p
		return s
	}
	for name, tt := range map[string]struct {
		s     *workload.Snapshot
		p     view.TutumPatch
		kind  atoll.Kind
		paths []string
		check func(*workload.Desired) bool
	}{
		"an empty one is legal even while an operation is under way": {s: under(app(running), workload.OpScale)},
		"a new target scales":                       {s: app(running), p: view.TutumPatch{Target: ptr(3)}, check: func(d *workload.Desired) bool { return d.Count == 3 }},
		"a new target is refused when stopped":      {s: app(asked), p: view.TutumPatch{Target: ptr(3)}, kind: atoll.Conflict},
		"the same target is accepted when stopped":  {s: app(asked), p: view.TutumPatch{Target: ptr(1)}},
		"a target below 0 is refused":               {s: app(running), p: view.TutumPatch{Target: ptr(-1)}, kind: atoll.Invalid, paths: []string{"target_num_containers"}},
		"a target above the limit is refused":       {s: app(running), p: view.TutumPatch{Target: ptr(101)}, kind: atoll.Invalid, paths: []string{"target_num_containers"}},
		"policies change when stopped":              {s: app(asked), p: view.TutumPatch{Autoreplace: ptr("ALWAYS")}, check: func(d *workload.Desired) bool { return len(d.Spec.Recover.Steps) == 2 }},
		"policies are off again":                    {s: app(asked), p: view.TutumPatch{Autorestart: ptr("OFF")}, check: func(d *workload.Desired) bool { return len(d.Spec.Recover.Steps) == 0 }},
		"policies do not change under way":          {s: under(app(running), workload.OpScale), p: view.TutumPatch{Autorestart: ptr("OFF")}, kind: atoll.Conflict},
		"policies do not change when terminating":   {s: deleted(app(dying)), p: view.TutumPatch{Autorestart: ptr("OFF")}, kind: atoll.Conflict},
		"policies change while recovery starts one": {s: app(backoff), p: view.TutumPatch{Autorestart: ptr("OFF")}},
		"the host name is refused under way":        {s: under(app(running), workload.OpStop), p: view.TutumPatch{WebDNS: ptr("")}, kind: atoll.Conflict},
		"everything as it is changes nothing": {s: app(running), p: view.TutumPatch{
			Target: ptr(1), Autorestart: ptr("ALWAYS"), Autoreplace: ptr("OFF"), Autodestroy: ptr("OFF"), Image: ptr("demo/web:v1"), Name: ptr("web"),
			Size: ptr("XS"), RunCommand: ptr("serve 80"), Entrypoint: ptr(""), Sequential: ptr(false),
			Ports: &[]view.TutumPort{{Inner: 53, Protocol: "UDP"}, {Inner: 80, Protocol: "tcp"}}, Env: &[]view.TutumVar{{"B", "2"}, {"A", "1"}},
		}, check: func(d *workload.Desired) bool { return d.Count == 1 }},
		"every fixed member is named": {s: under(app(running), workload.OpStop), p: view.TutumPatch{
			Target: ptr(-1), Autorestart: ptr("yes"), WebDNS: ptr("no host"), Image: ptr("demo/web:v2"), Name: ptr("x"), Size: ptr("S"),
			RunCommand: ptr("x"), Entrypoint: ptr("x"), Sequential: ptr(true), Ports: &[]view.TutumPort{{Inner: 80, Protocol: "tcp"}},
			Env: &[]view.TutumVar{{"A", "2"}, {"B", "2"}}, Other: []atoll.Finding{{Path: "roles", Code: "fixed", Msg: "roles cannot be changed"}},
		}, kind: atoll.Invalid, paths: []string{"autorestart", "container_envvars", "container_ports", "container_size", "entrypoint", "image_tag", "name",
			"roles", "run_command", "sequential_deployment", "target_num_containers", "web_public_dns"}},
	} {
		t.Run(name, func(t *testing.T) {
			change, cond := tt.p.Update()
			d := &workload.Desired{FQN: tt.s.Workload.Address(), Title: tt.s.Workload.Title, Spec: tt.s.Workload.Spec, Count: tt.s.Workload.Count, State: tt.s.Workload.State}
			was := *d
			err := cond(tt.s)
			if err == nil {
				err = change(d)
			}
			if atoll.KindOf(err) != tt.kind {
				t.Fatalf("%v, want kind %v", err, tt.kind)
			}
			if tt.kind == 0 && tt.check == nil && tt.p.Target == nil && tt.p.Autorestart == nil {
				if diff := cmp.Diff(&was, d); diff != "" {
					t.Errorf("something changes (-was +is):\n%s", diff)
				}
			}
			if tt.check != nil && !tt.check(d) {
				t.Errorf("%+v", d)
			}
			var paths []string
			if e, ok := err.(*atoll.Error); ok {
				for _, f := range e.Findings {
					paths = append(paths, f.Path)
				}
			}
			if diff := cmp.Diff(tt.paths, paths); diff != "" {
				t.Errorf("paths (-want +got):\n%s", diff)
			}
		})
	}
}

func TestOfTwoEqualOperationsOneIsAccepted(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		ctx := context.Background()
		s := r.settle(r.application("serve", view.TutumCreate{Name: "web"}))
		for name, call := range map[string]func() error{
			"stop": func() error {
				_, err := r.StopWorkload(ctx, s.Workload.ID, view.TutumIf(view.TutumStop))
				return err
			},
		} {
			errs := make(chan error)
			for range 8 {
				go func() { errs <- call() }()
			}
			accepted := 0
			for range 8 {
				switch err := <-errs; {
				case err == nil:
					accepted++
				case atoll.KindOf(err) != atoll.Conflict:
					t.Errorf("%s: %v", name, err)
				}
			}
			if accepted != 1 {
				t.Errorf("%s: %d of eight were accepted", name, accepted)
			}
		}
	})
}
