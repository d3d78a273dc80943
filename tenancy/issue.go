package tenancy

import (
	"context"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/internal/store"
	"github.com/atoll-platform/atoll/policy"
)

const (
	// maxSessions bounds the sessions of one subject; the oldest makes room.
	maxSessions = 100
	// sweepKeys bounds how many expired keys one issue clears away.
	sweepKeys = 64
	// MaxSession is the longest life of a session.
	MaxSession = 365 * 24 * time.Hour
)

// Session is a session to be issued.
type Session struct {
	UserID   string         // of an account, or
	Subject  string         // the name of a principal without one
	Claims   []policy.Claim // of any issuer that is not reserved
	Lifetime time.Duration
}

// IssueSession makes a session key and returns its text. A caller with an
// account gets one for that account, an external one for its name; the
// embedding program, and administrators, may name anybody. The restriction of
// the caller's key to scopes is the session's too.
//
// Denied; Invalid lists every fault; Reference: no such account.
func (k *Keys) IssueSession(ctx context.Context, n Session) (*APIKey, KeyText, error) {
	const op = "tenancy.Keys.IssueSession"
	if err := k.s.ask(ctx, policy.Issue, policy.FQN{Type: "auth", Namespace: "/oauth2/http"}); err != nil {
		return nil, KeyText{}, err
	}
	var scopes []string
	if p := policy.PrincipalFrom(ctx); p != nil {
		mine := p.Kind == policy.User && n.Subject == "" && n.UserID == p.UserID ||
			p.Kind == policy.External && n.UserID == "" && n.Subject == p.Name
		if !mine && !p.Admin {
			return nil, KeyText{}, atoll.Errorf(atoll.Denied, op, "%s may have no session issued for another", p.Name)
		}
		scopes = slices.Clone(p.Scopes)
	}
	var fs []atoll.Finding
	if (n.UserID == "") == (n.Subject == "") {
		fs = append(fs, atoll.Finding{Path: "userID", Code: "required", Msg: "a session is for an account or for a subject"})
	}
	if n.Lifetime <= 0 || n.Lifetime > MaxSession {
		fs = append(fs, atoll.Finding{Path: "lifetime", Code: "range", Msg: "lifetime is above 0 and at most a year"})
	}
	fs = append(fs, checkText("subject", n.Subject, MaxText)...)
	fs = append(fs, checkClaims("claims", n.Claims)...)
	if err := invalid(op, fs); err != nil {
		return nil, KeyText{}, err
	}
	row := &APIKey{Kind: SessionKey, UserID: n.UserID, Subject: n.Subject, Scopes: scopes, Claims: slices.Clone(n.Claims)}
	row.ID = uuid.NewString()
	text := keyText(k.s.secret, row.Kind, row.ID, row.Gen)
	row.Hash = keyHash(text)
	var made *APIKey
	_, err := k.s.st.Update(ctx, func(tx *store.Tx) error {
		c := *row
		c.ExpiresAt = whole(tx.Now().Add(n.Lifetime))
		if _, ok := users.Get(tx, c.UserID); !ok && c.UserID != "" {
			return &atoll.Error{Kind: atoll.Reference, Op: op, Msg: "no user " + c.UserID, Subject: atoll.Subject{Type: "user", ID: c.UserID}}
		}
		if err := makeRoom(tx, &c); err != nil {
			return err
		}
		if err := apikeys.Insert(tx, &c); err != nil {
			return err
		}
		tx.Note("apikey.issue", c.fqn(tx).String(), nil)
		made = stored(tx, c.ID)
		return nil
	})
	if err != nil {
		return nil, KeyText{}, atoll.Wrap(op, err)
	}
	return made, textOf(text), nil
}

