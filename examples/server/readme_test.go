package main

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// tour returns the commands of the README's tour, block by block.
func tour(t *testing.T) []string {
	t.Helper()
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(readme), "## A tour with curl\n")
	rest, _, _ = strings.Cut(rest, "\n## ")
	var blocks []string
	for {
		var block string
		var ok bool
		if _, rest, ok = strings.Cut(rest, "```sh\n"); !ok {
			return blocks
		}
		block, rest, _ = strings.Cut(rest, "```")
		blocks = append(blocks, block)
	}
}

// prelude makes each failing call show itself, and pauses as short as they may be.
const prelude = `
curl() { command curl --fail-with-body "$@" || echo "REFUSED ${@: -1}"; }
sleep() {
  while command curl -s http://127.0.0.1:8000/api/v1/application/ | grep -Eq '"state":"(Starting|Stopping|Scaling|Terminating)"'; do :; done
  until [ $1 = 1 ] || command curl -s http://127.0.0.1:8000/api/v1/container/ | grep -q '"exit_code":7'; do :; done
}
`

// TestTheTourOfTheReadmeWorksWhenPasted into a shell, with a server that was
// just started.
func TestTheTourOfTheReadmeWorksWhenPasted(t *testing.T) {
	for _, tool := range []string{"bash", "curl"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skip(err)
		}
	}
	base, _, _, _ := start(t)
	for status := 0; status != 200; { // the demonstration has read its first records
		status, _ = get(t, base+"/api/runtimes/flights/actors/delays/state?by=LAX")
	}
	var out strings.Builder
	var refused []string
	for _, block := range tour(t) {
		script := strings.ReplaceAll(prelude+block, "http://127.0.0.1:8000", base)
		c := exec.CommandContext(t.Context(), "bash", "-c", script)
		c.Dir = t.TempDir()
		text, err := c.CombinedOutput()
		out.Write(text)
		if err != nil {
			t.Errorf("%v:\n%s", err, text)
		}
		for line := range strings.Lines(string(text)) {
			if _, what, ok := strings.Cut(line, "REFUSED "); ok {
				refused = append(refused, strings.ReplaceAll(strings.TrimSpace(what), base, ""))
			}
		}
	}
	want := []string{ // what the README says is refused
		`{"name":"x","actors":[{"name":"a","type":"statz"}],"links":[]}`,
		`{"docs": [{"name": "dev", "for_version": 1, "text": ""}]}`,
	}
	if diff := cmp.Diff(want, refused); diff != "" {
		t.Errorf("calls that were refused (-want +got):\n%s\n%s", diff, out.String())
	}
	for _, piece := range []string{`"avg":`, `hello from `, `"state":"Terminated"`, `"exit_code":7`, `[web-3] time=`, `"running_num_containers":1`} {
		if !strings.Contains(out.String(), piece) {
			t.Errorf("nowhere in the tour is %s:\n%s", piece, out.String())
		}
	}
}
