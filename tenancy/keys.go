package tenancy

import (
	"context"
	"crypto/subtle"
	"fmt"
	"strconv"
	"time"

	"github.com/google/uuid"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/internal/store"
	"github.com/atoll-platform/atoll/policy"
)

// maxAccountKeys bounds the keys of one account.
const maxAccountKeys = 1000

// Keys is the keys of accounts. The rows that its methods return carry no hash,
// and are the caller's to change.
type Keys struct{ s *Service }

// KeyText is the text of a key. It prints, logs and marshals as [redacted]; who
// hands it to its owner calls Reveal.
type KeyText struct{ store.Sealed }

func textOf(s string) KeyText { return KeyText{store.Sealed(s)} }

// NewKey is a key to be made.
type NewKey struct {
	Description string
	Scopes      []string  // "<type>.<action>", "<type>.*" or "*"; nil is no restriction
	ExpiresAt   time.Time // zero is never
	Primary     bool      // the key that stands for the account; there is one at most
}

func (n *NewKey) check(now time.Time) []atoll.Finding {
	fs := checkText("description", n.Description, MaxText)
	if len(n.Scopes) > 100 {
		return append(fs, atoll.Finding{Path: "scopes", Code: "length", Msg: "scopes has at most 100 entries"})
	}
	fs = append(fs, policy.CheckScopes("scopes", n.Scopes)...)
	if !n.ExpiresAt.IsZero() && !n.ExpiresAt.After(now) {
		fs = append(fs, atoll.Finding{Path: "expiresAt", Code: "past", Msg: "expiresAt lies in the future"})
	}
	return fs
}

// owner returns the account that ref names. Who may not do a on the keys of
// accounts at large is not told whether one exists.
func (k *Keys) owner(ctx context.Context, op string, r store.Reader, ref string, a policy.Action) (*User, error) {
	u, ok := FindUser(r, ref)
	if !ok {
		if err := k.s.ask(ctx, a, policy.FQN{Type: "apikey", Namespace: accountsNamespace}); err != nil {
			return nil, err
		}
		return nil, noUser(op, ref)
	}
	return u, nil
}

// within refuses a caller who is restricted to scopes what goes beyond them:
// else a narrow key would be as good as a wide one.
func within(ctx context.Context, op string, scopes []string) error {
	p := policy.PrincipalFrom(ctx)
	if p == nil || p.Scopes == nil || covered(scopes, p.Scopes) {
		return nil
	}
	return atoll.Errorf(atoll.Denied, op, "the key of the caller is restricted to scopes; it cannot give or show a key with others")
}

// covered reports whether by admits all that scopes admit.
func covered(scopes, by []string) bool {
	if scopes == nil {
		return contains(by, policy.AnyScope)
	}
	for _, s := range scopes {
		typ, _, _ := cutScope(s)
		if !contains(by, s) && !contains(by, policy.AnyScope) && (typ == "" || !contains(by, typ+".*")) {
			return false
		}
	}
	return true
}

// Create makes a key for the account that ref names and returns it with its
// text, which is shown here and, as long as the secret of the platform stays,
// by Reveal.
//
// NotFound, Denied; Invalid lists every fault; Conflict: there is a primary key
// already; Quota: the account has too many keys.
func (k *Keys) Create(ctx context.Context, ref string, n NewKey) (*APIKey, KeyText, error) {
	const op = "tenancy.Keys.Create"
	u, err := k.owner(ctx, op, k.s.st.View(), ref, policy.Create)
	if err != nil {
		return nil, KeyText{}, err
	}
	if err := k.s.ask(ctx, policy.Create, u.keys()); err != nil {
		return nil, KeyText{}, err
	}
	if err := within(ctx, op, n.Scopes); err != nil {
		return nil, KeyText{}, err
	}
	if err := invalid(op, n.check(k.s.now())); err != nil {
		return nil, KeyText{}, err
	}
	row := &APIKey{Kind: AccountKey, UserID: u.ID, Description: n.Description, Scopes: append([]string(nil), n.Scopes...),
		ExpiresAt: whole(n.ExpiresAt), Primary: n.Primary}
	row.ID = uuid.NewString()
	return k.insert(ctx, op, row, "")
}

