package platform

import (
	"context"
	"io"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/policy"
)

// Snapshot writes everything that is stored to w, as of one commit: a stream
// of typed, versioned records that Restore reads. It is secret material: it
// holds hashes of passwords and keys. Writers are not held up. Denied, Failed
// if w fails.
func (p *Platform) Snapshot(ctx context.Context, w io.Writer) error {
	const op = "platform.Snapshot"
	if err := p.guard.Check(ctx, policy.Do(policy.Update, clusterFQN)); err != nil {
		return atoll.Wrap(op, err)
	}
	return atoll.Wrap(op, p.st.Snapshot(w))
}

// Restore replaces everything that is stored by what Snapshot wrote, or
// changes nothing. On a started platform runtimes then follow the restored
// rows: those that were running start again if the setting
// coral.start-runtimes-in-table says so, and are stopped otherwise; one whose
// definition cannot be brought to life becomes invalid. Denied, Invalid for a
// stream that is damaged, cut short or of a later version.
func (p *Platform) Restore(ctx context.Context, r io.Reader) error {
	const op = "platform.Restore"
	if err := p.guard.Check(ctx, policy.Do(policy.Update, clusterFQN)); err != nil {
		return atoll.Wrap(op, err)
	}
	p.life.Lock()
	defer p.life.Unlock()
	if err := p.st.Restore(r); err != nil {
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
	return atoll.Wrap(op, p.runtimes.Reconcile(ctx))
}
