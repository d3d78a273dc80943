package builtin

import (
	"context"
	"log/slog"
	"os"
	"sync"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/actor"
)

var logType = actor.Type{
	Name:    "log",
	Doc:     "Writes each event as a line of a file or to the platform's log.",
	Compile: compiler(buildLog),
}

type logParams struct {
	File   *string `json:"file"`
	Append bool    `json:"append"`
}

func buildLog(p *logParams, in actor.Params, f *findings) actor.Maker {
	if p.File == nil {
		return func(env *actor.Env) (actor.Actor, error) { return platformLog{env.Log}, nil }
	}
	f.localFile("/file", *p.File, in.Env)
	shared := &logFile{name: *p.File, keep: p.Append}
	return func(env *actor.Env) (actor.Actor, error) {
		if err := shared.open(env); err != nil {
			return nil, err
		}
		return &fileLog{file: shared}, nil
	}
}

// platformLog writes to the platform's log, level info.
type platformLog struct{ log *slog.Logger }

func (platformLog) Parallel() int { return 1 }

func (l platformLog) Trigger(_ actor.Context, e *actor.Event) (*actor.Event, error) {
	return l.Perform(context.Background(), e)
}

func (l platformLog) Perform(ctx context.Context, e *actor.Event) (*actor.Event, error) {
	l.log.LogAttrs(ctx, slog.LevelInfo, "event", slog.String("event", e.String()))
	return nil, nil
}

// logFile is the file of one definition. The group children and copies of an
// actor write into it together: the first of them truncates it, the last one
// that is closed closes it.
type logFile struct {
	name string
	keep bool // append to what is there

	mu    sync.Mutex
	users int
	file  *os.File
	line  []byte
}

func (l *logFile) open(env *actor.Env) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.users == 0 {
		if env.Files == nil {
			return failed("log", "file %s: this platform gives actors no directory", l.name)
		}
		f, err := openRegular(env.Files, "log", l.name, os.O_WRONLY|os.O_CREATE|os.O_APPEND)
		if err != nil {
			return err
		}
		// Only now is it known to be a file that may be emptied.
		if !l.keep {
			if err := f.Truncate(0); err != nil {
				f.Close()
				return openError("log", l.name, err)
			}
		}
		l.file = f
	}
	l.users++
	return nil
}

func (l *logFile) write(e *actor.Event) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.line = append(e.AppendJSON(l.line[:0]), '\n')
	// One write for each line: whole lines, in order, and nothing left to flush.
	_, err := l.file.Write(l.line)
	if cap(l.line) > 1<<16 {
		l.line = nil
	}
	if err != nil {
		return &atoll.Error{Kind: atoll.Failed, Op: "log", Msg: "file " + l.name + " cannot be written", Err: err}
	}
	return nil
}

func (l *logFile) close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.users--; l.users > 0 {
		return nil
	}
	f := l.file
	l.file, l.line = nil, nil
	if err := f.Close(); err != nil {
		return &atoll.Error{Kind: atoll.Failed, Op: "log", Msg: "file " + l.name + " cannot be closed", Err: err}
	}
	return nil
}

// fileLog writes to a file.
type fileLog struct {
	file   *logFile
	closed bool
}

func (*fileLog) Parallel() int { return 1 }

func (l *fileLog) Trigger(_ actor.Context, e *actor.Event) (*actor.Event, error) {
	return l.Perform(context.Background(), e)
}

func (l *fileLog) Perform(_ context.Context, e *actor.Event) (*actor.Event, error) {
	return nil, l.file.write(e)
}

// Close closes the file unless others still write into it.
func (l *fileLog) Close() error {
	if l.closed {
		return nil
	}
	l.closed = true
	return l.file.close()
}
