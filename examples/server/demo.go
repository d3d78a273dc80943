package main

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/examples/flights/flightdata"
	"github.com/atoll-platform/atoll/platform"
	"github.com/atoll-platform/atoll/runtime"
)

// recordsFile is where the flight records are put for the source to read.
const recordsFile = "flights-5k.ndjson"

// flights groups flight records by origin for statistics of their delays, and
// logs the long delays. Records come from a file, and from whoever posts
// events to "in".
func flights() *runtime.Definition {
	return &runtime.Definition{
		Name: "flights",
		Actors: []runtime.ActorDef{
			{Name: "records", Type: "file", Params: runtime.Params(map[string]any{"file": recordsFile})},
			{Name: "in", Type: "httpbroadcast"},
			{Name: "delays", Type: "stats", Params: runtime.Params(map[string]any{"field": "delay"}), Group: runtime.By("origin")},
			{Name: "late", Type: "threshold", Params: runtime.Params(map[string]any{"key": "delay", "threshold": 180})},
			{Name: "log", Type: "log", Params: runtime.Params(map[string]any{"file": "late-flights.ndjson"})},
		},
		Links: runtime.Links("records -> delays", "records -> late", "in -> delays", "in -> late", "late -> log"),
	}
}

// demo makes the runtime of the demonstration and starts it, unless it is there.
func demo(ctx context.Context, p *platform.Platform, dir string) error {
	file := filepath.Join(dir, recordsFile)
	if _, err := os.Stat(file); errors.Is(err, fs.ErrNotExist) {
		if err := os.WriteFile(file, flightdata.Records, 0o644); err != nil {
			return err
		}
	}
	if _, err := p.Runtimes().Get(ctx, "coral-flights"); !errors.Is(err, atoll.NotFound) {
		return err
	}
	if _, err := p.Runtimes().Create(ctx, flights()); err != nil {
		return err
	}
	_, err := p.Runtimes().Start(ctx, "coral-flights")
	return err
}
