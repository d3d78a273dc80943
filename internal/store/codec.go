package store

import (
	stdjson "encoding/json"
	"reflect"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/atoll-platform/atoll"
)

// The encoding of rows in logs and snapshots. It differs from the JSON that
// rows have elsewhere: secrets are in clear, durations are nanoseconds, raw JSON
// is a string so that every byte of it returns, nil and empty stay apart.
var (
	encodeOptions = json.JoinOptions(
		json.Deterministic(true),
		json.FormatNilSliceAsNull(true),
		json.FormatNilMapAsNull(true),
		json.WithMarshalers(json.JoinMarshalers(
			json.MarshalToFunc(func(e *jsontext.Encoder, s Sealed) error {
				return e.WriteToken(jsontext.String(string(s)))
			}),
			json.MarshalToFunc(func(e *jsontext.Encoder, d time.Duration) error {
				return e.WriteToken(jsontext.Int(int64(d)))
			}),
			json.MarshalToFunc(func(e *jsontext.Encoder, m stdjson.RawMessage) error {
				return writeRaw(e, m)
			}),
			json.MarshalToFunc(func(e *jsontext.Encoder, m jsontext.Value) error {
				return writeRaw(e, m)
			}),
		)),
	)
	decodeOptions = json.JoinOptions(
		json.RejectUnknownMembers(true),
		json.WithUnmarshalers(json.JoinUnmarshalers(
			json.UnmarshalFromFunc(func(d *jsontext.Decoder, s *Sealed) error {
				return json.UnmarshalDecode(d, (*string)(s))
			}),
			json.UnmarshalFromFunc(func(d *jsontext.Decoder, v *time.Duration) error {
				return json.UnmarshalDecode(d, (*int64)(v))
			}),
			json.UnmarshalFromFunc(func(d *jsontext.Decoder, m *stdjson.RawMessage) error {
				raw, err := readRaw(d)
				*m = raw
				return err
			}),
			json.UnmarshalFromFunc(func(d *jsontext.Decoder, m *jsontext.Value) error {
				raw, err := readRaw(d)
				*m = raw
				return err
			}),
		)),
	)
)

func writeRaw(e *jsontext.Encoder, raw []byte) error {
	if raw == nil {
		return e.WriteToken(jsontext.Null)
	}
	return e.WriteToken(jsontext.String(string(raw)))
}

func readRaw(d *jsontext.Decoder) ([]byte, error) {
	var s *string
	if err := json.UnmarshalDecode(d, &s); err != nil || s == nil {
		return nil, err
	}
	return []byte(*s), nil
}

func encodeRow(row any) ([]byte, error) { return json.Marshal(row, encodeOptions) }

// decodeRow returns the row of a table that was encoded with layout schema, and
// its primary key. Kind: Invalid.
func decodeRow(def *tableDef, schema int, raw []byte) (any, string, error) {
	if schema < 1 || schema > def.schema {
		return nil, "", atoll.Errorf(atoll.Invalid, "store.decode", "rows of %s have layouts 1 to %d, not %d", def.name, def.schema, schema)
	}
	for ; schema < def.schema; schema++ {
		next, err := def.upgrade(schema, raw)
		if err != nil {
			return nil, "", atoll.Errorf(atoll.Invalid, "store.decode", "a row of %s cannot be brought from layout %d to %d: %w", def.name, schema, schema+1, err)
		}
		raw = next
	}
	row, err := def.decode(raw)
	if err != nil {
		return nil, "", err
	}
	pk := def.key(row)
	if pk == "" {
		return nil, "", atoll.Errorf(atoll.Invalid, "store.decode", "a row of %s has no key", def.name)
	}
	if f := def.check(row); f != nil {
		return nil, "", &atoll.Error{Kind: atoll.Invalid, Op: "store.decode", Findings: f, Msg: "a row of " + def.name + " holds what cannot be stored"}
	}
	return row, pk, nil
}

// NewRow returns a zero row (*T) of t, for storetest.
func NewRow(t AnyTable) any { return t.tableDef().newRow() }

// EncodeRow returns a row (*T) of t as logs and snapshots hold it, secrets
// included, for storetest.
func EncodeRow(_ AnyTable, row any) ([]byte, error) { return encodeRow(row) }

// DecodeRow returns the row (*T) that EncodeRow wrote, for storetest. A row
// without a key passes.
func DecodeRow(t AnyTable, raw []byte) (any, error) { return t.tableDef().decode(raw) }

func (d *tableDef) decode(raw []byte) (any, error) {
	row := d.newRow()
	if err := json.Unmarshal(raw, row, decodeOptions); err != nil {
		return nil, atoll.Errorf(atoll.Invalid, "store.decode", "not a row of %s: %w", d.name, err)
	}
	return row, nil
}

// WritesItself reports whether values of type t are encoded and decoded by
// methods of their own, for storetest.
func WritesItself(t reflect.Type) bool { return isText(t) }
