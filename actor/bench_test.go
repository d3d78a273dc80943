package actor_test

import (
	"encoding/json"
	"testing"

	"github.com/atoll-platform/atoll/actor"
)

// sample is one event of 120 bytes and eight fields.
const sample = `{"id":"ev-000123","tag":"alpha","t":21.75,"amount":1200,"ok":true,"url":"/shop/item/99","agent":"curl/8.5.0-dev","n":73411}`

// BenchmarkParse guards the cost of an event at the edge: two allocations.
func BenchmarkParse(b *testing.B) {
	text := []byte(sample)
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := actor.Parse(text); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkParseFloor is what the standard library makes of the same text.
func BenchmarkParseFloor(b *testing.B) {
	text := []byte(sample)
	b.ReportAllocs()
	for b.Loop() {
		var m map[string]any
		if err := json.Unmarshal(text, &m); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkParseSpaced is BenchmarkParse of text with a space behind each
// colon and comma, as many clients write it.
func BenchmarkParseSpaced(b *testing.B) {
	text := []byte(`{"id": "ev-000123", "tag": "alpha", "t": 21.75, "amount": 1200, "ok": true, "url": "/shop/item/99", "agent": "curl/8.5", "n": 7}`)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := actor.Parse(text); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkNumber guards the cost of reading a field.
func BenchmarkNumber(b *testing.B) {
	e := event(b, sample)
	k := actor.KeyOf("amount")
	b.ReportAllocs()
	for b.Loop() {
		if _, ok := e.Number(k); !ok {
			b.Fatal("no number")
		}
	}
}

// BenchmarkText guards the cost of reading a string field.
func BenchmarkText(b *testing.B) {
	e := event(b, sample)
	k := actor.KeyOf("url")
	b.ReportAllocs()
	for b.Loop() {
		if _, ok := e.Text(k); !ok {
			b.Fatal("no text")
		}
	}
}

// BenchmarkWith guards the cost of an actor that adds a field.
func BenchmarkWith(b *testing.B) {
	e := event(b, sample)
	b.ReportAllocs()
	for b.Loop() {
		e.With(actor.Field{Name: "score", Value: actor.Float(5.5)})
	}
}

// BenchmarkReplace guards the cost of an actor that replaces a field.
func BenchmarkReplace(b *testing.B) {
	e := event(b, sample)
	b.ReportAllocs()
	for b.Loop() {
		e.With(actor.Field{Name: "t", Value: actor.Int(5)})
	}
}

// BenchmarkFill guards the cost of a template.
func BenchmarkFill(b *testing.B) {
	e := event(b, sample)
	tpl, err := actor.CompileTemplate(value(b, `{"who":"${id}","last":{"a":"${amount}","b":[1,2]},"lit":"hi"}`))
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		tpl.Fill(e)
	}
}
