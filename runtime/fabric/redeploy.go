package fabric

import (
	"context"
	"slices"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/runtime/workload"
	"github.com/atoll-platform/atoll/runtime/workload/driver"
)

// Redeploy replaces every instance of a workload, with the image resolved anew;
// with tag, which may be nil, it is another image from then on. What was asked for at
// creation is kept, the rest is what the image says now. Kinds: Invalid for a tag
// without an image, on the path tag, and for an image that is gone, on the path
// image; else as workload.Redeploy.
func (s *Service) Redeploy(ctx context.Context, id string, tag *string, conds ...workload.Cond) (*workload.Snapshot, error) {
	const op = "fabric.Redeploy"
	ws, err := s.bound(op)
	if err != nil {
		return nil, err
	}
	sn, err := ws.Redeploy(ctx, id, s.anew(tag, func() string { return id }), conds...)
	return sn, atoll.Wrap(op, err)
}

// RedeployInstance is Redeploy for one instance. It returns the id of the
// successor too.
func (s *Service) RedeployInstance(ctx context.Context, instance string, tag *string, conds ...workload.Cond) (*workload.Snapshot, string, error) {
	const op = "fabric.RedeployInstance"
	ws, err := s.bound(op)
	if err != nil {
		return nil, "", err
	}
	of := ""
	first := func(sn *workload.Snapshot) error {
		of = sn.Workload.ID
		return nil
	}
	sn, next, err := ws.RedeployInstance(ctx, instance, s.anew(tag, func() string { return of }), append([]workload.Cond{first}, conds...)...)
	return sn, next, atoll.Wrap(op, err)
}

// anew returns the change of a spec that takes its image anew. A workload that
// was not made from an image stays as it is.
func (s *Service) anew(tag *string, of func() string) func(*workload.Spec) error {
	return func(spec *workload.Spec) error {
		a, known := applications.Get(s.st.View(), of()) // the parts that are read never change
		ref, reason := parseReference(spec.Image)
		if !known || !a.FromImage || reason != "" {
			if tag == nil {
				return nil
			}
			return gone("tag", "the workload was not made from an image, so it has no tag")
		}
		path := "image"
		if tag != nil {
			var err error
			if ref, err = ref.WithTag(*tag); err != nil {
				return err
			}
			path = "tag"
		}
		m, ok := s.images.Resolve(ref)
		if !ok {
			return gone(path, unknownImage(path, ref).Msg)
		}
		q := &wanted{image: ref, entrypoint: a.Entrypoint, command: a.Command}
		if a.Ports {
			q.ports = append([]driver.Port{}, spec.Ports...) // none is not the image's
		}
		procs := spec.Procs
		own, ok := procs[MainProcess]
		changed := !ok || !slices.Equal(own.Argv, slices.Concat(splitOrNone(own.Entrypoint), splitOrNone(own.Command)))
		if fs := m.fill(spec, q); fs != nil {
			return &atoll.Error{Kind: atoll.Invalid, Msg: "the image does not fit the application", Findings: fs}
		}
		if changed { // somebody gave the workload other commands since
			spec.Procs = procs
		}
		return nil
	}
}

func gone(path, msg string) error {
	return &atoll.Error{Kind: atoll.Invalid, Msg: msg, Findings: []atoll.Finding{{Path: path, Code: "unknown", Msg: msg}}}
}

func splitOrNone(line string) []string {
	words, _ := driver.SplitWords(line)
	return words
}
