package coral

import (
	"bytes"
	"context"
	"errors"
	"slices"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/actor"
)

const (
	linesType = "application/x-ndjson"
	maxLines  = 8 << 20 // bytes of a body of lines
	lineBatch = 1024    // events that are posted at a time
	maxTold   = 20      // refused lines that are told one by one
)

// events is a body that is read as one event, or as one event a line.
type events struct {
	event
	lines []byte // of the type for lines
	many  bool
}

// DecodeTyped keeps the lines; each is read when its turn comes.
func (b *events) DecodeTyped(_ string, body []byte) error {
	b.lines, b.many = body, true
	return nil
}

type postIn struct {
	onActor
	Events events `body:"raw"`
}

// posted is what posting answers; the counts are those of lines.
type posted struct {
	Action   string        `json:"action"`
	Success  bool          `json:"success" doc:"whether every line was accepted"`
	Accepted *int          `json:"accepted,omitempty" doc:"lines"`
	Refused  *int          `json:"refused,omitempty" doc:"lines"`
	Errors   []refusedLine `json:"errors,omitempty" doc:"the first 20 refused lines"`
}

type refusedLine struct {
	Line   int    `json:"line" doc:"from 1; empty lines count"`
	Reason string `json:"reason"`
}

func (a *api) post(ctx context.Context, in postIn) (posted, error) {
	if !in.Events.many {
		return posted{Action: "Post event", Success: true}, a.p.Runtimes().TryPost(ctx, in.Runtime, in.Actor, in.Events.e)
	}
	b := batch{rest: in.Events.lines, most: int(a.p.Settings().MaxBody()), post: func(es []*actor.Event) (int, error) {
		return a.p.Runtimes().TryPostBatch(ctx, in.Runtime, in.Actor, es)
	}}
	if err := b.run(); err != nil {
		return posted{}, err
	}
	slices.SortFunc(b.errors, func(x, y refusedLine) int { return x.Line - y.Line })
	return posted{Action: "Post event", Success: b.refused == 0, Accepted: &b.accepted, Refused: &b.refused, Errors: b.errors}, nil
}

// batch posts the lines of a body.
type batch struct {
	rest              []byte
	most              int // bytes of a line: what a body of one event may have
	post              func([]*actor.Event) (int, error)
	line              int // the last one read
	accepted, refused int
	errors            []refusedLine
}

// run posts all lines. It fails if nothing was accepted for another reason than
// the lines themselves. What comes after a line that is not taken is refused
// without a look.
func (b *batch) run() error {
	es, at := make([]*actor.Event, 0, min(lineBatch, bytes.Count(b.rest, []byte{'\n'})+1)), []int(nil)
	for {
		es, at = es[:0], at[:0]
		for len(es) < lineBatch && len(b.rest) > 0 {
			text := b.next()
			if len(text) == 0 {
				continue
			}
			var e *actor.Event
			err := errLongLine
			if len(text) <= b.most {
				e, err = actor.Parse(text)
			}
			if err != nil {
				b.refuse(b.line, err)
				continue
			}
			es, at = append(es, e), append(at, b.line)
		}
		n, err := b.post(es) // also of no events: who may not post hears of it
		b.accepted += n
		if err != nil {
			if b.accepted == 0 {
				return err
			}
			for _, line := range at[n:] {
				b.refuse(line, err)
			}
			for len(b.rest) > 0 {
				if len(b.next()) > 0 {
					b.refuse(b.line, err)
				}
			}
			return nil
		}
		if len(b.rest) == 0 {
			return nil
		}
	}
}

// next returns the next line without the space around it.
func (b *batch) next() []byte {
	b.line++
	line, rest, _ := bytes.Cut(b.rest, []byte{'\n'})
	b.rest = rest
	return bytes.Trim(line, " \t\r")
}

var errLongLine error = &atoll.Error{Kind: atoll.TooLarge, Msg: "the line is larger than the limit of an event"}

func (b *batch) refuse(line int, err error) {
	b.refused++
	if len(b.errors) == maxTold {
		return
	}
	reason := "The line is not an event."
	if e, ok := errors.AsType[*atoll.Error](err); ok {
		switch {
		case e.Kind == atoll.Internal:
		case len(e.Findings) > 0:
			reason = sentence(e.Findings[0].Msg)
		case e.Msg != "":
			reason = sentence(e.Msg)
		}
	}
	b.errors = append(b.errors, refusedLine{Line: line, Reason: reason})
}
