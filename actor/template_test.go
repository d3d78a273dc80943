package actor_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/actor"
)

func TestTemplateFill(t *testing.T) {
	const user = `{"user":{"name":"Ann"},"items":[5,6]}`
	tests := map[string]struct{ template, event, want string }{
		"values keep their type, missing is null, text around a place keeps it text": {
			template: `{"who":"${user.name}","last":"${items[1]}","lit":"hi ${user.name}","zip":"${zip}"}`,
			event:    user,
			want:     `{"who":"Ann","last":6,"lit":"hi ${user.name}","zip":null}`,
		},
		"two places in one string do not parse": {
			template: `{"x":"${a} ${b}"}`, event: `{"a":1,"b":2}`, want: `{"x":null}`,
		},
		"places count at any depth, in arrays too": {
			template: `{"o":{"a":[{"n":"${user.name}"},"${items}",7,[]],"e":{}}}`,
			event:    user,
			want:     `{"o":{"a":[{"n":"Ann"},[5,6],7,[]],"e":{}}}`,
		},
		"inserted text is not a place":       {template: `{"x":"${a}"}`, event: `{"a":"${b}","b":1}`, want: `{"x":"${b}"}`},
		"names are not places":               {template: `{"${a}":1}`, event: `{"a":"b"}`, want: `{"${a}":1}`},
		"an empty place is the event":        {template: `{"x":"${}","n":{"y":"${ }"}}`, event: `{"a":1}`, want: `{"x":{"a":1},"n":{"y":{"a":1}}}`},
		"spaces inside a place are ignored":  {template: `{"x":"${ a }"}`, event: `{"a":1.50}`, want: `{"x":1.50}`},
		"an escaped dollar is a place":       {template: `{"x":{"y":"\u0024{a}"}}`, event: `{"a":1}`, want: `{"x":{"y":1}}`},
		"a single brace is no place":         {template: `{"x":"${"}`, event: `{}`, want: `{"x":"${"}`},
		"the empty template is empty":        {template: `{}`, event: user, want: `{}`},
		"number text passes as it is":        {template: `{"x":"${n}","y":1.00}`, event: `{"n":12345678901234567890.10}`, want: `{"x":12345678901234567890.10,"y":1.00}`},
		"more fields than an event inlines":  {template: `{"a":1,"b":"${b}","c":3,"d":4,"e":5,"f":6,"g":7,"h":8,"i":9,"j":"${b}"}`, event: `{"b":2}`, want: `{"a":1,"b":2,"c":3,"d":4,"e":5,"f":6,"g":7,"h":8,"i":9,"j":2}`},
		"a place in a quoted name with dots": {template: `{"x":"${o['a.b']}"}`, event: `{"o":{"a.b":"v"}}`, want: `{"x":"v"}`},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			tpl, err := actor.CompileTemplate(value(t, tt.template))
			if err != nil {
				t.Fatal(err)
			}
			got := tpl.Fill(event(t, tt.event))
			if got.String() != tt.want {
				t.Errorf("Fill: %s, want %s", got, tt.want)
			}
			// The table must fit the text, too.
			if diff := cmp.Diff(event(t, tt.want), got); diff != "" {
				t.Errorf("mismatch (-want +got):\n%s", diff)
			}
			for name, v := range event(t, tt.want).All() {
				if !got.Field(name).Equal(v) || got.Field(name).Kind() != v.Kind() {
					t.Errorf("field %q: %v, want %v", name, got.Field(name), v)
				}
			}
		})
	}
}

func TestTemplateBounds(t *testing.T) {
	if _, err := actor.CompileTemplate(value(t, `[1]`)); atoll.KindOf(err) != atoll.Invalid {
		t.Errorf("an array as template: %v, want Invalid", err)
	}
	tpl, err := actor.CompileTemplate(value(t, `{"a":"${*}","b":"${*}"}`))
	if err != nil {
		t.Fatal(err)
	}
	e := event(t, `{"x":"`+strings.Repeat("y", 1000)+`"}`)
	n := 0
	for ; e.Err() == nil; n++ {
		if n > 20 {
			t.Fatal("doubling never ends")
		}
		e = tpl.Fill(e)
	}
	if k := atoll.KindOf(e.Err()); k != atoll.TooLarge {
		t.Errorf("an event doubled %d times: kind %v, want TooLarge", n, k)
	}
	if e.Len() != 0 || !e.Field("a").IsMissing() {
		t.Errorf("an oversized event has fields: %v", e)
	}
}
