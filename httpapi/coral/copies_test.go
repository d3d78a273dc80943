package coral_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/platform/platformtest"
	"github.com/atoll-platform/atoll/runtime"
)

// TestStatisticsOfCopies: those of the copies sum to those of the runtime, by
// whichever name a copy is called, and for a single actor too.
func TestStatisticsOfCopies(t *testing.T) {
	e := start(t)
	neo := e.as("neo")
	neo.create(strings.Replace(pair("r"), `{`, `{"distribution":{"mode":"duplicate","copies":3},`, 1)).is(201, "")
	const events = 60
	for n := range events {
		neo.post("/api/runtimes/r/actors/in", fmt.Sprintf(`{"n":%d}`, n)).is(200, "")
	}
	neo.post("/api/runtimes/r/actors/sum/shunt", `{"n":1}`).is(204, "")
	type stats struct {
		Name                                        string
		TotalActors, TotalMessages, TotalExceptions int
		Counters                                    map[string]map[string]int
	}
	read := func(ref, more string) (s stats) {
		neo.get("/api/runtimes/"+ref+more+"/stats").is(200, "").JSON(&s)
		return s
	}
	eventually(t, "the events are handled", func() bool { return read("r", "").TotalMessages == 2*events })
	for _, tt := range []struct {
		more string
		want stats
	}{
		{"", stats{TotalActors: 6, TotalMessages: 2 * events, Counters: map[string]map[string]int{"total": {"shunt": 1}, "sum": {"shunt": 1}}}},
		{"/actors/in", stats{Name: "in", TotalActors: 1, TotalMessages: events, Counters: map[string]map[string]int{"total": {}}}},
	} {
		if diff := cmp.Diff(tt.want, read("r", tt.more)); diff != "" {
			t.Errorf("the whole%s (-want +got):\n%s", tt.more, diff)
		}
		sum := 0
		for k := 1; k <= 3; k++ {
			s := read(fmt.Sprintf("r.%d", k), tt.more)
			if diff := cmp.Diff(s, read(fmt.Sprintf("neo-r.%d", k), tt.more)); diff != "" || s.TotalMessages == 0 {
				t.Errorf("copy %d%s has %d messages; by its unique name:\n%s", k, tt.more, s.TotalMessages, diff)
			}
			sum += s.TotalMessages
		}
		if sum != tt.want.TotalMessages {
			t.Errorf("the copies%s have %d messages, want %d", tt.more, sum, tt.want.TotalMessages)
		}
	}
	e.as("mia").get("/api/runtimes/neo-r.1/stats").is(403, "")
}

// TestTheEventLogFollowsItsSetting, which may change while runtimes run.
func TestTheEventLogFollowsItsSetting(t *testing.T) {
	e := start(t)
	neo := e.as("neo")
	neo.create(`{"name":"r","actors":[{"name":"in","type":"httpbroadcast","log":{"outgoing":true}},{"name":"sum","type":"stats","params":{"field":"n"},"log":{"incoming":true}}],"links":[{"from":"in","to":"sum"}]}`).is(201, "")
	post := func(n int) {
		var s struct{ TotalMessages int }
		neo.get("/api/runtimes/r/stats").is(200, "").JSON(&s)
		neo.post("/api/runtimes/r/actors/in", fmt.Sprintf(`{"n":%d}`, n)).is(200, "")
		want := s.TotalMessages + 2
		eventually(t, "the event is handled", func() bool {
			neo.get("/api/runtimes/r/stats").is(200, "").JSON(&s)
			return s.TotalMessages == want
		})
	}
	post(1)
	for n, on := range []bool{true, false} {
		e.as("root").patch("/api/platform/settings", fmt.Sprintf(`{"coral.event-log.enabled":%t}`, on)).is(200, "")
		post(n + 2)
	}
	u, err := e.p.Users().Get(t.Context(), "neo")
	if err != nil {
		t.Fatal(err)
	}
	log, err := e.p.Runtimes().EventLog(platformtest.As(t, e.p, u), "r", runtime.LogFilter{})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, entry := range log.Events {
		b, err := json.Marshal(entry)
		if err != nil {
			t.Fatal(err)
		}
		var m struct {
			LogType   int `json:"logtype"`
			Actor     string
			Day       string
			Hour      int
			Timestamp string
			Owner     string
			JSON      json.RawMessage `json:"json"`
		}
		if err := json.Unmarshal(b, &m); err != nil {
			t.Fatal(err)
		}
		got = append(got, fmt.Sprint(m.LogType, " ", m.Actor, " ", m.Day, " ", m.Hour, " ", m.Timestamp, " ", m.Owner == u.ID, " ", string(m.JSON)))
	}
	want := []string{`2 in 2015-01-21 12 ` + at0 + ` true {"n":2}`, `1 sum 2015-01-21 12 ` + at0 + ` true {"n":2}`}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("entries (-want +got):\n%s", diff)
	}
	mia, err := e.p.Users().Get(t.Context(), "mia")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := e.p.Runtimes().EventLog(platformtest.As(t, e.p, mia), "neo-r", runtime.LogFilter{}); atoll.KindOf(err) != atoll.Denied {
		t.Errorf("the log of somebody else: %v, want denied", err)
	}
}
