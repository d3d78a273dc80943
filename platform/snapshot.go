package platform

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/policy"
)

// SnapshotOption changes what Snapshot writes.
type SnapshotOption func(*snapshotOptions)

type snapshotOptions struct{ states bool }

// WithStates adds what the actors of the runtimes have come to, with the events
// that wait for them, so that a runtime goes on where it was. Each runtime
// pauses for a moment. What happens after its state was taken is not in the
// snapshot: stop the runtimes before, to carry them over with nothing lost or
// done twice. The default is rows alone: actors begin anew.
func WithStates() SnapshotOption { return func(o *snapshotOptions) { o.states = true } }

// Snapshot writes everything that is stored to w, as of one commit: a stream
// of typed, versioned records that Restore reads. It is secret material: it
// holds hashes of passwords and keys. Writers are not held up. Denied, Failed
// if w fails, or if an actor cannot save its state; Timeout if one does not come
// to rest.
func (p *Platform) Snapshot(ctx context.Context, w io.Writer, opts ...SnapshotOption) error {
	const op = "platform.Snapshot"
	if err := p.guard.Check(ctx, policy.Do(policy.Update, clusterFQN)); err != nil {
		return atoll.Wrap(op, err)
	}
	var o snapshotOptions
	for _, f := range opts {
		f(&o)
	}
	if o.states && p.Ready() {
		if err := p.writeStates(ctx, w); err != nil {
			return atoll.Wrap(op, err)
		}
	}
	return atoll.Wrap(op, p.st.Snapshot(w))
}

// statesHead is the first line of a stream with states. Lines with a state each
// follow, then an empty line, then the rows.
const statesHead = "atoll states 1\n"

type stateLine struct {
	ID    string          `json:"id"`
	State json.RawMessage `json:"state"`
}

func (p *Platform) writeStates(ctx context.Context, w io.Writer) error {
	failed := func(err error) error {
		if err != nil {
			err = atoll.Errorf(atoll.Failed, "platform.Snapshot", "the snapshot could not be written: %w", err)
		}
		return err
	}
	if _, err := io.WriteString(w, statesHead); err != nil {
		return failed(err)
	}
	err := p.runtimes.SnapshotStates(ctx, func(id string, data []byte) error {
		line, err := json.Marshal(stateLine{id, data})
		if err == nil {
			_, err = w.Write(append(line, '\n'))
		}
		return failed(err)
	})
	if err != nil {
		return err
	}
	_, err = io.WriteString(w, "\n")
	return failed(err)
}

// readStates returns the states that a stream begins with, by runtime.
func readStates(r *bufio.Reader) (map[string][]byte, error) {
	const op = "platform.Restore"
	head, err := r.Peek(len(statesHead))
	if err != nil || string(head) != statesHead {
		return nil, nil // rows alone, or what the store will refuse
	}
	if _, err := r.Discard(len(statesHead)); err != nil {
		return nil, err
	}
	states := map[string][]byte{}
	for {
		line, err := r.ReadBytes('\n')
		if err != nil {
			return nil, &atoll.Error{Kind: atoll.Invalid, Op: op, Msg: "the stream is cut short", Err: err}
		}
		if line = bytes.TrimSpace(line); len(line) == 0 {
			return states, nil
		}
		var s stateLine
		if err := json.Unmarshal(line, &s); err != nil || s.ID == "" {
			return nil, &atoll.Error{Kind: atoll.Invalid, Op: op, Msg: "the stream holds a state that cannot be read", Err: err}
		}
		states[s.ID] = s.State
	}
}

// Restore replaces everything that is stored by what Snapshot wrote, or
// changes nothing. On a started platform runtimes then follow the restored
// rows: those that were running start again if the setting
// coral.start-runtimes-in-table says so, and are stopped otherwise; one whose
// definition cannot be brought to life becomes invalid. Workloads that were
// running are started again as after a restart, once what ran before has been
// stopped; ctx bounds how long that may take. States that the stream has are
// given to the runtimes, on a platform that is not started when it is.
// Denied, Invalid for a stream that is damaged, cut short or of a later version.
func (p *Platform) Restore(ctx context.Context, r io.Reader) error {
	const op = "platform.Restore"
	if err := p.guard.Check(ctx, policy.Do(policy.Update, clusterFQN)); err != nil {
		return atoll.Wrap(op, err)
	}
	p.life.Lock()
	defer p.life.Unlock()
	in := bufio.NewReader(r)
	states, err := readStates(in)
	if err != nil {
		return atoll.Wrap(op, err)
	}
	replace := func() error { return p.runtimes.Carry(states, func() error { return p.st.Restore(in) }) }
	if err := p.workloads.Carry(ctx, replace); err != nil {
		return atoll.Wrap(op, err)
	}
	p.settings.reload()
	if p.state != live {
		return nil
	}
	if err := p.bootstrap(ctx); err != nil {
		return atoll.Wrap(op, err)
	}
	if err := p.registerHere(ctx); err != nil {
		return atoll.Wrap(op, err)
	}
	if p.o.workDir != "" {
		if err := dropDirs(p.o.workDir, p.known(ctx)); err != nil {
			return atoll.Wrap(op, err)
		}
	}
	return atoll.Wrap(op, p.runtimes.Reconcile(ctx))
}
