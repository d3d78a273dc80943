package tenancy

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"

	"github.com/atoll-platform/atoll/internal/store"
)

// KeyKind says what an API key stands for.
type KeyKind uint8

// The kinds of key.
const (
	AccountKey  KeyKind = iota + 1 // a user; the Primary one is the account key of the user
	TenantKey                      // a tenant
	EndUserKey                     // an end user of a tenant, beside a tenant key
	SessionKey                     // a user or an external principal, with its own claims, until it expires
	WorkloadKey                    // a running workload, acting for its owner
)

var keyKinds = [...]string{"none", "account", "tenant", "enduser", "session", "workload"}

func (k KeyKind) String() string {
	if int(k) < len(keyKinds) {
		return keyKinds[k]
	}
	return fmt.Sprintf("key kind %d", uint8(k))
}

// MarshalText returns the name of the kind.
func (k KeyKind) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// UnmarshalText reads the name of a kind.
func (k *KeyKind) UnmarshalText(b []byte) error {
	for i, name := range keyKinds {
		if name == string(b) {
			*k = KeyKind(i)
			return nil
		}
	}
	return fmt.Errorf("%.32q is not a kind of key", b)
}

const (
	keyBytes = 20 // of a key's text
	keyChars = 2 * keyBytes
)

// keyText derives the text of a key: the first 20 bytes of an HMAC-SHA256 over
// kind, id and generation, in hex. The last digit is odd for keys of tenants,
// even for all others. The same secret gives the same text for ever, so a key
// can be shown again without being stored.
func keyText(secret []byte, kind KeyKind, id string, gen uint32) string {
	h := hmac.New(sha256.New, secret)
	fmt.Fprintf(h, "%s\x00%s\x00", kind, id)
	var n [4]byte
	binary.BigEndian.PutUint32(n[:], gen)
	h.Write(n[:])
	var buf [sha256.Size]byte
	sum := h.Sum(buf[:0])[:keyBytes]
	sum[keyBytes-1] &^= 1
	if kind == TenantKey {
		sum[keyBytes-1] |= 1
	}
	return hex.EncodeToString(sum)
}

// keyHash is what is stored of a key: SHA-256 of its lower-case text, in hex.
func keyHash(text string) store.Sealed {
	sum := sha256.Sum256([]byte(fold(text)))
	return store.Sealed(hex.EncodeToString(sum[:]))
}

// IsKeyText reports whether s has the form of a key: 40 hex digits, in either case.
func IsKeyText(s string) bool {
	if len(s) != keyChars {
		return false
	}
	for i := range len(s) {
		if c := s[i]; !(c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F') {
			return false
		}
	}
	return true
}