// Add makes a key of a text that somebody else chose: 40 hex digits. Only its
// hash is kept, so it cannot be shown again. Adding the same text for the same
// account twice is adding it once.
//
// NotFound, Denied; Invalid: text is no key; Conflict: another has this key;
// Quota.
func (k *Keys) Add(ctx context.Context, ref, text, description string) (*APIKey, error) {
	const op = "tenancy.Keys.Add"
	v := k.s.st.View()
	u, err := k.owner(ctx, op, v, ref, policy.Create)
	if err != nil {
		return nil, err
	}
	if err := k.s.ask(ctx, policy.Create, u.keys()); err != nil {
		return nil, err
	}
	if err := within(ctx, op, nil); err != nil {
		return nil, err
	}
	fs := checkText("description", description, MaxText)
	if !IsKeyText(text) {
		fs = append(fs, atoll.Finding{Path: "key", Code: "key", Msg: "key is 40 hex digits"})
	}
	if err := invalid(op, fs); err != nil {
		return nil, err
	}
	if has, ok := keyByHash.Get(v, store.KeyOf(string(keyHash(text)))); ok && has.UserID == u.ID && has.Kind == AccountKey {
		return has.clone(), nil
	}
	row := &APIKey{Kind: AccountKey, UserID: u.ID, Description: description}
	row.ID = uuid.NewString()
	made, _, err := k.insert(ctx, op, row, text)
	return made, err
}

// insert writes an account's key with this text or, for none, a derived one.
func (k *Keys) insert(ctx context.Context, op string, row *APIKey, text string) (*APIKey, KeyText, error) {
	var made *APIKey
	_, err := k.s.st.Update(ctx, func(tx *store.Tx) error {
		c := *row
		if text == "" {
			text = keyText(k.s.secret, c.Kind, c.ID, c.Gen)
		}
		c.Hash = keyHash(text)
		u, ok := users.Get(tx, c.UserID)
		if !ok {
			return noUser(op, c.UserID)
		}
		if keysByUser.Count(tx, store.KeyOf(u.ID, uint64(AccountKey))) >= maxAccountKeys {
			return atoll.Errorf(atoll.Quota, op, "user %s has %d keys already", u.Name, maxAccountKeys)
		}
		if _, taken := primaryKey.Get(tx, store.KeyOf(u.ID)); taken && c.Primary {
			return keyTaken(op, "user "+u.Name+" has a primary key already")
		}
		if _, taken := keyByHash.Get(tx, store.KeyOf(string(c.Hash))); taken {
			return keyTaken(op, "the key is in use")
		}
		seq, err := next(tx, u.ID, "apikey")
		if err != nil {
			return err
		}
		c.Seq = seq
		if err := apikeys.Insert(tx, &c); err != nil {
			return err
		}
		tx.Note("apikey.create", c.fqn(tx).String(), nil)
		made = stored(tx, c.ID)
		return nil
	})
	if err != nil {
		return nil, KeyText{}, atoll.Wrap(op, err)
	}
	return made, textOf(text), nil
}

func keyTaken(op, msg string) error {
	return &atoll.Error{Kind: atoll.Conflict, Code: atoll.Exists, Op: op, Msg: msg, Subject: atoll.Subject{Type: "apikey"}}
}

func stored(r store.Reader, id string) *APIKey {
	if row, ok := apikeys.Get(r, id); ok {
		return row.clone()
	}
	return nil
}

// whole is t as it survives storing: in UTC, without a monotonic clock.
func whole(t time.Time) time.Time {
	if t.IsZero() {
		return time.Time{}
	}
	return t.UTC().Round(0)
}

// find returns the account's key that keyRef names, by id or number, if the
// caller may do a on it.
func (k *Keys) find(ctx context.Context, op string, r store.Reader, ref, keyRef string, a policy.Action) (*APIKey, error) {
	u, err := k.owner(ctx, op, r, ref, a)
	if err != nil {
		return nil, err
	}
	var row *APIKey
	var ok bool
	if isUUID(keyRef) {
		row, ok = apikeys.Get(r, fold(keyRef))
		ok = ok && row.UserID == u.ID
	} else if n, err := strconv.ParseInt(keyRef, 10, 32); err == nil && n > 0 {
		row, ok = keyBySeq.Get(r, store.KeyOf(u.ID, n))
	}
	target := u.keys()
	if ok {
		target = row.fqn(r)
	}
	if err := k.s.ask(ctx, a, target); err != nil {
		return nil, err
	}
	if !ok {
		return nil, noKey(op, keyRef)
	}
	return row, nil
}

func noKey(op, ref string) error {
	return &atoll.Error{Kind: atoll.NotFound, Op: op, Msg: fmt.Sprintf("no key %.64s", ref), Subject: atoll.Subject{Type: "apikey", ID: ref}}
}

// List returns the account keys of the account that ref names, in the order of
// their numbers. Sessions and the tokens of workloads are not among them.
// NotFound, Denied.
func (k *Keys) List(ctx context.Context, ref string) ([]*APIKey, error) {
	v := k.s.st.View()
	u, err := k.owner(ctx, "tenancy.Keys.List", v, ref, policy.Read)
	if err != nil {
		return nil, err
	}
	if err := k.s.ask(ctx, policy.Read, u.keys()); err != nil {
		return nil, err
	}
	list := []*APIKey{}
	for row := range keysByUser.All(v, store.KeyOf(u.ID, uint64(AccountKey))) {
		list = append(list, row.clone())
	}
	return list, nil
}

