// Command benthos measures a pipeline on Atoll and on Benthos in one run.
//
//	go run . [-rounds 5] [-n 200000]
package main

import (
	"context"
	"sync"
	"sync/atomic"

	_ "github.com/redpanda-data/benthos/v4/public/components/pure" // the parts that every stream needs
	"github.com/redpanda-data/benthos/v4/public/service"

	"github.com/atoll-platform/atoll/internal/bench/stream"
)

// step is a plugin of one function over a message; false drops it.
type step func(m map[string]any) bool

func (s step) ProcessBatch(_ context.Context, in service.MessageBatch) ([]service.MessageBatch, error) {
	out := make(service.MessageBatch, 0, len(in))
	for _, m := range in {
		v, err := m.AsStructured()
		if err != nil {
			return nil, err
		}
		if s(v.(map[string]any)) {
			out = append(out, m)
		}
	}
	if len(out) == 0 {
		return nil, nil
	}
	return []service.MessageBatch{out}, nil
}

func (step) Close(context.Context) error { return nil }

const (
	batch     = 256
	producers = 4
)

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}

func run(n int, parse bool) {
	env := service.NewEnvironment()
	var mu sync.Mutex
	var stats stream.Stats
	for name, s := range map[string]step{
		"bench_filter": stream.Passes,
		"bench_stats": func(m map[string]any) bool {
			if x, ok := number(m[stream.Field]); ok {
				mu.Lock()
				stats.Add(x)
				mu.Unlock()
			}
			return true
		},
		"bench_threshold": func(m map[string]any) bool {
			x, ok := number(m[stream.Field])
			return ok && x >= stream.Limit
		},
	} {
		check(env.RegisterBatchProcessor(name, service.NewConfigSpec(), func(*service.ParsedConfig, *service.Resources) (service.BatchProcessor, error) { return s, nil }))
	}
	b := env.NewStreamBuilder()
	check(b.SetLoggerYAML(`level: "OFF"`))
	b.SetThreads(2)
	produce := must(b.AddBatchProducerFunc())
	for _, p := range []string{"bench_filter: {}", "bench_stats: {}", "bench_threshold: {}"} {
		check(b.AddProcessorYAML(p))
	}
	var passed atomic.Int64
	check(b.AddBatchConsumerFunc(func(_ context.Context, in service.MessageBatch) error {
		passed.Add(int64(len(in)))
		return nil
	}))
	s := must(b.Build())
	ctx := context.Background()
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	var wg sync.WaitGroup
	for p := range producers {
		wg.Go(func() {
			for at := p * batch; at < n; at += producers * batch {
				msgs := make(service.MessageBatch, 0, batch)
				for k := at; k < min(at+batch, n); k++ {
					if parse {
						msgs = append(msgs, service.NewMessage(stream.Texts[k%len(stream.Texts)]))
						continue
					}
					m := service.NewMessage(nil)
					m.SetStructured(stream.Maps[k%len(stream.Maps)])
					msgs = append(msgs, m)
				}
				check(produce(ctx, msgs))
			}
		})
	}
	wg.Wait()
	check(s.Stop(ctx))
	<-ended
}

// number reads what decoders make of a JSON number.
func number(v any) (float64, bool) {
	switch x := v.(type) {
	case float64:
		return x, true
	case interface{ Float64() (float64, error) }:
		f, err := x.Float64()
		return f, err == nil
	}
	return 0, false
}

func main() {
	stream.Main(stream.Peer{Name: "benthos, plugins, batches of 256, 4 producers", Run: run})
}
