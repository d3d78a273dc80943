// Code generated from ../benthos/main.go by go generate; DO NOT EDIT.

// Command bento measures a pipeline on Atoll and on Bento in one run.
//
//	go run . [-rounds 11] [-n 50000] [-json]
package main

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	_ "github.com/warpstreamlabs/bento/public/components/pure" // the parts that every stream needs
	"github.com/warpstreamlabs/bento/public/service"

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

func run(n int, parse bool) float64 {
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
	out := func(from, to int) {
		msgs := make(service.MessageBatch, 0, to-from)
		for k := from; k < to; k++ {
			if parse {
				msgs = append(msgs, service.NewMessage(stream.Texts[k%len(stream.Texts)]))
				continue
			}
			m := service.NewMessage(nil)
			m.SetStructured(stream.Maps[k%len(stream.Maps)])
			msgs = append(msgs, m)
		}
		check(produce(ctx, msgs)) // returns when they are processed
	}
	out(0, 1) // the stream runs
	start := time.Now()
	stream.Produce(n, out)
	took := time.Since(start)
	check(s.Stop(ctx))
	<-ended
	return float64(took) / float64(n)
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
	stream.Main(stream.Peer{Name: "bento", Run: run})
}
