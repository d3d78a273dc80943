package coral_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestWhereRuntimesArePlaced goes over the modes, on a platform of three machines.
func TestWhereRuntimesArePlaced(t *testing.T) {
	e := open(t)
	c := e.nobody()
	const cluster = "/api/platform/cluster"
	made := 0
	place := func(distribution string) string {
		t.Helper()
		made++
		name := fmt.Sprintf("r%d", made)
		c.create(strings.Replace(pair(name), `{`, `{"distribution":`+distribution+`,`, 1)).is(201, "")
		var r struct {
			Machine string
			Copies  []struct{ Name, Machine string }
		}
		c.get("/api/runtimes/"+name).is(200, "").JSON(&r)
		at := strings.TrimSuffix(r.Machine, ":2551")
		for k, copy := range r.Copies {
			if want := fmt.Sprintf("coral-%s.%d", name, k+1); copy.Name != want {
				t.Errorf("copy %d is called %s, want %s", k+1, copy.Name, want)
			}
			at += " " + strings.TrimSuffix(copy.Machine, ":2551")
		}
		return at
	}
	expect := func(mode string, want ...string) {
		t.Helper()
		var got []string
		for range want {
			got = append(got, place(mode))
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", mode, diff)
		}
	}
	mode := func(m string) string { return `{"mode":"` + m + `"}` }
	for _, m := range []string{"local", "predefined", "round-robin", "least-nr-runtimes", "least-nr-actors", "random", "least-busy", "split-brain"} {
		expect(mode(m), "127.0.0.1") // with clustering off everything is here
	}
	for _, ip := range []string{"10.0.0.3", "10.0.0.2"} {
		c.post(cluster, `{"action":"join","ip":"`+ip+`","port":2551}`).is(200, "")
	}
	expect(mode("local"), "127.0.0.1", "127.0.0.1")
	expect(`{"mode":"predefined","machine":{"ip":"10.0.0.3","port":2551}}`, "10.0.0.3")
	expect(`{"mode":"predefined","machine":{"ip":"10.0.0.9","port":2551}}`, "127.0.0.1")
	expect(mode("round-robin"), "10.0.0.2", "10.0.0.3", "127.0.0.1", "10.0.0.2")
	expect(mode("least-nr-runtimes"), "10.0.0.2", "10.0.0.3", "10.0.0.2", "10.0.0.3") // of 2, 2 and 11
	expect(mode("least-nr-actors"), "10.0.0.2", "10.0.0.3")
	for range 5 {
		if at := place(mode("random")); at != "10.0.0.2" && at != "10.0.0.3" && at != "127.0.0.1" {
			t.Errorf("random chose %s", at)
		}
	}
	expect(`{"mode":"duplicate","copies":3,"machines":"round-robin"}`, "10.0.0.3 10.0.0.3 127.0.0.1 10.0.0.2")
	expect(`{"mode":"duplicate","copies":3,"machines":[{"ip":"10.0.0.3","port":2551},{"ip":"10.0.0.2","port":2551}]}`, "10.0.0.3 10.0.0.3 10.0.0.2 10.0.0.3")

	// r10 is here, r11 on 10.0.0.3.
	expect(mode("least-busy"), "10.0.0.2") // ties go to the lowest address
	for _, at := range []struct {
		runtime string
		events  int
	}{{fmt.Sprintf("r%d", made), 5}, {"r11", 2}, {"r10", 3}} {
		for range at.events {
			c.post("/api/runtimes/"+at.runtime+"/actors/in/shunt", `{"n":1}`).is(200, "")
			c.post("/api/runtimes/"+at.runtime+"/actors/in", `{"n":1}`).is(200, "")
		}
		want := uint64(2 * at.events)
		eventually(t, "the events are handled", func() bool {
			var s struct{ TotalMessages uint64 }
			c.get("/api/runtimes/"+at.runtime+"/stats").is(200, "").JSON(&s)
			return s.TotalMessages == want
		})
	}
	expect(mode("least-busy"), "10.0.0.3")
	c.patch("/api/platform/settings", `{"coral.distributor.mode":"least-busy"}`).is(200, "")
	c.create(pair("default")).is(201, "")
	var r struct{ Machine string }
	if c.get("/api/runtimes/default").is(200, "").JSON(&r); r.Machine != "10.0.0.3:2551" {
		t.Errorf("by the mode of the settings: %s", r.Machine)
	}
	c.post(cluster, `{"action":"leave","ip":"10.0.0.3","port":2551}`).is(200, "")
	var all []struct{ Machine string }
	c.get("/api/runtimes").is(200, "").JSON(&all)
	for _, r := range all {
		if r.Machine == "10.0.0.3:2551" {
			t.Errorf("a runtime is on a machine that has left")
		}
	}
}
