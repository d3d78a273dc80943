package runtime

import (
	"context"
	"testing"

	"github.com/atoll-platform/atoll/actor"
	"github.com/atoll-platform/atoll/actor/builtin"
)

// BenchmarkDrive guards what an event costs inside of a runtime, without the
// mailbox and on one goroutine: its times are steadier than those of the
// benchmarks that have events cross from one processor to another.
func BenchmarkDrive(b *testing.B) {
	ev := event(b, benchText)
	run := func(b *testing.B, c *Checked) {
		i := spawn(b, engine(b, EngineOptions{}), c)
		for !i.seize() {
		}
		defer i.release()
		var f frame
		b.ReportAllocs()
		for b.Loop() {
			f.deliver(&i.nodes()[0], ev)
		}
	}
	b.Run("one", func(b *testing.B) {
		run(b, graph([]part{{name: "a", make: newCounter(0).make}}))
	})
	b.Run("chain of five", func(b *testing.B) {
		run(b, chain(5, part{name: "end", make: newCounter(0).make}))
	})
	b.Run("filter, stats, threshold", func(b *testing.B) {
		run(b, streaming(b))
	})
}

// BenchmarkPost guards what it costs to put an event into a mailbox and to take
// it out again, on one goroutine.
func BenchmarkPost(b *testing.B) {
	ev := event(b, benchText)
	i := spawn(b, engine(b, EngineOptions{}), graph([]part{{name: "a", make: newCounter(0).make}}))
	p := port(b, i, "a")
	for !i.seize() {
	}
	defer i.release()
	w := worker{q: &i.tenant.eng.queue}
	ctx := context.Background()
	b.ReportAllocs()
	for n := 0; b.Loop(); n++ {
		if err := p.Post(ctx, ev); err != nil {
			b.Fatal(err)
		}
		if n%1024 == 1023 {
			i.mu.Lock()
			for box := i.needBox(); !box.empty(); {
				if box.pos == len(box.out) {
					box.in, box.out, box.pos = box.out[:0], box.in, 0
				}
				w.chunk(i, box)
			}
			i.mu.Unlock()
		}
	}
}

// streaming is a filter before statistics and a limit, of the types that definitions use.
func streaming(b *testing.B) *Checked {
	d, err := ParseDefinition([]byte(`{"name":"bench","actors":[
		{"name":"in","type":"filter","params":{"filters":[{"type":"startswith","function":"include","field":"url","param":"/shop/"}]}},
		{"name":"stats","type":"stats","params":{"field":"t"}},
		{"name":"limit","type":"threshold","params":{"key":"t","threshold":20}},
		{"name":"end","type":"end"}],
		"links":[{"from":"in","to":"stats"},{"from":"in","to":"limit"},{"from":"limit","to":"end"}]}`))
	if err != nil {
		b.Fatal(err)
	}
	types := builtin.Registry()
	if err := types.RegisterFunc("end", func(actor.Context, *actor.Event) (*actor.Event, error) { return nil, nil }); err != nil {
		b.Fatal(err)
	}
	c, ps := Check(d, types, nil, CheckOptions{})
	if ps != nil {
		b.Fatal(ps)
	}
	return c
}
