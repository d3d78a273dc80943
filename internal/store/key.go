package store

import (
	"encoding/binary"
	"reflect"
	"time"
)

// Key is the key of a row in an index: an order-preserving, self-delimiting
// encoding of its parts. The zero Key has no parts; every key begins with it.
type Key struct{ s string }

// The first byte of an encoded part. None is zero, which ends a key within an
// index entry, and their order is the order of parts of different kinds.
const (
	partNegative byte = 1 + iota
	partNumber
	partText
	partTime
	partBool
	partSum
)

// KeyOf encodes parts, each of them a string or []byte, an integer of any
// size, a bool, a time.Time, a [32]byte, or of a type whose underlying type is
// one of these kinds. Keys sort as their parts do, one part after the other;
// integers sort and compare by value whatever their size. KeyOf("a") stands for
// itself and, in Index.All, for every key whose first part is "a". A part of
// another kind is a defect of the program and panics.
func KeyOf(parts ...any) Key {
	var scratch [96]byte
	b := scratch[:0]
	for _, p := range parts {
		b = appendPart(b, p)
	}
	return Key{string(b)}
}

// PrefixOf is KeyOf whose last part, a string, is left open: it stands for all
// keys that have the other parts and a text that begins with prefix.
func PrefixOf(prefix string, before ...any) Key {
	var scratch [96]byte
	b := scratch[:0]
	for _, p := range before {
		b = appendPart(b, p)
	}
	return Key{string(appendText(append(b, partText), prefix))}
}

// IsZero reports whether k has no parts.
func (k Key) IsZero() bool { return k.s == "" }

func appendPart(b []byte, part any) []byte {
	switch p := part.(type) {
	case string:
		return appendString(b, p)
	case int:
		return appendInt(b, int64(p))
	case int64:
		return appendInt(b, p)
	case int32:
		return appendInt(b, int64(p))
	case uint64:
		return appendUint(b, p)
	case bool:
		return appendBool(b, p)
	case time.Time:
		b = append(b, partTime)
		b = binary.BigEndian.AppendUint64(b, uint64(p.Unix())^(1<<63))
		return binary.BigEndian.AppendUint32(b, uint32(p.Nanosecond()))
	case [32]byte:
		return append(append(b, partSum), p[:]...)
	case []byte:
		return appendString(b, string(p))
	}
	switch v := reflect.ValueOf(part); v.Kind() {
	case reflect.String:
		return appendString(b, v.String())
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return appendInt(b, v.Int())
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return appendUint(b, v.Uint())
	case reflect.Bool:
		return appendBool(b, v.Bool())
	}
	panic("store: KeyOf takes strings, integers, booleans, times and [32]byte")
}

func appendString(b []byte, s string) []byte {
	return append(appendText(append(b, partText), s), 0, 1)
}

// appendText writes s with each zero byte as 00 FF, so that the end mark 00 01
// sorts before everything that a longer text could go on with.
func appendText(b []byte, s string) []byte {
	for i := range len(s) {
		b = append(b, s[i])
		if s[i] == 0 {
			b = append(b, 0xff)
		}
	}
	return b
}

func appendInt(b []byte, n int64) []byte {
	if n >= 0 {
		return appendUint(b, uint64(n))
	}
	return binary.BigEndian.AppendUint64(append(b, partNegative), uint64(n))
}

func appendUint(b []byte, n uint64) []byte {
	return binary.BigEndian.AppendUint64(append(b, partNumber), n)
}

func appendBool(b []byte, v bool) []byte {
	if v {
		return append(b, partBool, 1)
	}
	return append(b, partBool, 0)
}
