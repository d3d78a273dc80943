package platform

import (
	"context"
	"fmt"
	"time"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/internal/store"
	"github.com/atoll-platform/atoll/runtime"
	"github.com/atoll-platform/atoll/tenancy"
)

// NewGrant is a permission to be made together with its user.
type NewGrant struct {
	Runtime string // id or owner-name of the runtime
	runtime.PermissionInput
}

// maxNewGrants is how many permissions may be made together with a user.
const maxNewGrants = 1000

// CreateUser makes an account with permissions on runtimes, all or nothing,
// and returns it with the ids of the permissions. It fails as
// tenancy.Users.Create does, and with Invalid for a permission that is not
// valid, its findings below permissions/<n>.
func (p *Platform) CreateUser(ctx context.Context, n tenancy.NewUser, grants []NewGrant) (*tenancy.User, []string, error) {
	if len(grants) == 0 {
		u, err := p.Users().Create(ctx, n)
		return u, nil, err
	}
	if len(grants) > maxNewGrants {
		return nil, nil, &atoll.Error{Kind: atoll.Invalid, Op: "platform.CreateUser", Msg: "too many permissions",
			Findings: []atoll.Finding{{Path: "permissions", Code: "max", Msg: fmt.Sprintf("permissions has at most %d entries", maxNewGrants)}}}
	}
	var ids []string
	n.Within = func(tx *store.Tx, u *tenancy.User) error {
		ids = nil
		var findings []atoll.Finding
		for i, g := range grants {
			in := g.PermissionInput
			in.User = u.ID
			made, err := p.runtimes.Grant(tx, g.Runtime, in)
			if err != nil {
				findings = append(findings, below(fmt.Sprintf("permissions/%d", i), err)...)
				continue
			}
			ids = append(ids, made.ID)
		}
		if len(findings) > 0 {
			return &atoll.Error{Kind: atoll.Invalid, Op: "platform.CreateUser", Msg: "a permission is not valid", Findings: findings}
		}
		return nil
	}
	u, err := p.Users().Create(ctx, n)
	return u, ids, err
}

// below puts the findings of err under path.
func below(path string, err error) []atoll.Finding {
	e, ok := err.(*atoll.Error)
	if !ok || len(e.Findings) == 0 {
		return []atoll.Finding{{Path: path, Code: "permission", Msg: err.Error()}}
	}
	fs := make([]atoll.Finding, len(e.Findings))
	for i, f := range e.Findings {
		if f.Path != "" {
			f.Path = path + "/" + f.Path
		} else {
			f.Path = path
		}
		fs[i] = f
	}
	return fs
}

// ProjectRuntimes returns the ids of the runtimes that belong to a project.
func (p *Platform) ProjectRuntimes(project string) []string {
	return runtime.OfProject(p.st.View(), project)
}

// AcceptsAll reports whether whoever gives no credentials is let in.
func (p *Platform) AcceptsAll() bool { return p.o.mode == tenancy.AcceptAll }

// Now is the platform's clock.
func (p *Platform) Now() time.Time { return p.o.now() }
