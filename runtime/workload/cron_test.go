package workload_test

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/runtime/workload"
)

func TestCronComesAgain(t *testing.T) {
	tests := map[string]struct {
		cron, zone, after string
		want              []string // UTC
	}{
		"every minute":                         {"* * * * *", "", "2026-01-01T00:00:30Z", []string{"2026-01-01T00:01:00Z", "2026-01-01T00:02:00Z"}},
		"not the time itself":                  {"0 0 * * *", "", "2026-01-01T00:00:00Z", []string{"2026-01-02T00:00:00Z"}},
		"steps and lists":                      {"5,*/20 8-9 * * *", "", "2026-01-01T08:21:00Z", []string{"2026-01-01T08:40:00Z", "2026-01-01T09:00:00Z", "2026-01-01T09:05:00Z", "2026-01-01T09:20:00Z", "2026-01-01T09:40:00Z", "2026-01-02T08:00:00Z"}},
		"a step from a number":                 {"50/5 0 * * *", "", "2026-01-01T00:00:00Z", []string{"2026-01-01T00:50:00Z", "2026-01-01T00:55:00Z", "2026-01-02T00:50:00Z"}},
		"a weekday":                            {"30 6 * * 0", "", "2026-01-01T00:00:00Z", []string{"2026-01-04T06:30:00Z", "2026-01-11T06:30:00Z"}},
		"a day or a weekday":                   {"0 0 13 * 5", "", "2026-02-01T00:00:00Z", []string{"2026-02-06T00:00:00Z", "2026-02-13T00:00:00Z", "2026-02-20T00:00:00Z", "2026-02-27T00:00:00Z", "2026-03-06T00:00:00Z", "2026-03-13T00:00:00Z"}},
		"a leap day":                           {"0 12 29 2 *", "", "2026-01-01T00:00:00Z", []string{"2028-02-29T12:00:00Z", "2032-02-29T12:00:00Z"}},
		"over a century without a leap day":    {"0 12 29 2 *", "", "2096-03-01T00:00:00Z", []string{"2104-02-29T12:00:00Z"}},
		"the clocks of a zone":                 {"0 9 * * *", "Europe/Berlin", "2026-01-01T00:00:00Z", []string{"2026-01-01T08:00:00Z"}},
		"an hour that is left out":             {"30 2 * * *", "Europe/Berlin", "2026-03-28T12:00:00Z", []string{"2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z"}},
		"several times that are left out":      {"*/20 2 * * *", "Europe/Berlin", "2026-03-28T12:00:00Z", []string{"2026-03-29T01:00:00Z", "2026-03-30T00:00:00Z"}},
		"an hour that comes twice":             {"30 2 * * *", "Europe/Berlin", "2026-10-24T12:00:00Z", []string{"2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"}},
		"every hour of a day that is shorter":  {"0 * * * *", "Europe/Berlin", "2026-03-28T23:30:00Z", []string{"2026-03-29T00:00:00Z", "2026-03-29T01:00:00Z", "2026-03-29T02:00:00Z"}},
		"every hour of a day that is longer":   {"0 * * * *", "Europe/Berlin", "2026-10-24T23:30:00Z", []string{"2026-10-25T00:00:00Z", "2026-10-25T01:00:00Z", "2026-10-25T02:00:00Z"}},
		"a day that begins at one":             {"0 0 * * *", "America/Santiago", "2026-09-05T12:00:00Z", []string{"2026-09-06T04:00:00Z", "2026-09-07T03:00:00Z"}},
		"a change of half an hour, left out":   {"15 2 * * *", "Australia/Lord_Howe", "2026-10-03T12:00:00Z", []string{"2026-10-03T15:30:00Z", "2026-10-04T15:15:00Z"}},
		"a change of half an hour, seen twice": {"45 1 * * *", "Australia/Lord_Howe", "2026-04-04T12:00:00Z", []string{"2026-04-04T14:45:00Z", "2026-04-05T15:15:00Z"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			c, err := workload.ParseCron(tt.cron, tt.zone)
			if err != nil {
				t.Fatal(err)
			}
			at, err := time.Parse(time.RFC3339, tt.after)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for range tt.want {
				at = c.Next(at)
				got = append(got, at.Format(time.RFC3339))
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("times (-want +got):\n%s", diff)
			}
		})
	}
}

func TestCronRefuses(t *testing.T) {
	tests := map[string]struct {
		cron, zone string
		findings   int
	}{
		"nothing":                    {"", "", 1},
		"four fields":                {"* * * *", "", 1},
		"six fields":                 {"* * * * * *", "", 1},
		"numbers out of bounds":      {"60 24 32 13 7", "", 5},
		"a range that runs back":     {"5-3 * * * *", "", 1},
		"a step of nothing":          {"*/0 * * * *", "", 1},
		"an empty part of a list":    {"1,,2 * * * *", "", 1},
		"a sign":                     {"+1 * * * *", "", 1},
		"a zone that is none":        {"* * * * *", "Mars/Olympus", 1},
		"the zone of some host":      {"* * * * *", "Local", 1},
		"a path instead of a zone":   {"* * * * *", "../../etc/passwd", 1},
		"everything":                 {"x * * * *", "y", 2},
		"a day that there never is":  {"0 0 31 2 *", "", 1},
		"a day that there never is,": {"0 0 31 4,6,9,11 *", "UTC", 1},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := workload.ParseCron(tt.cron, tt.zone)
			e, ok := errors.AsType[*atoll.Error](err)
			if !ok || e.Kind != atoll.Invalid || len(e.Findings) != tt.findings {
				t.Errorf("%v, want %d findings", err, tt.findings)
			}
		})
	}
}

func FuzzParseCron(f *testing.F) {
	f.Add("*/5 1-3,7 * 2 0", "Europe/Berlin", int64(1_700_000_000))
	f.Add("0 0 29 2 *", "", int64(0))
	f.Add("59 23 31 12 6", "America/St_Johns", int64(4_000_000_000))
	f.Fuzz(func(t *testing.T, cron, zone string, at int64) {
		c, err := workload.ParseCron(cron, zone)
		if err != nil {
			return
		}
		after := time.Unix(at%8_000_000_000, 0)
		next := c.Next(after)
		if !next.After(after) || next.Sub(after) > 9*366*24*time.Hour {
			t.Fatalf("%q in %q after %v: %v", cron, zone, after, next)
		}
	})
}
