package platform

import (
	"fmt"
	"strings"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/internal/store"
	"github.com/atoll-platform/atoll/runtime/fabric"
	"github.com/atoll-platform/atoll/runtime/workload"
	"github.com/atoll-platform/atoll/tenancy"
)

// newFabric makes what connects workloads. Registered functions are images by
// their names; programs are images only where the embedding program says so.
func (p *Platform) newFabric() {
	p.images = fabric.NewImages()
	p.images.Ask(p.functions)
	opts := []fabric.Option{fabric.WithImages(p.images), fabric.WithTokens(tokens{p.tenancy.Keys()}),
		fabric.WithPublicURL(p.o.publicURL), fabric.WithAdvertised(p.o.advertise)}
	if p.o.domain != "" {
		opts = append(opts, fabric.WithBaseDomain(p.o.domain, ownerLabel))
	}
	p.fabric = fabric.New(p.st, p.guard, opts...)
}

// tokens lets instances act for the owner of their workload.
type tokens struct{ keys *tenancy.Keys }

// Issue makes the key of a workload in the namespace of an account.
func (t tokens) Issue(tx *store.Tx, w *workload.Workload) (authorization string, err error) {
	u, ok := ownerOf(tx, w)
	if !ok {
		return "", atoll.Errorf(atoll.Reference, "platform.Issue", "%s is in the namespace of no account: nobody can be acted for", w.FQN)
	}
	key, err := t.keys.IssueWorkload(tx, u.ID, fabric.Subject(w.ID))
	if err != nil {
		return "", err
	}
	return "ApiKey " + u.Name + ":" + key.Reveal(), nil
}

// Revoke ends the keys of a workload.
func (t tokens) Revoke(tx *store.Tx, w *workload.Workload) error {
	return t.keys.DropWorkload(tx, fabric.Subject(w.ID))
}

// ownerOf returns the account in whose namespace a workload lies.
func ownerOf(r store.Reader, w *workload.Workload) (*tenancy.User, bool) {
	name, ok := strings.CutPrefix(w.Address().Namespace, tutumRoot)
	if !ok {
		return nil, false
	}
	return tenancy.UserByName(r, name)
}

// maxLabel is the length of the longest label of a host name.
const maxLabel = 63

// ownerLabel is the owner of a workload in a host name: its name in lower case,
// other characters as "-", and its number behind it if that changed anything, so
// that no two owners share a label.
func ownerLabel(r store.Reader, w *workload.Workload) string {
	u, ok := ownerOf(r, w)
	if !ok {
		return ""
	}
	label := strings.Map(func(c rune) rune {
		switch {
		case c >= 'A' && c <= 'Z':
			return c + ('a' - 'A')
		case c >= 'a' && c <= 'z', c >= '0' && c <= '9', c == '-':
			return c
		}
		return '-'
	}, u.Name)
	number := ""
	if label != u.Name || strings.HasPrefix(label, "-") || strings.HasSuffix(label, "-") {
		number = fmt.Sprintf("-%d", u.Seq)
	}
	return strings.Trim(label[:min(len(label), maxLabel-len(number))], "-") + number
}

// Images returns the images that workloads are made from. Register makes others
// known at any time; each registered function is one by its name.
func (p *Platform) Images() *fabric.Images { return p.images }

// Fabric returns what connects workloads: applications made from images, their
// links and variables.
func (p *Platform) Fabric() *fabric.Service { return p.fabric }
