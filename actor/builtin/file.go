package builtin

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"math"
	"os"
	"path"
	"strings"
	"sync"
	"time"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/actor"
)

// A file is read in batches while no rate holds it back.
const (
	fileBatch      = 256
	fileBatchBytes = 1 << 20
	// fileGrace is how long a stopped file waits for its batch to be taken, so
	// that its position is exact.
	fileGrace = time.Second
)

var fileType = actor.Type{
	Name:     "file",
	Doc:      "Emits the records of a file: JSON lines, a JSON array, or CSV.",
	Compile:  compiler(buildFile),
	Source:   true,
	Stateful: true,
}

type fileParams struct {
	File   string      `json:"file" param:"required"`
	Format *string     `json:"format"`
	Rate   *float64    `json:"rate"`
	Repeat actor.Value `json:"repeat"`
}

func buildFile(p *fileParams, in actor.Params, f *findings) actor.Maker {
	f.localFile("/file", p.File, in.Env)
	format := fileFormat(p.File)
	switch {
	case p.Format != nil:
		f.oneOf("/format", *p.Format, "ndjson", "json", "csv")
		format = *p.Format
	case format == "" && f.clean("/file", "/format"):
		f.add("/format", "required", `"format" is required: the file's extension does not tell it`)
	}
	rate := 0.0
	if p.Rate != nil {
		if rate = *p.Rate; f.clean("/rate") && rate <= 0 {
			f.add("/rate", "range", `"rate" must be greater than 0`)
		}
	}
	rounds := f.rounds("/repeat", p.Repeat)
	return func(env *actor.Env) (actor.Actor, error) {
		if env.Files == nil {
			return nil, failed("file", "file %s: this platform gives actors no directory", p.File)
		}
		r := &fileReader{root: env.Files, name: p.File, format: format, rate: rate, rounds: rounds}
		file, err := r.open()
		if err != nil {
			return nil, err
		}
		file.Close() // it is there; each run opens it again
		return r, nil
	}
}

// rounds is how often a file is read: a number, true for ever, once by default.
func (f *findings) rounds(path string, repeat actor.Value) int64 {
	if repeat.IsMissing() {
		return 1
	}
	if always, ok := repeat.Bool(); ok {
		if always {
			return math.MaxInt64
		}
		return 1
	}
	n, ok := repeat.Int()
	if !ok || n < 1 {
		f.add(path, "range", "%q must be true, false or a number of times from 1 up", name(path))
	}
	return n
}

// fileFormat is the format that an extension stands for.
func fileFormat(file string) string {
	switch strings.ToLower(path.Ext(file)) {
	case ".ndjson", ".jsonl":
		return "ndjson"
	case ".json":
		return "json"
	case ".csv":
		return "csv"
	}
	return ""
}

type fileReader struct {
	root   *os.Root
	name   string
	format string
	rate   float64 // 0 is as fast as events are taken
	rounds int64

	mu sync.Mutex // Run moves the place that State and SaveState read
	at place
}

// place is how far a file has been read. It moves when events have been taken.
type place struct {
	Offset  int64 `json:"offset"`  // bytes of this round
	Line    int64 `json:"line"`    // lines of this round
	Round   int64 `json:"round"`   // complete readings
	Began   int64 `json:"began"`   // count when this round began
	Closed  bool  `json:"closed"`  // the array of this round is at its end
	Count   int64 `json:"count"`   // events, in all rounds
	Skipped int64 `json:"skipped"` // bad records, in all rounds
	Done    bool  `json:"done"`
}

// Trigger ignores events.
func (r *fileReader) Trigger(actor.Context, *actor.Event) (*actor.Event, error) { return nil, nil }

// Run reads on from the place where the last run ended.
func (r *fileReader) Run(ctx context.Context, out actor.Outlet) error {
	at := r.place()
	d := &delivery{reader: r, out: out}
	if r.rate > 0 {
		d.pace = pace{r.rate}.begin()
	}
	for !at.Done {
		if err := r.round(ctx, &at, d); err != nil {
			return stopped(ctx, err)
		}
		at.Round++
		// A file without a single event would be read over and over for nothing.
		at.Done = at.Round >= r.rounds || at.Count == at.Began
		if !at.Done {
			at.Offset, at.Line, at.Closed, at.Began = 0, 0, false, at.Count
		}
		r.move(at)
	}
	return nil
}

// round reads the file from its place to the end.
func (r *fileReader) round(ctx context.Context, at *place, d *delivery) error {
	file, err := r.open()
	if err != nil {
		return err
	}
	defer file.Close()
	recs, in, err := r.records(file, at)
	if err == io.EOF {
		return nil
	}
	if err != nil {
		return r.readError(err)
	}
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		e, err := recs.next()
		at.Offset, at.Line = in.offset, in.line
		if a, ok := recs.(*arrayRecords); ok {
			at.Closed = a.closed
		}
		switch {
		case err == nil:
			at.Count++
			err = d.take(ctx, e, *at)
		case err == io.EOF:
			return d.flush(ctx, *at)
		case errors.Is(err, errBadRecord):
			at.Skipped++
			continue
		default:
			err = r.readError(err)
		}
		if err != nil {
			return err
		}
	}
}

