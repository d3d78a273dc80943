package fabric

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/internal/store"
	"github.com/atoll-platform/atoll/policy"
	"github.com/atoll-platform/atoll/runtime/workload"
)

// MaxLinks bounds the links of one source.
const MaxLinks = 50

// checkLinks returns the links of n with their names, and what is wrong with
// them. Targets that the caller may not read are not there for him.
func (s *Service) checkLinks(ctx context.Context, r store.Reader, n *NewApplication) ([]NewLink, []atoll.Finding) {
	if len(n.Links) > MaxLinks {
		return nil, []atoll.Finding{{Path: "links", Code: "size", Msg: fmt.Sprintf("an application has at most %d links", MaxLinks)}}
	}
	out := slices.Clone(n.Links)
	var fs []atoll.Finding
	seen := map[string]bool{}
	for i := range out {
		l, at := &out[i], fmt.Sprintf("links/%d", i)
		l.Target = idOf(l.Target)
		w, ok := living(r, l.Target, n.Tenant)
		if ok {
			ok = s.guard.Allowed(ctx, policy.Do(policy.Read, w.Address()))
		}
		if !ok {
			fs = append(fs, noTarget(at, l.Target))
			continue
		}
		if l.Name == "" {
			l.Name = w.Address().Local
		} else if !isLinkName(l.Name) {
			fs = append(fs, atoll.Finding{Path: at, Code: "form",
				Msg: fmt.Sprintf("the name %.100q of a link is letters, digits, \"_\" and \"-\", at most 63, and begins with a letter or a digit", l.Name)})
			continue
		}
		if seen[l.Name] {
			fs = append(fs, atoll.Finding{Path: at, Code: "duplicate", Msg: fmt.Sprintf("there are two links named %s", l.Name)})
		}
		seen[l.Name] = true
	}
	return out, fs
}

// living returns a workload of a tenant that can be linked to.
func living(r store.Reader, id, tenant string) (*workload.Workload, bool) {
	w, ok := workload.Table().Get(r, id)
	if !ok || w.Deleted != nil || w.Tenant != tenant || w.Spec.Behave.Runs != (workload.RunLimit{}) {
		return nil, false
	}
	return w, true
}

func noTarget(path, id string) atoll.Finding {
	return atoll.Finding{Path: path, Code: "unknown", Msg: fmt.Sprintf("there is no application %.64q to link to", id)}
}

// isLinkName reports whether s is a name that a link may be given.
func isLinkName(s string) bool {
	if s == "" || len(s) > 63 || !alnum(s[0]) {
		return false
	}
	for i := range len(s) {
		if c := s[i]; !alnum(c) && c != '_' && c != '-' {
			return false
		}
	}
	return true
}

// link makes the links of a new workload. What was checked before may have
// changed meanwhile.
func (s *Service) link(ctx context.Context, tx *store.Tx, w *workload.Workload, wanted []NewLink) error {
	source := w.Address()
	for i, l := range wanted {
		target, ok := living(tx, l.Target, w.Tenant)
		if !ok || target.ID == w.ID {
			return &atoll.Error{Kind: atoll.Invalid, Msg: "the links are not valid", Findings: []atoll.Finding{noTarget(fmt.Sprintf("links/%d", i), l.Target)}}
		}
		if i == 0 {
			if err := s.permits(ctx, source, policy.Read, policy.Update, policy.Link); err != nil {
				return err
			}
		}
		if err := s.permits(ctx, target.Address(), policy.Read, policy.Link); err != nil {
			return err
		}
		if err := links.Insert(tx, &Link{Source: w.ID, Target: target.ID, Name: l.Name, Order: i}); err != nil {
			return err
		}
		tx.Note("job.link", source.String(), map[string]any{"target": target.FQN, "name": l.Name})
	}
	return nil
}

func (s *Service) permits(ctx context.Context, on policy.FQN, actions ...policy.Action) error {
	for _, a := range actions {
		if err := s.guard.Check(ctx, policy.Do(a, on)); err != nil {
			return err
		}
	}
	return nil
}

// LinksFrom returns the links that a workload has made, in their order. They are
// constants.
func (s *Service) LinksFrom(sn *workload.Snapshot) []*Link {
	return slices.Collect(linksBySource.All(s.st.View(), store.KeyOf(sn.Workload.ID)))
}

// LinksTo returns the links that others have made to a workload, the oldest
// source first. They are constants.
func (s *Service) LinksTo(sn *workload.Snapshot) []*Link {
	r := s.st.View()
	out := slices.Collect(linksByTarget.All(r, store.KeyOf(sn.Workload.ID)))
	seq := func(l *Link) uint64 {
		if w, ok := workload.Table().Get(r, l.Source); ok {
			return w.Seq
		}
		return 0
	}
	slices.SortStableFunc(out, func(a, b *Link) int {
		return cmp.Or(cmp.Compare(seq(a), seq(b)), cmp.Compare(a.Order, b.Order))
	})
	return out
}

// dropLinks drops the links from and to a workload.
func dropLinks(tx *store.Tx, id string) error {
	gone := slices.Collect(linksBySource.All(tx, store.KeyOf(id)))
	gone = append(gone, slices.Collect(linksByTarget.All(tx, store.KeyOf(id)))...)
	for _, l := range gone {
		if _, err := links.Delete(tx, linkKey(l)); err != nil {
			return err
		}
	}
	return nil
}
