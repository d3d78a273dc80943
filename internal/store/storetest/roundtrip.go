package storetest

import (
	"encoding/json"
	"math/rand/v2"
	"reflect"
	"testing"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/go-cmp/cmp"

	"github.com/atoll-platform/atoll/internal/store"
)

// rounds is how many random rows of each table are tried.
const rounds = 32

// Generator is what a row's field type may implement, on its pointer, when
// random contents of its parts would not make a value of it.
type Generator interface {
	GenerateForStore(r *rand.Rand)
}

// RoundTrip holds the rows of tables to being plain data: it fails the test for
// a row type with functions, channels, interfaces, unexported fields or
// anything else that logs and snapshots lose, then fills every exported field of
// many rows with random values that are not zero, and of one row with zero
// values, and compares what comes back from the store's encoding. Values of a
// type that writes its own JSON are made by its Generator, or stay zero.
func RoundTrip(t *testing.T, tables ...store.AnyTable) {
	t.Helper()
	for _, table := range tables {
		t.Run(table.Name(), func(t *testing.T) {
			if faults := store.PlainFaults(table); len(faults) > 0 {
				for _, f := range faults {
					t.Errorf("%s%s: %s", table.Name(), f.Path, f.Msg)
				}
				return
			}
			r := rand.New(rand.NewPCG(1, 2))
			check(t, table, store.NewRow(table))
			for range rounds {
				row := store.NewRow(table)
				fill(r, reflect.ValueOf(row).Elem(), 0)
				check(t, table, row)
			}
		})
	}
}

func check(t *testing.T, table store.AnyTable, row any) {
	t.Helper()
	raw, err := store.EncodeRow(table, row)
	if err != nil {
		t.Fatalf("encoding a row of %s: %v", table.Name(), err)
	}
	got, err := store.DecodeRow(table, raw)
	if err != nil {
		t.Fatalf("decoding %s: %v", raw, err)
	}
	if diff := cmp.Diff(row, got, cmp.Exporter(func(reflect.Type) bool { return true })); diff != "" {
		t.Fatalf("a row of %s does not survive (-want +got):\n%s\nencoded: %s", table.Name(), diff, raw)
	}
}

// maxDepth ends recursive types.
const maxDepth = 8

// fill gives v and all that it holds random values, none of them zero.
func fill(r *rand.Rand, v reflect.Value, depth int) {
	if g, ok := v.Addr().Interface().(Generator); ok {
		g.GenerateForStore(r)
		return
	}
	switch p := v.Addr().Interface().(type) {
	case *time.Time:
		*p = time.Unix(r.Int64N(4e9)+1, r.Int64N(1e9)).UTC()
		return
	case *json.RawMessage:
		*p = json.RawMessage(rawJSON(r))
		return
	case *jsontext.Value:
		*p = jsontext.Value(rawJSON(r))
		return
	case *store.Sealed:
		*p = store.Sealed(text(r))
		return
	}
	if store.WritesItself(v.Type()) {
		return
	}
	switch v.Kind() {
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		n := r.Int64() >> (64 - v.Type().Bits())
		if r.IntN(2) == 0 {
			n = -n
		}
		v.SetInt(n | 1)
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		v.SetUint(r.Uint64()>>(64-v.Type().Bits()) | 1)
	case reflect.Float32, reflect.Float64:
		v.SetFloat(float64(float32(r.NormFloat64()*1e6) + 0.5))
	case reflect.String:
		v.SetString(text(r))
	case reflect.Slice, reflect.Map, reflect.Pointer:
		if depth < maxDepth {
			fillReferred(r, v, depth)
		}
	case reflect.Array:
		for i := range v.Len() {
			fill(r, v.Index(i), depth+1)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			fill(r, v.Field(i), depth+1)
		}
	}
}

func fillReferred(r *rand.Rand, v reflect.Value, depth int) {
	switch v.Kind() {
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1+r.IntN(3), 3))
		for i := range v.Len() {
			fill(r, v.Index(i), depth+1)
		}
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(r, v.Elem(), depth+1)
	default:
		v.Set(reflect.MakeMap(v.Type()))
		for range 1 + r.IntN(3) {
			key, elem := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
			fill(r, key, depth+1)
			fill(r, elem, depth+1)
			v.SetMapIndex(key, elem)
		}
	}
}

var alphabet = []rune("abcXYZ019 _-./:~\"\\<>&\u0000\u001f\u007fäß€語😀\u2028\ufffd")

func text(r *rand.Rand) string {
	s := make([]rune, 1+r.IntN(12))
	for i := range s {
		s[i] = alphabet[r.IntN(len(alphabet))]
	}
	return string(s)
}

func rawJSON(r *rand.Rand) string {
	texts := []string{`null`, `{}`, `[]`, `{"b": 1.50, "a":[1e400, "\u00e4"],  "a": 2}`, `12345678901234567890`, `"x"`, ` true `}
	return texts[r.IntN(len(texts))]
}
