package builtin_test

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/actor"
	"github.com/atoll-platform/atoll/actor/actortest"
)

// directory makes the one directory that actors may use, with files in it.
func directory(t testing.TB, files map[string]string) (*os.Root, string) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "data")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, text := range files {
		full := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(full, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { root.Close() })
	return root, dir
}

func TestFileFormats(t *testing.T) {
	huge := strings.Repeat("x", 1<<20)
	tests := map[string]struct {
		name, text, params string
		want               []string
		state              string
	}{
		"a line is an event with its number text": {
			name: "a.ndjson", text: "{\"n\":1.50}\n{\"n\": 12345678901234567890}\n", want: []string{`{"n":1.50}`, `{"n":12345678901234567890}`},
			state: `{"count":2,"line":2,"bytes":END,"skipped":0,"done":true}`,
		},
		"the last line needs no end, others may have two characters": {
			name: "a.jsonl", text: "{\"n\":1}\r\n\r\n \n{\"n\":2}", want: []string{`{"n":1}`, `{"n":2}`},
			state: `{"count":2,"line":3,"bytes":END,"skipped":0,"done":true}`,
		},
		"bad lines are counted and passed over": {
			name: "a.ndjson", text: "{\"n\":1}\n{bad\n[1]\n7\n{\"n\":2}\n{\"n\":", want: []string{`{"n":1}`, `{"n":2}`},
			state: `{"count":2,"line":5,"bytes":END,"skipped":4,"done":true}`,
		},
		"a line of more than 1 MiB is a bad one": {
			name: "a.ndjson", text: `{"s":"` + huge + "\"}\n{\"n\":1}\n" + `{"s":"` + huge[:1<<20-8] + "\"}\n" + huge + huge, want: []string{`{"n":1}`, `{"s":"` + huge[:1<<20-8] + `"}`},
			state: `{"count":2,"line":3,"bytes":END,"skipped":2,"done":true}`,
		},
		"an empty file has no events": {name: "a.ndjson", want: nil, state: `{"count":0,"line":0,"bytes":0,"skipped":0,"done":true}`},
		"a byte order mark is no part of the first line": {
			name: "a.ndjson", text: "\xef\xbb\xbf{\"n\":1}\n", want: []string{`{"n":1}`}, state: `{"count":1,"line":1,"bytes":END,"skipped":0,"done":true}`,
		},

		"the objects of an array are the events": {
			name: "a.json", text: " [ {\"n\":1} ,\n{\"s\":\"],{\\\"\",\"l\":[[1],{}]}, {}\n]\ntrailing", want: []string{`{"n":1}`, `{"s":"],{\"","l":[[1],{}]}`, `{}`},
			state: `{"count":3,"line":2,"bytes":END,"skipped":0,"done":true}`,
		},
		"other elements are counted and passed over": {
			name: "a.json", text: `[1, {"n":1}, "x", [{}], {bad}, , {"n":2},]`, want: []string{`{"n":1}`, `{"n":2}`},
			state: `{"count":2,"line":0,"bytes":END,"skipped":5,"done":true}`,
		},
		"an array that is cut off ends there": {
			name: "a.json", text: `[{"n":1},{"n":`, want: []string{`{"n":1}`}, state: `{"count":1,"line":0,"bytes":END,"skipped":1,"done":true}`,
		},
		"an empty array has no events": {name: "a.json", text: "[ ]", state: `{"count":0,"line":0,"bytes":END,"skipped":0,"done":true}`},
		"an element of more than 1 MiB is passed over": {
			name: "a.json", text: `[{"s":"` + huge + `"},{"n":1}]`, want: []string{`{"n":1}`}, state: `{"count":1,"line":0,"bytes":END,"skipped":1,"done":true}`,
		},

		"the first row names the fields": {
			name: "a.csv", text: "n,s,t\n1,a,\n-1.50e3,\"b,\"\"c\"\"\n\",true\n", want: []string{`{"n":1,"s":"a","t":""}`, `{"n":-1.50e3,"s":"b,\"c\"\n","t":"true"}`},
			state: `{"count":2,"line":4,"bytes":END,"skipped":0,"done":true}`,
		},
		"only what JSON calls a number is one": {
			name: "a.csv", text: "a\n007\n1.\n.5\n+1\n0x1\n1e5\n-0\nNaN\n\"7\"\n 7\n1_0\n-\n1e\n", want: []string{
				`{"a":"007"}`, `{"a":"1."}`, `{"a":".5"}`, `{"a":"+1"}`, `{"a":"0x1"}`, `{"a":1e5}`, `{"a":-0}`, `{"a":"NaN"}`, `{"a":7}`, `{"a":" 7"}`, `{"a":"1_0"}`, `{"a":"-"}`, `{"a":"1e"}`,
			},
			state: `{"count":13,"line":14,"bytes":END,"skipped":0,"done":true}`,
		},
		"rows with another number of values, or stray quotes, are passed over": {
			name: "a.csv", text: "a,b\n1\n1,2,3\nx\"y,2\n\"x\"y,2\n\n3,4\r\n\"open,5\n6,7\n", want: []string{`{"a":3,"b":4}`},
			state: `{"count":1,"line":9,"bytes":END,"skipped":5,"done":true}`,
		},
		"names may be anything":               {name: "a.csv", text: "\"a \"\"b\"\"\",,\xff\n1,2,3\n", want: []string{"{\"a \\\"b\\\"\":1,\"\":2,\"\ufffd\":3}"}, state: `{"count":1,"line":2,"bytes":END,"skipped":0,"done":true}`},
		"a header alone has no events":        {name: "a.csv", text: "a,b\n", state: `{"count":0,"line":1,"bytes":END,"skipped":0,"done":true}`},
		"an empty file of rows has no events": {name: "a.csv", text: "\n\n", state: `{"count":0,"line":0,"bytes":0,"skipped":0,"done":true}`},

		"the format may be named":              {name: "a.txt", params: `,"format":"csv"`, text: "a\n1\n", want: []string{`{"a":1}`}, state: `{"count":1,"line":2,"bytes":END,"skipped":0,"done":true}`},
		"the format goes before the extension": {name: "a.csv", params: `,"format":"ndjson"`, text: "{\"a\":1}\n", want: []string{`{"a":1}`}, state: `{"count":1,"line":1,"bytes":END,"skipped":0,"done":true}`},
		"a file may be read several times": {
			name: "a.csv", params: `,"repeat":3`, text: "a\n1\nx,y\n2\n", want: []string{`{"a":1}`, `{"a":2}`, `{"a":1}`, `{"a":2}`, `{"a":1}`, `{"a":2}`},
			state: `{"count":6,"line":4,"bytes":END,"skipped":3,"done":true}`,
		},
		"a file without events is not read for ever": {name: "a.json", params: `,"repeat":true`, text: `[1]`, state: `{"count":0,"line":0,"bytes":END,"skipped":1,"done":true}`},
		"a file in a directory below":                {name: "sub/dir/a.ndjson", text: "{}", want: []string{`{}`}, state: `{"count":1,"line":0,"bytes":END,"skipped":0,"done":true}`},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			root, _ := directory(t, map[string]string{tt.name: tt.text})
			h := actortest.Start(t, typeOf(t, "file"), fmt.Sprintf(`{"file":%q%s}`, tt.name, tt.params), actortest.WithFiles(root))
			if err := h.Run(t.Context()); err != nil {
				t.Fatalf("Run: %v", err)
			}
			if diff := cmp.Diff(tt.want, h.Emitted()); diff != "" {
				t.Errorf("emitted mismatch (-want +got):\n%.2000s", diff)
			}
			end := len(tt.text)
			if strings.HasSuffix(tt.name, ".json") && strings.Contains(tt.text, "]") {
				end = strings.LastIndexByte(tt.text, ']') + 1
			}
			if diff := cmp.Diff(strings.Replace(tt.state, "END", fmt.Sprint(end), 1), h.State()); diff != "" {
				t.Errorf("state mismatch (-want +got):\n%s", diff)
			}
			if err := h.Run(t.Context()); err != nil {
				t.Errorf("second Run: %v", err)
			}
			if again := h.Emitted(); again != nil {
				t.Errorf("a file that is done emits %d events again", len(again))
			}
		})
	}
}

