package builtin_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/actor"
	"github.com/atoll-platform/atoll/actor/actortest"
)

func read(t *testing.T, dir, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestLogWritesCompactLines(t *testing.T) {
	tests := map[string]struct{ params, want string }{
		"a file is truncated by default": {`{"file":"a.log"}`, "{\"a\":1}\n{\"s\":\"x\\ny\"}\n"},
		"append keeps what is there":     {`{"file":"a.log","append":true}`, "before\n{\"a\":1}\n{\"s\":\"x\\ny\"}\n"},
		"a new file is made":             {`{"file":"new.log"}`, "{\"a\":1}\n{\"s\":\"x\\ny\"}\n"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			root, dir := directory(t, map[string]string{"a.log": "before\n"})
			h := actortest.Start(t, typeOf(t, "log"), tt.params, actortest.WithFiles(root))
			got := h.Send(`{"a": 1}`, ` {"s" : "x\ny"} `)
			if diff := cmp.Diff([]actortest.Outcome{nothing, nothing}, got); diff != "" {
				t.Errorf("outcomes mismatch (-want +got):\n%s", diff)
			}
			file := "a.log"
			if strings.Contains(tt.params, "new") {
				file = "new.log"
			}
			// Before the actor is closed: each line is flushed.
			if diff := cmp.Diff(tt.want, read(t, dir, file)); diff != "" {
				t.Errorf("file mismatch (-want +got):\n%s", diff)
			}
		})
	}
}

func TestLogWithoutAFileGoesToThePlatform(t *testing.T) {
	for _, params := range []string{"", "{}"} {
		var out bytes.Buffer
		log := slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey {
				return slog.Attr{}
			}
			return a
		}}))
		h := actortest.Start(t, typeOf(t, "log"), params, actortest.WithLog(log))
		h.Send(`{"a": "x\ny"}`)
		want := `level=INFO msg=event event="{\"a\":\"x\\ny\"}"` + "\n"
		if diff := cmp.Diff(want, out.String()); diff != "" {
			t.Errorf("log mismatch (-want +got):\n%s", diff)
		}
	}
}

func TestInstancesOfOneLogShareItsFile(t *testing.T) {
	root, dir := directory(t, map[string]string{"a.log": "before\n"})
	env := &actor.Env{Files: root}
	params, _ := actor.ParseValue([]byte(`{"file":"a.log"}`))
	mk, findings := typeOf(t, "log").Compile(actor.Params{Value: params, Env: env})
	if findings != nil {
		t.Fatal(findings)
	}
	instance := func() actor.Actor {
		a, err := mk(env)
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	write := func(a actor.Actor, n int) {
		e := actor.NewEvent(actor.Field{Name: "n", Value: actor.Int(int64(n))})
		if _, err := a.(actor.Async).Perform(t.Context(), e); err != nil {
			t.Error(err)
		}
	}
	first := instance()
	write(first, 1)
	second := instance()
	write(second, 2)
	write(first, 3)
	for range 2 { // closing twice counts once
		if err := first.(actor.Closer).Close(); err != nil {
			t.Error(err)
		}
	}
	write(second, 4)
	if err := second.(actor.Closer).Close(); err != nil {
		t.Error(err)
	}
	if diff := cmp.Diff("{\"n\":1}\n{\"n\":2}\n{\"n\":3}\n{\"n\":4}\n", read(t, dir, "a.log")); diff != "" {
		t.Errorf("file mismatch (-want +got):\n%s", diff)
	}
}

func TestALogStaysInsideTheDirectory(t *testing.T) {
	root, dir := directory(t, map[string]string{"plain": "x"})
	names := append(escapes(t, dir), "missing/a.log", "plain/a.log")
	for _, name := range names {
		t.Run(name, func(t *testing.T) {
			_, err := actortest.Make(t, typeOf(t, "log"), fmt.Sprintf(`{"file":%q}`, name), actortest.WithFiles(root))
			if atoll.KindOf(err) != atoll.Failed {
				t.Errorf("Make: %v, want Failed", err)
			}
		})
	}
	if diff := cmp.Diff("{\"secret\":1}\n", read(t, filepath.Dir(dir), "outside.ndjson")); diff != "" {
		t.Errorf("the file outside changed (-want +got):\n%s", diff)
	}
}

func TestALogOutlivesTheNameOfItsFile(t *testing.T) {
	root, dir := directory(t, nil)
	h := actortest.Start(t, typeOf(t, "log"), `{"file":"a.log"}`, actortest.WithFiles(root))
	h.Send(`{"n":1}`)
	if err := os.Remove(filepath.Join(dir, "a.log")); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]actortest.Outcome{nothing}, h.Send(`{"n":2}`)); diff != "" {
		t.Errorf("a file that was removed is still written (-want +got):\n%s", diff)
	}
}
