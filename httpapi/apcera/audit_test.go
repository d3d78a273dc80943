package apcera_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/atoll-platform/atoll/platform"
	"github.com/atoll-platform/atoll/policy"
)

// TestAuditOfWrites holds what calls write into the audit log: an item for each
// document, one for all quotas of a call, nothing for calls that are refused.
func TestAuditOfWrites(t *testing.T) {
	e := start(t)
	root := e.as("root")
	root.put("/v1/policy", docs(doc("a", ""), doc("b", "quota::/lab { { total.memory 4GB } } job::/ { { permit read } }"), doc("c", "quota::/lab { { total.memory 2GB } }"))).is(200, "")
	root.put("/v1/policy", docs(doc("b", "// the same\non quota::/lab { { total.memory 4GB } }", 1))).is(200, "")
	root.put("/v1/policy", docs(doc("c", "quota::/lab { { total.memory 3GB } }", 1))).is(200, "")
	root.put("/v1/policy", docs(doc("c", "", 1))).is(409, "")
	root.put("/v1/policy", docs(doc("component", "", 1))).is(403, "")
	root.delete("/v1/policy?doc=a").is(200, "")
	root.delete("/v1/policy?doc=b").is(200, "")
	type item struct{ Event, FQN, Actor string }
	var got []item
	for _, kind := range []string{"policydoc", "quota"} {
		items, _, err := e.p.Audit(context.Background(), platform.AuditQuery{FQN: policy.FQN{Type: kind, Namespace: "/"}, Limit: 1000})
		if err != nil {
			t.Fatal(err)
		}
		for _, i := range items {
			if i.Actor != "system" {
				got = append(got, item{i.Event, i.FQN, i.Actor})
			}
		}
	}
	want := []item{
		{"policy.add", "policydoc::/::a", "root"}, {"policy.add", "policydoc::/::b", "root"}, {"policy.add", "policydoc::/::c", "root"},
		{"policy.update", "policydoc::/::b", "root"}, {"policy.update", "policydoc::/::c", "root"},
		{"policy.delete", "policydoc::/::a", "root"}, {"policy.delete", "policydoc::/::b", "root"},
		{"quota.update", "quota::/", "root"}, {"quota.update", "quota::/", "root"}, {"quota.update", "quota::/", "root"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("audit (-want +got):\n%s", diff)
	}
}

// TestAuditOfPackageClaims holds what a change of the claims about packages
// writes: an item for each realm of jobs and kind of claim that is new, and one
// for locks that are gone.
func TestAuditOfPackageClaims(t *testing.T) {
	e := start(t)
	root := e.as("root")
	const first = `job::/lab { { package.allow "package::/base", "package::/more"  package.lock "package::/base::jdk" } }
		job::/home/[who] { { package.default "package::/base::jdk" } } job::/lab::shop { { package.retire "package::/old" } } service::/ { { package.allow x } }`
	const second = `job::/lab { { package.allow "package::/base", "package::/third" } } job::/home/[who] { { package.default "package::/base::jdk" } }`
	root.put("/v1/policy", docs(doc("a", first))).is(200, "")
	root.put("/v1/policy", docs(doc("a", second, 1))).is(200, "")
	items, _, err := e.p.Audit(context.Background(), platform.AuditQuery{FQN: policy.FQN{Type: "job", Namespace: "/"}, Limit: 1000})
	if err != nil {
		t.Fatal(err)
	}
	type item struct {
		Event, FQN, Actor string
		Packages          string
	}
	var got []item
	for _, i := range items {
		if strings.HasPrefix(i.Event, "job.package") && i.Actor != "system" {
			var payload struct{ Detail struct{ Packages []string } }
			if err := json.Unmarshal(i.Payload, &payload); err != nil {
				t.Fatal(err)
			}
			got = append(got, item{i.Event, i.FQN, i.Actor, strings.Join(payload.Detail.Packages, " ")})
		}
	}
	want := []item{
		{"job.packageallow", "job::/lab", "root", "package::/base package::/more"},
		{"job.packagelock", "job::/lab", "root", "package::/base::jdk"},
		{"job.packagesetdefault", "job::/home", "root", "package::/base::jdk"},
		{"job.packageretire", "job::/lab::shop", "root", "package::/old"},
		{"job.packageallow", "job::/lab", "root", "package::/third"},
		{"job.packageunlock", "job::/lab", "root", "package::/base::jdk"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("audit (-want +got):\n%s", diff)
	}
}