func TestFileFailures(t *testing.T) {
	tests := map[string]struct{ name, text, want string }{
		"an object is no array":           {"a.json", `{"n":1}`, "file a.json: the file is not a JSON array"},
		"a malformed first row":           {"a.csv", "a\"b\n1\n", "file a.csv: the first row, which names the fields, is malformed"},
		"a first row with one name twice": {"a.csv", "a,b,a\n1,2,3\n", `file a.csv: the first row names the field "a" twice`},
		"a first row that does not end":   {"a.csv", "\"a\n1\n", "file a.csv: the first row, which names the fields, is malformed"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			root, _ := directory(t, map[string]string{tt.name: tt.text})
			h := actortest.Start(t, typeOf(t, "file"), fmt.Sprintf(`{"file":%q}`, tt.name), actortest.WithFiles(root))
			err := h.Run(t.Context())
			if atoll.KindOf(err) != atoll.Failed || err.(*atoll.Error).Msg != tt.want {
				t.Errorf("Run: %v, want Failed %q", err, tt.want)
			}
		})
	}
}

// numbers is a file of n events in each format.
func numbers(n int) map[string]string {
	var lines, array, rows strings.Builder
	rows.WriteString("n,s\n")
	array.WriteString("[")
	for i := range n {
		fmt.Fprintf(&lines, "{\"n\":%d,\"s\":\"a b\"}\n", i)
		if i > 0 {
			array.WriteString(",\n")
		}
		fmt.Fprintf(&array, "{\"n\":%d,\"s\":\"a b\"}", i)
		fmt.Fprintf(&rows, "%d,\"a b\"\n", i)
		if i%7 == 0 {
			lines.WriteString("bad\n")
			array.WriteString(",bad")
			rows.WriteString("1\n")
		}
	}
	array.WriteString("]")
	return map[string]string{"a.ndjson": lines.String(), "a.json": array.String(), "a.csv": rows.String()}
}