// Get returns the key that keyRef, an id or a number, names. NotFound, Denied.
func (k *Keys) Get(ctx context.Context, ref, keyRef string) (*APIKey, error) {
	row, err := k.find(ctx, "tenancy.Keys.Get", k.s.st.View(), ref, keyRef, policy.Read)
	if err != nil {
		return nil, err
	}
	return row.clone(), nil
}

// Reveal returns the text of a key again. It reports false if the text is not
// to be had: the key was given by somebody else, or made under another secret.
// NotFound, Denied.
func (k *Keys) Reveal(ctx context.Context, ref, keyRef string) (KeyText, bool, error) {
	const op = "tenancy.Keys.Reveal"
	row, err := k.find(ctx, op, k.s.st.View(), ref, keyRef, policy.Read)
	if err != nil {
		return KeyText{}, false, err
	}
	if err := within(ctx, op, row.Scopes); err != nil {
		return KeyText{}, false, err
	}
	text, ok := k.s.reveal(row)
	return text, ok, nil
}

// reveal derives the text of a key anew and tells whether it is the key's.
func (s *Service) reveal(row *APIKey) (KeyText, bool) {
	text := keyText(s.secret, row.Kind, row.ID, row.Gen)
	if subtle.ConstantTimeCompare([]byte(keyHash(text)), []byte(row.Hash)) != 1 {
		return KeyText{}, false
	}
	return textOf(text), true
}

// Primary returns the key that stands for the account that ref names, making it
// if there is none, and its text if that is to be had. NotFound, Denied.
func (k *Keys) Primary(ctx context.Context, ref string) (*APIKey, KeyText, error) {
	const op = "tenancy.Keys.Primary"
	for range 2 { // somebody else may make it meanwhile
		v := k.s.st.View()
		u, err := k.owner(ctx, op, v, ref, policy.Read)
		if err != nil {
			return nil, KeyText{}, err
		}
		row, ok := primaryKey.Get(v, store.KeyOf(u.ID))
		if !ok {
			made, text, err := k.Create(ctx, u.ID, NewKey{Primary: true})
			if atoll.CodeOf(err) == atoll.Exists {
				continue
			}
			return made, text, err
		}
		if err := k.s.ask(ctx, policy.Read, row.fqn(v)); err != nil {
			return nil, KeyText{}, err
		}
		if err := within(ctx, op, row.Scopes); err != nil {
			return nil, KeyText{}, err
		}
		text, _ := k.s.reveal(row)
		return row.clone(), text, nil
	}
	return nil, KeyText{}, atoll.Errorf(atoll.Conflict, op, "the primary key keeps changing")
}

// Reset gives a key a new text; the old one is refused from then on. NotFound,
// Denied.
func (k *Keys) Reset(ctx context.Context, ref, keyRef string) (*APIKey, KeyText, error) {
	const op = "tenancy.Keys.Reset"
	row, err := k.find(ctx, op, k.s.st.View(), ref, keyRef, policy.Update)
	if err != nil {
		return nil, KeyText{}, err
	}
	if err := within(ctx, op, row.Scopes); err != nil {
		return nil, KeyText{}, err
	}
	var made *APIKey
	var text string
	_, err = k.s.st.Update(ctx, func(tx *store.Tx) error {
		now, ok := apikeys.Get(tx, row.ID)
		if !ok {
			return noKey(op, keyRef)
		}
		c := *now
		c.Gen++
		text = keyText(k.s.secret, c.Kind, c.ID, c.Gen)
		c.Hash = keyHash(text)
		if err := apikeys.Put(tx, &c); err != nil {
			return err
		}
		tx.Note("apikey.reset", c.fqn(tx).String(), nil)
		made = stored(tx, c.ID)
		return nil
	})
	if err != nil {
		return nil, KeyText{}, atoll.Wrap(op, err)
	}
	return made, textOf(text), nil
}

// Delete removes a key; it is refused from then on. NotFound, Denied.
func (k *Keys) Delete(ctx context.Context, ref, keyRef string) error {
	const op = "tenancy.Keys.Delete"
	row, err := k.find(ctx, op, k.s.st.View(), ref, keyRef, policy.Delete)
	if err != nil {
		return err
	}
	_, err = k.s.st.Update(ctx, func(tx *store.Tx) error {
		now, ok := apikeys.Get(tx, row.ID)
		if !ok {
			return noKey(op, keyRef)
		}
		if _, err := apikeys.Delete(tx, row.ID); err != nil {
			return err
		}
		tx.Note("apikey.delete", now.fqn(tx).String(), nil)
		return nil
	})
	return atoll.Wrap(op, err)
}