func (r *fileReader) open() (*os.File, error) {
	return openRegular(r.root, "file", r.name, os.O_RDONLY)
}

// records reads the file from a place in it.
func (r *fileReader) records(file io.ReadSeeker, at *place) (records, *input, error) {
	in := newInput(file, 0, 0)
	in.skipMark()
	var header *csvRecords
	if r.format == "csv" {
		header = &csvRecords{rows: csvRows{in: in}}
		if err := header.readHeader(); err != nil {
			return nil, nil, err
		}
	}
	if at.Offset > in.offset {
		if _, err := file.Seek(at.Offset, io.SeekStart); err != nil {
			return nil, nil, err
		}
		in = newInput(file, at.Offset, at.Line)
	}
	switch r.format {
	case "csv":
		header.rows.in = in
		return header, in, nil
	case "json":
		return &arrayRecords{in: in, open: at.Count > at.Began, closed: at.Closed}, in, nil
	}
	return lineRecords{in}, in, nil
}

func (r *fileReader) readError(err error) error {
	msg := "it cannot be read"
	if _, system := errors.AsType[*os.PathError](err); !system {
		msg = err.Error()
	}
	return &atoll.Error{Kind: atoll.Failed, Op: "file", Msg: "file " + r.name + ": " + msg, Err: err}
}

func (r *fileReader) place() place {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.at
}

func (r *fileReader) move(at place) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.at = at
}

// delivery hands events over one at a time when they are paced, else in
// batches, and moves the reader's place when they have been taken.
type delivery struct {
	reader *fileReader
	out    actor.Outlet
	pace   *pacedRun
	batch  []*actor.Event
	ends   []place // of the records of the batch
	bytes  int
}

// take delivers e, whose record ends at the place, now or with its batch.
func (d *delivery) take(ctx context.Context, e *actor.Event, at place) error {
	if d.pace != nil {
		if !d.pace.wait(ctx) {
			return ctx.Err()
		}
		if err := d.out.Emit(ctx, e); err != nil {
			return err
		}
		d.reader.move(at)
		return nil
	}
	d.batch, d.ends = append(d.batch, e), append(d.ends, at)
	d.bytes += e.Size()
	if len(d.batch) < fileBatch && d.bytes < fileBatchBytes {
		return nil
	}
	return d.flush(ctx, at)
}

// flush delivers the batch, which ends at the place. When the file is stopped
// meanwhile, the next run goes on with what was not taken. Of an outlet that does
// not tell, the batch has a moment to be taken, and else the next run repeats it.
func (d *delivery) flush(ctx context.Context, at place) error {
	if t, ok := d.out.(actor.Taker); ok && len(d.batch) > 0 {
		n, err := t.TakeBatch(ctx, d.batch)
		if err != nil {
			if n > 0 {
				d.reader.move(d.ends[n-1])
			}
			return err
		}
		d.batch, d.ends, d.bytes = make([]*actor.Event, 0, fileBatch), d.ends[:0], 0
	} else if len(d.batch) > 0 {
		batch, cancel := context.WithCancel(context.WithoutCancel(ctx))
		defer cancel()
		stop := context.AfterFunc(ctx, func() { time.AfterFunc(fileGrace, cancel) })
		defer stop()
		if err := d.out.EmitBatch(batch, d.batch); err != nil {
			return err
		}
		d.batch, d.ends, d.bytes = make([]*actor.Event, 0, fileBatch), d.ends[:0], 0 // the outlet may have kept the other
	}
	d.reader.move(at)
	return nil
}

func (r *fileReader) StateNames() []string {
	return []string{"count", "line", "bytes", "skipped", "done"}
}

func (r *fileReader) State(name string) actor.Value {
	at := r.place()
	switch name {
	case "count":
		return actor.Int(at.Count)
	case "line":
		return actor.Int(at.Line)
	case "bytes":
		return actor.Int(at.Offset)
	case "skipped":
		return actor.Int(at.Skipped)
	case "done":
		return actor.Bool(at.Done)
	}
	return actor.Value{}
}

func (r *fileReader) SaveState() ([]byte, error) { return json.Marshal(r.place()) }

func (r *fileReader) RestoreState(data []byte) error {
	var at place
	if err := restore("file", data, &at); err != nil {
		return err
	}
	if min(at.Offset, at.Line, at.Round, at.Count, at.Skipped, at.Began, at.Count-at.Began) < 0 {
		return atoll.Errorf(atoll.Invalid, "file", "the saved place is not one in a file")
	}
	r.move(at)
	return nil
}
