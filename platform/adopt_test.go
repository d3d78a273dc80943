package platform_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/platform"
	"github.com/atoll-platform/atoll/platform/platformtest"
	"github.com/atoll-platform/atoll/tenancy"
)

func TestSettingsCountWhereNoOptionDoes(t *testing.T) {
	const mode = "coral.authentication.mode"
	tests := map[string]struct {
		opts []platform.Option
		want string // mode, as the settings show it
		all  bool   // whether everybody is let in
	}{
		"neither":            {nil, "coral", false},
		"the option":         {[]platform.Option{platform.WithAuthentication(tenancy.AcceptAll)}, "accept-all", true},
		"the setting":        {[]platform.Option{platform.WithSettings(map[string]any{mode: "accept-all"})}, "accept-all", true},
		"the option of both": {[]platform.Option{platform.WithSettings(map[string]any{mode: "accept-all"}), platform.WithAuthentication(tenancy.DenyAll)}, "deny-all", false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			p := platformtest.New(t, tt.opts...)
			all, err := p.Settings().All(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if all[mode] != tt.want || p.AcceptsAll() != tt.all {
				t.Errorf("the mode is %v, everybody is let in: %v", all[mode], p.AcceptsAll())
			}
		})
	}
}

func TestWhatSettingsShowMayBeSentBack(t *testing.T) {
	p := platformtest.New(t, platform.WithSettings(map[string]any{
		"coral.cassandra.password": "plan9plan9", "kafka.producer.client.Secret": "plan9plan9", "coral.shunt.timeout-ms": 20}))
	before, err := p.Settings().All(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"coral.cassandra.password", "kafka.producer.client.Secret"} {
		if before[key] != "******" {
			t.Errorf("%s is shown as %v", key, before[key])
		}
	}
	changed, err := p.Settings().Update(t.Context(), before)
	if err != nil || len(changed) != 0 {
		t.Errorf("Update: %v, %v", changed, err)
	}
	if _, err := p.Settings().Update(t.Context(), map[string]any{"coral.cassandra.password": "another"}); atoll.KindOf(err) != atoll.FailedState {
		t.Errorf("another password: %v, want failed state", err)
	}
	after, err := p.Settings().All(t.Context())
	if diff := cmp.Diff(before, after); diff != "" || err != nil {
		t.Errorf("%v (-before +after):\n%s", err, diff)
	}
}

func TestSeedsJoinAtTheStart(t *testing.T) {
	seeds := []string{"127.0.0.1:2551", "10.0.0.3:2551", "10.0.0.2:2551"}
	for enabled, want := range map[bool][]string{true: {"10.0.0.2:2551", "10.0.0.3:2551", "127.0.0.1:2551"}, false: {"127.0.0.1:2551"}} {
		p := platformtest.New(t, platform.WithSettings(map[string]any{"coral.cluster.enable": enabled, "coral.cluster.seed-nodes": seeds}))
		c, err := p.Machines().Cluster(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for i := range c.Machines {
			got = append(got, c.Machines[i].Address())
		}
		if diff := cmp.Diff(want, got); diff != "" || c.Enabled != enabled {
			t.Errorf("enabled %v, want %v (-want +got):\n%s", c.Enabled, enabled, diff)
		}
	}
}
