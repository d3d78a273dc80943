package tenancy

import (
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/atoll-platform/atoll/internal/store"
	"github.com/atoll-platform/atoll/policy"
)

// Credential is the password of one subject, hashed.
type Credential struct {
	store.Meta              // the ID is the subject: "user:<uuid>" or "enduser:<uuid>"
	Algo       string       // argon2id
	Salt       store.Sealed // base64, as the hash
	Hash       store.Sealed
	Params     HashCost
	Set        uint64 // index of the change that set it
}

// String names the subject alone.
func (c *Credential) String() string { return "credential of " + c.ID }

// LogValue names the subject alone.
func (c *Credential) LogValue() slog.Value { return slog.StringValue(c.String()) }

var credentials = store.NewTable(store.Spec[Credential]{
	Name: "credentials", Schema: 1,
	Key: func(c *Credential) string { return c.ID },
	Public: func(c *Credential) any {
		return map[string]any{"Subject": c.ID, "Algo": c.Algo, "Set": c.Set}
	},
})

// userSubject names an account as the owner of a credential.
func userSubject(id string) string { return "user:" + id }

// Activity is when an account last proved who it is by its password. It is
// kept apart from the account, which does not change by a login.
type Activity struct {
	UserID    string
	LastLogin time.Time
}

var activity = store.NewTable(store.Spec[Activity]{
	Name: "activity", Schema: 1,
	Key: func(a *Activity) string { return a.UserID },
})

// KeyFlags are the powers of a tenant's key beyond its tenant.
type KeyFlags uint8

// The flags of tenant keys.
const (
	IgnoreACL KeyFlags = 1 << iota
	UserCreate
	GroupCreate
	AnonymousRead
)

var keyFlags = [...]string{"ignore_acl", "user_create", "group_create", "anonymous_read"}

// Names lists the flags that are set, in order.
func (f KeyFlags) Names() []string {
	var names []string
	for i, n := range keyFlags {
		if f&(1<<i) != 0 {
			names = append(names, n)
		}
	}
	return names
}

// APIKey is one key. Its text is not in the row: only a hash of it is.
type APIKey struct {
	store.Meta
	Kind        KeyKind
	UserID      string       // AccountKey, WorkloadKey (the owner), SessionKey of a user
	TenantID    string       // TenantKey, EndUserKey
	EndUserID   string       // EndUserKey
	Subject     string       // WorkloadKey: application/<uuid> or a job's FQN; SessionKey of an external principal: its name
	Seq         int32        // number within the account or the tenant; 0 for sessions and workloads
	Gen         uint32       // counts resets
	Hash        store.Sealed // SHA-256 of the lower-case text, in hex
	Description string
	Primary     bool // AccountKey: the one that stands for the account
	Flags       KeyFlags
	Scopes      []string // nil is no restriction
	Claims      []policy.Claim
	ExpiresAt   time.Time // zero is never
}

func (k *APIKey) expired(now time.Time) bool {
	return !k.ExpiresAt.IsZero() && !now.Before(k.ExpiresAt)
}

func (k *APIKey) clone() *APIKey {
	c := *k
	c.Scopes, c.Claims = slices.Clone(k.Scopes), slices.Clone(k.Claims)
	c.Hash = ""
	return &c
}

// fqn is the address of the key: below its account or its tenant.
func (k *APIKey) fqn(r store.Reader) policy.FQN {
	local := k.ID
	if k.Seq > 0 {
		local = fmt.Sprint(k.Seq)
	}
	ns := accountsNamespace
	if k.TenantID != "" {
		if t, ok := tenants.Get(r, k.TenantID); ok {
			ns = t.namespace()
		}
	} else if u, ok := users.Get(r, k.UserID); ok {
		ns += "/" + u.Name
	}
	return policy.FQN{Type: "apikey", Namespace: ns, Local: local}
}

// KeyInfo is what audit and change stream may show of a key.
type KeyInfo struct {
	Kind        KeyKind
	UserID      string    `json:",omitempty"`
	TenantID    string    `json:",omitempty"`
	EndUserID   string    `json:",omitempty"`
	Subject     string    `json:",omitempty"`
	Seq         int32     `json:",omitempty"`
	Gen         uint32    `json:",omitempty"`
	Description string    `json:",omitempty"`
	Primary     bool      `json:",omitempty"`
	Flags       []string  `json:",omitempty"`
	Scopes      []string  `json:",omitempty"`
	ExpiresAt   time.Time `json:",omitzero"`
}

var apikeys = store.NewTable(store.Spec[APIKey]{
	Name: "apikeys", Schema: 1,
	Key: func(k *APIKey) string { return k.ID },
	FQN: func(r store.Reader, k *APIKey) string { return k.fqn(r).String() },
	Public: func(k *APIKey) any {
		return KeyInfo{Kind: k.Kind, UserID: k.UserID, TenantID: k.TenantID, EndUserID: k.EndUserID, Subject: k.Subject,
			Seq: k.Seq, Gen: k.Gen, Description: k.Description, Primary: k.Primary, Flags: k.Flags.Names(),
			Scopes: k.Scopes, ExpiresAt: k.ExpiresAt}
	},
})

var (
	keyByHash   = store.Unique(apikeys, "hash", func(k *APIKey) (store.Key, bool) { return store.KeyOf(string(k.Hash)), true })
	keyByTenant = store.Unique(apikeys, "tenant", func(k *APIKey) (store.Key, bool) {
		return store.KeyOf(k.TenantID, int64(k.Seq)), k.TenantID != "" && k.Seq > 0
	})
	keyBySeq = store.Unique(apikeys, "account", func(k *APIKey) (store.Key, bool) {
		return store.KeyOf(k.UserID, int64(k.Seq)), k.UserID != "" && k.Seq > 0
	})
	primaryKey = store.Unique(apikeys, "primary", func(k *APIKey) (store.Key, bool) {
		return store.KeyOf(k.UserID), k.Primary
	})
	keyByEndUser = store.Unique(apikeys, "enduser", func(k *APIKey) (store.Key, bool) {
		return store.KeyOf(k.EndUserID), k.EndUserID != ""
	})
	keysByUser = store.Index(apikeys, "user", func(k *APIKey) (store.Key, bool) {
		return store.KeyOf(k.UserID, uint64(k.Kind), int64(k.Seq)), k.UserID != ""
	})
	keysBySubject = store.Index(apikeys, "subject", func(k *APIKey) (store.Key, bool) {
		return store.KeyOf(k.Subject), k.Subject != ""
	})
	keysByExpiry = store.Index(apikeys, "expiry", func(k *APIKey) (store.Key, bool) {
		return store.KeyOf(k.ExpiresAt), !k.ExpiresAt.IsZero()
	})
)
