package main

import (
	"bytes"
	"context"
	"encoding/csv"
	"math"
	"os"
	"strconv"
	"testing"

	"github.com/atoll-platform/atoll/examples/flights/flightdata"
)

// TestDelaysAgreeWithAnIndependentComputation compares every origin with a
// table that another program computed by the two-pass formula.
func TestDelaysAgreeWithAnIndependentComputation(t *testing.T) {
	rows, err := csv.NewReader(bytes.NewReader(flightdata.DelayByOrigin)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	got, err := delays(t.Context(), flightdata.Records)
	if err != nil {
		t.Fatal(err)
	}
	byOrigin := map[string]stat{}
	for _, s := range got {
		byOrigin[s.Origin] = s
	}
	if len(got) != len(rows)-1 || len(byOrigin) != len(got) {
		t.Errorf("%d origins, %d of them different; want %d", len(got), len(byOrigin), len(rows)-1)
	}
	number := func(s string) float64 {
		f, err := strconv.ParseFloat(s, 64)
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	near := func(a, b float64) bool { return math.Abs(a-b) <= 1e-9*math.Max(1, math.Abs(b)) }
	for _, r := range rows[1:] { // origin, count, min, max, mean, sd_sample, sd_population
		s, ok := byOrigin[r[0]]
		if !ok {
			t.Errorf("origin %s is missing", r[0])
			continue
		}
		if s.Count != int64(number(r[1])) || s.Min != number(r[2]) || s.Max != number(r[3]) || !near(s.Mean, number(r[4])) || !near(s.Deviates, number(r[6])) {
			t.Errorf("%s: got %+v, want %v", r[0], s, r)
		}
	}
}

func Example() {
	stats, err := delays(context.Background(), flightdata.Records)
	if err != nil {
		panic(err)
	}
	if err := table(os.Stdout, stats, 3); err != nil {
		panic(err)
	}
	// Output:
	// origin  flights  min  max   mean     sd
	//      ORD      283  -52  259   6.84  31.31
	//      DFW      261  -39  227  10.30  37.21
	//      ATL      208  -22  365   8.36  35.60
}