// makeRoom clears away expired keys, and the oldest sessions of the subject of
// k beyond the bound.
func makeRoom(tx *store.Tx, k *APIKey) error {
	var old []*APIKey
	for e := range keysByExpiry.All(tx, store.Key{}) {
		if len(old) >= sweepKeys || !e.expired(tx.Now()) {
			break
		}
		old = append(old, e)
	}
	if err := dropKeys(tx, slices.Values(old)); err != nil {
		return err
	}
	of := keysBySubject.All(tx, store.KeyOf(k.Subject))
	if k.UserID != "" {
		of = sessionsOf(tx, k.UserID)
	}
	mine := slices.SortedFunc(of, func(a, b *APIKey) int { return a.CreatedAt.Compare(b.CreatedAt) })
	mine = slices.DeleteFunc(mine, func(e *APIKey) bool { return e.Kind != SessionKey })
	if n := len(mine) - maxSessions + 1; n > 0 {
		return dropKeys(tx, slices.Values(mine[:n]))
	}
	return nil
}

func sessionsOf(r store.Reader, userID string) iter.Seq[*APIKey] {
	return keysByUser.All(r, store.KeyOf(userID, uint64(SessionKey)))
}

func dropKeys(tx *store.Tx, keys iter.Seq[*APIKey]) error {
	for _, k := range slices.Collect(keys) {
		if _, err := apikeys.Delete(tx, k.ID); err != nil {
			return err
		}
	}
	return nil
}

// IssueWorkload makes, within tx, the key of a workload that acts for its
// owner, and returns its text. subject is application/<uuid> or the FQN of a
// job. It asks nobody: starting the workload was asked for.
func (k *Keys) IssueWorkload(tx *store.Tx, ownerID, subject string) (KeyText, error) {
	const op = "tenancy.Keys.IssueWorkload"
	if subject == "" || ownerID == "" {
		return KeyText{}, atoll.Errorf(atoll.Invalid, op, "the key of a workload needs its owner and its subject")
	}
	row := &APIKey{Kind: WorkloadKey, UserID: ownerID, Subject: subject}
	row.ID = uuid.NewString()
	text := keyText(k.s.secret, row.Kind, row.ID, row.Gen)
	row.Hash = keyHash(text)
	if err := apikeys.Insert(tx, row); err != nil {
		return KeyText{}, atoll.Wrap(op, err)
	}
	return textOf(text), nil
}

// DropWorkload deletes, within tx, the keys of a workload.
func (k *Keys) DropWorkload(tx *store.Tx, subject string) error {
	var own []*APIKey
	for e := range keysBySubject.All(tx, store.KeyOf(subject)) {
		if e.Kind == WorkloadKey {
			own = append(own, e)
		}
	}
	return atoll.Wrap("tenancy.Keys.DropWorkload", dropKeys(tx, slices.Values(own)))
}

// reservedIssuers speak for the platform alone.
var reservedIssuers = []string{"", policy.AccountIssuer, policy.MembershipIssuer, policy.CoralIssuer, policy.APIKeyIssuer,
	policy.UserKeyIssuer, "res", "query", "PV"}

// checkClaims returns what is wrong with claims that come from outside.
func checkClaims(path string, claims []policy.Claim) []atoll.Finding {
	var fs []atoll.Finding
	if len(claims) > 1000 {
		return []atoll.Finding{{Path: path, Code: "length", Msg: path + " has at most 1000 entries"}}
	}
	for _, c := range claims {
		switch {
		case slices.Contains(reservedIssuers, c.Issuer):
			fs = append(fs, atoll.Finding{Path: path, Code: "issuer", Msg: "claims of issuer " + quoted(c.Issuer) + " are made by the platform alone"})
		case c.Type == "" || !printable(c.Issuer+c.Type+c.Value) || len(c.Issuer)+len(c.Type)+len(c.Value) > 4096:
			fs = append(fs, atoll.Finding{Path: path, Code: "claim", Msg: "a claim has a type and is short text"})
		}
	}
	return fs
}

func quoted(s string) string {
	if s == "" {
		return "none"
	}
	return s
}

func contains(list []string, s string) bool { return slices.Contains(list, s) }

func cutScope(s string) (typ, action string, ok bool) { return strings.Cut(s, ".") }
