package builtin

import (
	"errors"
	"math"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/actor"
)

// maxText bounds the strings that an expression can build, in bytes.
const maxText = 4 << 20

// errMissing is the outcome of an expression that reads a field which is not
// there.
var errMissing = errors.New("a name of the expression is missing")

// expression is a compiled expression. It is immutable and safe for concurrent
// use.
type expression struct {
	eval    node
	aliases int // how many collect aliases it reads
}

// scope is what an expression is evaluated in.
type scope struct {
	event     *actor.Event
	collect   func(alias string) (actor.Value, error)
	collected []actor.Value // what was collected already, by number of the alias
}

// node computes one operand.
type node func(s *scope) (operand, error)

// operand is a number, string or boolean. raw keeps the value that it was read
// from, so that an expression which only selects a field keeps its exact text.
type operand struct {
	kind actor.Kind
	num  float64
	text string
	flag bool
	raw  actor.Value
}

// run evaluates the expression. The error is errMissing when a name is
// missing, else a Failed error.
func (x *expression) run(s *scope) (actor.Value, error) {
	if x.aliases > 0 {
		s.collected = make([]actor.Value, x.aliases)
	}
	o, err := x.eval(s)
	if err != nil {
		return actor.Value{}, err
	}
	if !o.raw.IsMissing() {
		return o.raw, nil
	}
	switch o.kind {
	case actor.NumberKind:
		return actor.Float(o.num), nil
	case actor.StringKind:
		return actor.String(o.text), nil
	default:
		return actor.Bool(o.flag), nil
	}
}

func number(f float64) operand { return operand{kind: actor.NumberKind, num: f} }
func text(s string) operand    { return operand{kind: actor.StringKind, text: s} }
func flag(b bool) operand      { return operand{kind: actor.BoolKind, flag: b} }

func constant(o operand) node {
	return func(*scope) (operand, error) { return o, nil }
}

// read makes an operand of a value that the expression names.
func read(v actor.Value, name string) (operand, error) {
	switch v.Kind() {
	case actor.MissingKind, actor.NullKind:
		return operand{}, errMissing
	case actor.NumberKind:
		if f, ok := v.Float(); ok {
			return operand{kind: actor.NumberKind, num: f, raw: v}, nil
		}
	case actor.StringKind:
		if s, ok := v.Str(); ok {
			return operand{kind: actor.StringKind, text: s, raw: v}, nil
		}
	case actor.BoolKind:
		if b, ok := v.Bool(); ok {
			return operand{kind: actor.BoolKind, flag: b, raw: v}, nil
		}
	}
	return operand{}, exprError("%s is not a number, string or boolean", name)
}

// field reads a path of the event.
func field(p actor.Path, name string) node {
	return func(s *scope) (operand, error) { return read(p.EvalEvent(s.event), name) }
}

// collected reads a path that starts at a collect alias. An alias is collected
// once for each evaluation, since asking may change what is asked.
func collected(alias string, number int, p actor.Path, name string) node {
	return func(s *scope) (operand, error) {
		v := &s.collected[number]
		if v.IsMissing() {
			got, err := s.collect(alias)
			if err != nil {
				return operand{}, err
			}
			*v = actor.Object(actor.Field{Name: alias, Value: got})
		}
		return read(p.Eval(*v), name)
	}
}

// logic is a chain of && (stop is false) or || (stop is true), which ends at
// the first operand that decides it.
func logic(word string, stop bool, parts []node) node {
	return func(s *scope) (operand, error) {
		for _, part := range parts {
			o, err := part(s)
			if err != nil {
				return operand{}, err
			}
			if o.kind != actor.BoolKind {
				return operand{}, exprError("%s needs booleans", word)
			}
			if o.flag == stop {
				return flag(stop), nil
			}
		}
		return flag(!stop), nil
	}
}

func negation(part node) node {
	return func(s *scope) (operand, error) {
		o, err := part(s)
		if err != nil {
			return operand{}, err
		}
		if o.kind != actor.BoolKind {
			return operand{}, exprError("! needs a boolean")
		}
		return flag(!o.flag), nil
	}
}

func minus(part node) node {
	return func(s *scope) (operand, error) {
		o, err := part(s)
		if err != nil {
			return operand{}, err
		}
		if o.kind != actor.NumberKind {
			return operand{}, exprError("- needs a number")
		}
		return number(-o.num), nil
	}
}

// comparison is one of > < >= <= == and !=.
func comparison(op string, left, right node) node {
	return func(s *scope) (operand, error) {
		a, err := left(s)
		if err != nil {
			return operand{}, err
		}
		b, err := right(s)
		if err != nil {
			return operand{}, err
		}
		switch op {
		case "==", "!=":
			if a.kind != b.kind {
				return operand{}, exprError("%s needs operands of one kind", op)
			}
			return flag(same(a, b) == (op == "==")), nil
		}
		if a.kind != actor.NumberKind || b.kind != actor.NumberKind {
			return operand{}, exprError("%s needs numbers", op)
		}
		switch op {
		case ">":
			return flag(a.num > b.num), nil
		case "<":
			return flag(a.num < b.num), nil
		case ">=":
			return flag(a.num >= b.num), nil
		default:
			return flag(a.num <= b.num), nil
		}
	}
}

func same(a, b operand) bool {
	switch a.kind {
	case actor.NumberKind:
		return a.num == b.num
	case actor.StringKind:
		return a.text == b.text
	default:
		return a.flag == b.flag
	}
}

// arithmetic is a chain of operators of equal rank, from left to right;
// ops[i] stands between parts[i] and parts[i+1].
func arithmetic(ops []byte, parts []node) node {
	return func(s *scope) (operand, error) {
		acc, err := parts[0](s)
		if err != nil {
			return operand{}, err
		}
		for i, op := range ops {
			b, err := parts[i+1](s)
			if err != nil {
				return operand{}, err
			}
			if acc, err = apply(op, acc, b); err != nil {
				return operand{}, err
			}
		}
		return acc, nil
	}
}

func apply(op byte, a, b operand) (operand, error) {
	if op == '+' && a.kind == actor.StringKind && b.kind == actor.StringKind {
		if len(a.text)+len(b.text) > maxText {
			return operand{}, exprError("the string is longer than %d bytes", maxText)
		}
		return text(a.text + b.text), nil
	}
	if a.kind != actor.NumberKind || b.kind != actor.NumberKind {
		if op == '+' {
			return operand{}, exprError("+ needs two numbers or two strings")
		}
		return operand{}, exprError("%c needs numbers", op)
	}
	var f float64
	switch op {
	case '+':
		f = a.num + b.num
	case '-':
		f = a.num - b.num
	case '*':
		f = a.num * b.num
	case '/':
		if b.num == 0 {
			return operand{}, exprError("division by zero")
		}
		f = a.num / b.num
	}
	if math.IsInf(f, 0) || math.IsNaN(f) {
		return operand{}, exprError("the result of %c is out of range", op)
	}
	return number(f), nil
}

func exprError(format string, args ...any) error {
	return atoll.Errorf(atoll.Failed, "function", format, args...)
}
