package storetest

import (
	"encoding/json"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/atoll-platform/atoll/internal/store"
)

type color uint8

type node struct {
	Name string
	Next *node
}

type everything struct {
	store.Meta
	B        bool
	I8       int8
	I        int64
	U        uint64
	U16      uint16
	F        float64
	F32      float32
	S        string
	Color    color
	At       *time.Time
	Wait     time.Duration
	Waits    map[string]time.Duration
	Raw      json.RawMessage
	Raws     []json.RawMessage
	Bytes    []byte
	Sum      [32]byte
	Strings  []string
	Matrix   [][]string
	Counts   map[int]map[string]bool
	Secret   store.Sealed
	Secrets  map[string]store.Sealed
	Chain    *node
	Optional *string
	Rules    []struct {
		A string
		B []int
	}
}

func TestRowsOfPlainDataSurvive(t *testing.T) {
	RoundTrip(t, store.NewTable(store.Spec[everything]{Name: "everything", Schema: 1, Key: func(e *everything) string { return e.ID }}))
}

func TestFillLeavesNothingZero(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	var e everything
	fill(r, reflect.ValueOf(&e).Elem(), 0)
	v := reflect.ValueOf(e)
	for i := range v.NumField() {
		if v.Field(i).IsZero() {
			t.Errorf("field %s is zero", v.Type().Field(i).Name)
		}
	}
}

func TestTypesThatLoseSomethingAreRefused(t *testing.T) {
	type ok struct{ A string }
	tests := map[string]struct {
		table store.AnyTable
		path  string
	}{
		"a function":          {table[struct{ F func() }](), "/F"},
		"a channel":           {table[struct{ C chan int }](), "/C"},
		"an interface":        {table[struct{ A any }](), "/A"},
		"an unexported field": {table[struct{ a int }](), "/a"},
		"a field hidden from JSON": {table[struct {
			A int `json:"-"`
		}](), "/A"},
		"something live behind a pointer": {table[struct{ P *struct{ C chan int } }](), "/P/C"},
		"a function in a list":            {table[struct{ L []func() }](), "/L/0"},
		"an interface in a map":           {table[struct{ M map[string]any }](), "/M/*"},
		"a map keyed by a struct":         {table[struct{ M map[ok]string }](), "/M"},
		"a pointer to a pointer":          {table[struct{ P **int }](), "/P"},
		"a complex number":                {table[struct{ C complex128 }](), "/C"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			faults := store.PlainFaults(tt.table)
			if len(faults) != 1 || faults[0].Path != tt.path || !strings.Contains(faults[0].Code, "plain") {
				t.Errorf("faults %+v, want one at %s", faults, tt.path)
			}
			if _, err := store.Open([]store.AnyTable{tt.table}); err == nil {
				t.Error("Open takes the table")
			}
		})
	}
}

func table[T any]() store.AnyTable {
	return store.NewTable(store.Spec[T]{Name: "odd", Schema: 1, Key: func(*T) string { return "x" }})
}
