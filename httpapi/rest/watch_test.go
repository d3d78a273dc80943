package rest_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/atoll-platform/atoll/httpapi/rest"
)

// head is a request as it is sent, without a body.
func (q toyRequest) head(length int) string {
	r := q.make()
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\nHost: a.test\r\n", r.Method, r.URL.RequestURI())
	_ = r.Header.Write(&b)
	if length > 0 {
		fmt.Fprintf(&b, "Content-Length: %d\r\n", length)
	}
	b.WriteString("\r\n")
	return b.String()
}

// slowLimits are looked after once a second.
var slowLimits = rest.Limits{Body: 8 * time.Second, Write: 16 * time.Second}

// within holds a time to a limit that is looked after once a second.
func within(t *testing.T, what string, took, limit time.Duration) {
	t.Helper()
	if took < limit || took > limit+2*time.Second {
		t.Errorf("%s took %v, want %v and at most two looks more", what, took, limit)
	}
}

func TestSlowCallersAreCutOff(t *testing.T) {
	change := func(p *rest.Profile) { p.MaxBody = 1 << 20 }
	patch := toyRequest{dialect: "coral", method: "PATCH", path: "/things/a"}
	get := toyRequest{dialect: "coral", method: "GET", path: "/things/a"}
	tests := map[string]func(t *testing.T, c net.Conn){
		"a body of which nothing comes": func(t *testing.T, c net.Conn) {
			begin := time.Now()
			_, _ = io.WriteString(c, patch.head(100)+"{")
			res, err := http.ReadResponse(bufio.NewReader(c), nil)
			if err != nil || res.StatusCode != 504 {
				t.Fatalf("got %v, %v, want 504", res, err)
			}
			within(t, "the call", time.Since(begin), 8*time.Second)
		},
		"a body that comes in large parts has time for each": func(t *testing.T, c net.Conn) {
			const part = 80 << 10
			begin := time.Now()
			_, _ = io.WriteString(c, patch.head(5*part))
			for range 4 {
				_, _ = io.WriteString(c, strings.Repeat(" ", part))
				time.Sleep(5 * time.Second)
			}
			res, err := http.ReadResponse(bufio.NewReader(c), nil)
			if err != nil || res.StatusCode != 504 {
				t.Fatalf("got %v, %v, want 504", res, err)
			}
			within(t, "the call", time.Since(begin), (15+8)*time.Second)
		},
		"an answer that nobody takes, however small": func(t *testing.T, c net.Conn) {
			begin := time.Now()
			_, _ = io.WriteString(c, get.head(0))
			// The server looks at the first byte, and reads on when it is rid of its answer.
			if _, err := io.WriteString(c, get.head(0)); err == nil {
				t.Error("a second request was taken")
			}
			within(t, "the call", time.Since(begin), 16*time.Second)
		},
	}
	for name, talk := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := toyServer(t, rest.Options{Limits: slowLimits}, toyDialect(t, "coral", &toy{}, change))
				bubble(t, h, func(t *testing.T, dial func() net.Conn) {
					c := dial()
					defer c.Close()
					talk(t, c)
				})
			})
		})
	}
}

// TestCallersInTimeLeaveNoDeadline uses a connection for much longer than any of
// its calls may take.
func TestCallersInTimeLeaveNoDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := toyServer(t, rest.Options{Limits: slowLimits}, toyDialect(t, "coral", &toy{}))
		bubble(t, h, func(t *testing.T, dial func() net.Conn) {
			c := dial()
			defer c.Close()
			in := bufio.NewReader(c)
			var got []string
			for range 5 {
				fmt.Fprint(c, toyRequest{dialect: "coral", method: "PATCH", path: "/things/a"}.head(11), `{"size`)
				time.Sleep(7 * time.Second)
				fmt.Fprint(c, `": 5}`)
				time.Sleep(15 * time.Second) // the answer waits
				res, err := http.ReadResponse(in, nil)
				if err != nil {
					t.Fatal(err)
				}
				body, _ := io.ReadAll(res.Body)
				got = append(got, fmt.Sprint(res.StatusCode, len(body) > 0))
				time.Sleep(40 * time.Second)
			}
			if diff := cmp.Diff([]string{"200 true", "200 true", "200 true", "200 true", "200 true"}, got); diff != "" {
				t.Errorf("answers (-want +got):\n%s", diff)
			}
		})
	})
}
