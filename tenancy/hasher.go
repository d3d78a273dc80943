package tenancy

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	goruntime "runtime"
	"time"

	"golang.org/x/crypto/argon2"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/internal/store"
)

// HashCost is the work that argon2id puts into one password. Rows keep the
// cost they were hashed with, so it may change at any time.
type HashCost struct {
	Time    uint32 // passes
	Memory  uint32 // KiB
	Threads uint8
}

// DefaultHashCost takes about 20 MiB and some tens of milliseconds.
var DefaultHashCost = HashCost{Time: 2, Memory: 19 * 1024, Threads: 1}

const (
	algoArgon2id = "argon2id"
	saltBytes    = 16
	hashBytes    = 32

	// hashWait is how long a caller waits for a turn to hash.
	hashWait = time.Second
)

// hasher hashes and verifies passwords. At most 2×CPUs hashes run at a time;
// who waits longer than a second gets Overloaded. Safe for concurrent use.
type hasher struct {
	cost  HashCost
	turns chan struct{}
	wait  time.Duration
	dummy *Credential // what unknown users are verified against
}

func newHasher(cost HashCost) *hasher {
	cost.Time, cost.Threads = max(cost.Time, 1), max(cost.Threads, 1)
	cost.Memory = max(cost.Memory, 8*uint32(cost.Threads))
	return &hasher{cost: cost, turns: make(chan struct{}, 2*goruntime.GOMAXPROCS(0)), wait: hashWait,
		dummy: &Credential{Algo: algoArgon2id, Salt: seal(make([]byte, saltBytes)), Hash: seal(make([]byte, hashBytes)), Params: cost}}
}

// turn waits for the right to hash and returns what gives it back.
func (h *hasher) turn(ctx context.Context) (release func(), err error) {
	release = func() { <-h.turns }
	select {
	case h.turns <- struct{}{}:
		return release, nil
	default:
	}
	t := time.NewTimer(h.wait)
	defer t.Stop()
	select {
	case h.turns <- struct{}{}:
		return release, nil
	case <-t.C:
		return nil, &atoll.Error{Kind: atoll.Overloaded, Op: "tenancy.password", Msg: "too many logins at a time", RetryAfter: time.Second}
	case <-ctx.Done():
		return nil, atoll.Wrap("tenancy.password", ctx.Err())
	}
}

// hash returns a credential of password, without its subject.
func (h *hasher) hash(ctx context.Context, password string) (*Credential, error) {
	done, err := h.turn(ctx)
	if err != nil {
		return nil, err
	}
	defer done()
	salt := make([]byte, saltBytes)
	rand.Read(salt)
	return &Credential{Algo: algoArgon2id, Salt: seal(salt), Hash: seal(derive(password, salt, h.cost, hashBytes)), Params: h.cost}, nil
}

// verify reports whether password is the one of c. Without a credential it
// does the same work and reports false.
func (h *hasher) verify(ctx context.Context, c *Credential, password string) (bool, error) {
	done, err := h.turn(ctx)
	if err != nil {
		return false, err
	}
	defer done()
	known := c != nil && c.Algo == algoArgon2id && len(unseal(c.Hash)) == hashBytes
	if !known {
		c = h.dummy
	}
	same := subtle.ConstantTimeCompare(derive(password, unseal(c.Salt), c.Params, hashBytes), unseal(c.Hash)) == 1
	return same && known, nil
}

// seal and unseal keep bytes as a sealed text.
func seal(b []byte) store.Sealed { return store.Sealed(base64.RawStdEncoding.EncodeToString(b)) }

func unseal(s store.Sealed) []byte {
	b, err := base64.RawStdEncoding.DecodeString(s.Reveal())
	if err != nil {
		return nil
	}
	return b
}

func derive(password string, salt []byte, p HashCost, size int) []byte {
	return argon2.IDKey([]byte(password), salt, max(p.Time, 1), p.Memory, max(p.Threads, 1), uint32(size))
}