// Wherever a file is stopped, whether it goes on in the same instance or from
// saved state, every record comes once and in order.
func TestAFileKeepsItsPlace(t *testing.T) {
	const n = 1000
	files := numbers(n)
	root, _ := directory(t, files)
	for file := range files {
		for _, params := range []string{`{"file":%q}`, `{"file":%q,"repeat":2}`, `{"file":%q,"rate":1e9}`} {
			t.Run(file+" "+params, func(t *testing.T) {
				params := fmt.Sprintf(params, file)
				start := func() *actortest.Harness {
					return actortest.Start(t, typeOf(t, "file"), params, actortest.WithFiles(root))
				}
				h := start()
				var got []string
				for i := 0; !strings.Contains(h.State(), `"done":true`); i++ {
					ctx, cancel := context.WithCancel(t.Context())
					out := &closing{left: 300, cancel: cancel}
					if err := h.Actor().(actor.Source).Run(ctx, out); err != nil {
						t.Fatal(err)
					}
					cancel()
					got = append(got, out.taken...)
					if i%2 == 1 {
						saved := h.Save()
						h = start()
						if err := h.Restore(saved); err != nil {
							t.Fatal(err)
						}
					}
					if i > 100 {
						t.Fatal("the file does not end")
					}
				}
				rounds := 1 + strings.Count(params, "repeat")
				var want []string
				for i := range n * rounds {
					want = append(want, fmt.Sprintf(`{"n":%d,"s":"a b"}`, i%n))
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("emitted mismatch (-want +got):\n%.1000s", diff)
				}
				skipped := rounds * ((n + 6) / 7)
				if !strings.Contains(h.State(), fmt.Sprintf(`"count":%d,`, n*rounds)) || !strings.Contains(h.State(), fmt.Sprintf(`"skipped":%d,`, skipped)) {
					t.Errorf("state %s, want count %d and skipped %d", h.State(), n*rounds, skipped)
				}
			})
		}
	}
}

func TestFileRate(t *testing.T) {
	root, _ := directory(t, map[string]string{"a.csv": "n\n1\n2\n3\n4\n5\n"})
	synctest.Test(t, func(t *testing.T) {
		h := actortest.Start(t, typeOf(t, "file"), `{"file":"a.csv","rate":2}`, actortest.WithFiles(root), actortest.WithWallClock())
		stop := started(t, h)
		n := 0
		for i, want := range []int{1, 1, 2, 2, 3} {
			synctest.Wait()
			if n += len(h.Emitted()); n != want {
				t.Errorf("%d events after %d ms, want %d", n, 250*i, want)
			}
			time.Sleep(250 * time.Millisecond)
		}
		stop()
		time.Sleep(time.Hour)
		stop = started(t, h)
		time.Sleep(10 * time.Second)
		stop()
		if diff := cmp.Diff([]string{`{"n":4}`, `{"n":5}`}, h.Emitted()); diff != "" {
			t.Errorf("emitted after the pause mismatch (-want +got):\n%s", diff)
		}
	})
}

// slowly is an outlet that takes what it is given after a while.
type slowly struct {
	taken int
	after time.Duration
}

func (s *slowly) Emit(ctx context.Context, e *actor.Event) error {
	return s.EmitBatch(ctx, []*actor.Event{e})
}

func (s *slowly) EmitBatch(ctx context.Context, es []*actor.Event) error {
	select {
	case <-time.After(s.after):
		s.taken += len(es)
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func TestAStoppedFileWaitsAMomentForItsBatch(t *testing.T) {
	root, _ := directory(t, numbers(1000))
	for after, want := range map[time.Duration]struct {
		taken int
		ended time.Duration
	}{
		500 * time.Millisecond: {256, 500 * time.Millisecond},
		time.Hour:              {0, 1100 * time.Millisecond},
	} {
		synctest.Test(t, func(t *testing.T) {
			h := actortest.Start(t, typeOf(t, "file"), `{"file":"a.ndjson"}`, actortest.WithFiles(root))
			ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
			defer cancel()
			out, from := &slowly{after: after}, time.Now()
			if err := h.Actor().(actor.Source).Run(ctx, out); err != nil {
				t.Errorf("Run: %v", err)
			}
			if out.taken != want.taken || time.Since(from) != want.ended {
				t.Errorf("took %d events and ended after %v, want %d and %v", out.taken, time.Since(from), want.taken, want.ended)
			}
			if !strings.Contains(h.State(), fmt.Sprintf(`"count":%d,`, want.taken)) {
				t.Errorf("state %s, want count %d", h.State(), want.taken)
			}
		})
	}
}

func TestFileState(t *testing.T) {
	root, _ := directory(t, map[string]string{"a.csv": "n\n1\n"})
	h := actortest.Start(t, typeOf(t, "file"), `{"file":"a.csv"}`, actortest.WithFiles(root))
	for _, bad := range []string{`{"offset":-1}`, `{"count":-1}`, `{"count":1,"began":2}`, `[]`, `x`} {
		if err := h.Restore(bad); atoll.KindOf(err) != atoll.Invalid {
			t.Errorf("restoring %s: %v, want Invalid", bad, err)
		}
	}
	if err := h.Restore(`{"offset":1000000,"count":1}`); err != nil {
		t.Fatal(err)
	}
	if err := h.Run(t.Context()); err != nil || h.Emitted() != nil {
		t.Errorf("a place behind the end of the file: %v", err)
	}
}

// escapes are names that must not be opened, with what they are; each is made
// in the directory or beside it.
func escapes(t *testing.T, dir string) []string {
	t.Helper()
	outside := filepath.Join(filepath.Dir(dir), "outside.ndjson")
	if err := os.WriteFile(outside, []byte("{\"secret\":1}\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	link := func(target, name string) {
		if err := os.Symlink(target, filepath.Join(dir, name)); err != nil {
			t.Skipf("no symbolic links here: %v", err)
		}
	}
	link(outside, "absolute.ndjson")
	link("../outside.ndjson", "relative.ndjson")
	link("..", "up")
	link("/dev/null", "device.ndjson")
	link("loop.ndjson", "loop.ndjson")
	if err := os.Mkdir(filepath.Join(dir, "dir.ndjson"), 0o755); err != nil {
		t.Fatal(err)
	}
	names := []string{"absolute.ndjson", "relative.ndjson", "up/outside.ndjson", "device.ndjson", "loop.ndjson", "dir.ndjson"}
	if runtime.GOOS == "linux" {
		if err := syscall.Mkfifo(filepath.Join(dir, "pipe.ndjson"), 0o644); err != nil {
			t.Fatal(err)
		}
		l, err := net.Listen("unix", filepath.Join(dir, "s.ndjson"))
		if err != nil {
			t.Logf("no socket here: %v", err)
		} else {
			t.Cleanup(func() { l.Close() })
			names = append(names, "s.ndjson")
		}
		names = append(names, "pipe.ndjson")
	}
	return names
}

func TestAFileStaysInsideTheDirectory(t *testing.T) {
	root, dir := directory(t, map[string]string{"there.ndjson": "{}\n"})
	names := append(escapes(t, dir), "missing.ndjson", "there.ndjson/x.ndjson")
	for _, name := range names {
		t.Run(name, func(t *testing.T) {
			_, err := actortest.Make(t, typeOf(t, "file"), fmt.Sprintf(`{"file":%q}`, name), actortest.WithFiles(root))
			if atoll.KindOf(err) != atoll.Failed {
				t.Fatalf("Make: %v, want Failed", err)
			}
			if strings.Contains(err.(*atoll.Error).Msg, dir) {
				t.Errorf("the message %q tells where the directory is", err.(*atoll.Error).Msg)
			}
		})
	}
	t.Run("a link that comes later", func(t *testing.T) {
		h := actortest.Start(t, typeOf(t, "file"), `{"file":"there.ndjson"}`, actortest.WithFiles(root))
		if err := os.Remove(filepath.Join(dir, "there.ndjson")); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink("../outside.ndjson", filepath.Join(dir, "there.ndjson")); err != nil {
			t.Fatal(err)
		}
		if err := h.Run(t.Context()); atoll.KindOf(err) != atoll.Failed || h.Emitted() != nil {
			t.Errorf("Run: %v, want Failed and no events", err)
		}
	})
}

func TestALinkInsideTheDirectoryIsFollowed(t *testing.T) {
	root, dir := directory(t, map[string]string{"real.ndjson": "{\"n\":1}\n"})
	if err := os.Symlink("real.ndjson", filepath.Join(dir, "link.ndjson")); err != nil {
		t.Skip(err)
	}
	h := actortest.Start(t, typeOf(t, "file"), `{"file":"link.ndjson"}`, actortest.WithFiles(root))
	if err := h.Run(t.Context()); err != nil || len(h.Emitted()) != 1 {
		t.Errorf("Run: %v, want one event", err)
	}
}
