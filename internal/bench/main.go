// Command bench measures the platform beside its peers, in one run, and prints a
// table with the ratios and what they were meant to be. Ratios within a run carry
// over between machines; times do not.
//
//	go run . [-rounds 11] [-only chain] [-details]
//
// The event engine stands beside hollywood, protoactor-go and floors made of the
// standard library; pipelines beside Benthos and Bento, each in a process of its
// own since their modules exclude each other, with Atoll in both; the store and
// HTTP beside the floors of their benchmarks.
package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	goruntime "runtime"
	"strconv"
	"strings"
	"time"

	"github.com/atoll-platform/atoll/internal/bench/measure"
)

func main() {
	rounds := flag.Int("rounds", 11, "times that each measure is taken")
	only := flag.String("only", "", "measure only what has this in its name")
	details := flag.Bool("details", false, "print what each implementation took, too")
	generate := flag.Bool("twin", false, "make bento/main.go from benthos/main.go, and measure nothing")
	flag.Parse()
	if *generate {
		if err := writeTwin(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	start := time.Now()
	fmt.Printf("%s, GOMAXPROCS %d, %d rounds, medians; load before %s\n\n", goruntime.Version(), goruntime.GOMAXPROCS(0), *rounds, load())
	var all []measure.Result
	add := func(rs ...measure.Result) {
		for _, r := range rs {
			fmt.Fprintf(os.Stderr, "%4.0f s  %s\n", time.Since(start).Seconds(), r.Name)
			all = append(all, r)
		}
	}
	for _, s := range scenarios() {
		if strings.Contains(s.Name, *only) {
			add(s.Measure(*rounds))
		}
	}
	for _, peer := range []string{"benthos", "bento"} {
		add(must(pipelines(peer, *rounds, *only))...)
	}
	for _, p := range pairs {
		if strings.Contains(p.scenario.Name, *only) {
			add(must(p.measure(*rounds)))
		}
	}
	measure.Summary(os.Stdout, all)
	if *details {
		fmt.Println()
		measure.Details(os.Stdout, all)
	}
	fmt.Printf("\n%.0f s; load after %s\n", time.Since(start).Seconds(), load())
}

// load tells how busy the machine is, where it can be read.
func load() string {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	return strings.Join(strings.Fields(string(text))[:3], " ")
}

// here is the directory of this module.
func here() string {
	out := must(exec.Command("go", "env", "GOMOD").Output())
	return filepath.Dir(strings.TrimSpace(string(out)))
}

// pipelines measures the stream processor of that directory in a process of its own.
func pipelines(peer string, rounds int, only string) ([]measure.Result, error) {
	cmd := exec.Command("go", "run", ".", "-rounds", fmt.Sprint(rounds), "-only", only, "-json")
	cmd.Dir = filepath.Join(here(), peer)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", peer, err)
	}
	var rs []measure.Result
	return rs, json.Unmarshal(out, &rs)
}

// pair is two benchmarks of a package, ours and the floor that it stands beside.
type pair struct {
	scenario     measure.Scenario
	dir          string // below the root
	pattern      string
	ours, beside string // benchmarks, without the processors, and units; beside may be empty
}

// pairs are measured with the benchmarks beside the code.
var pairs = []pair{
	{measure.Scenario{Name: "memory of a queued event beyond its text", Unit: "B", Rounds: 3, Goal: measure.Goal{Must: 130, Aim: 112, AtMost: true}}, "runtime", "BenchmarkQueuedEvent", "QueuedEvent over-B/event", ""},
	{measure.Scenario{Name: "store: read by id", Unit: "ns", Goal: measure.Goal{Must: 1 / 1.3, Aim: 2}}, "internal/store", "BenchmarkGetByID/(raw|store)/1000$", "GetByID/store/1000 ns/op", "GetByID/raw/1000 ns/op"},
	{measure.Scenario{Name: "store: write one row", Unit: "ns", Goal: measure.Goal{Must: 1 / 1.5, Aim: 1}}, "internal/store", "BenchmarkWriteOne/(raw|store)/1000$", "WriteOne/store/1000 ns/op", "WriteOne/raw/1000 ns/op"},
	{measure.Scenario{Name: "POST of an event over loopback", Unit: "ns", Goal: measure.Goal{Must: 0.75, Aim: 0.85}}, "httpapi", "BenchmarkPostEvent/without", "PostEvent/without_credentials ns/request", "PostEvent/without_credentials bare-ns/request"},
	{measure.Scenario{Name: "the same beside a handler written by hand", Unit: "ns", Goal: measure.Goal{Must: 1, Aim: 1.1}}, "httpapi", "BenchmarkPostEvent/without", "PostEvent/without_credentials ns/request", "PostEvent/without_credentials by-hand-ns/request"},
}

func (p pair) measure(rounds int) (measure.Result, error) {
	tmp, err := os.MkdirTemp("", "bench")
	if err != nil {
		return measure.Result{}, err
	}
	defer os.RemoveAll(tmp)
	dir, bin := filepath.Join(here(), "..", "..", p.dir), filepath.Join(tmp, "bench.test")
	build := exec.Command("go", "test", "-c", "-o", bin, ".")
	build.Dir, build.Stderr = dir, os.Stderr
	if err := build.Run(); err != nil {
		return measure.Result{}, fmt.Errorf("%s: %w", p.dir, err)
	}
	var took map[string]float64
	s := p.scenario
	s.Impls = []measure.Impl{{Name: measure.Ours, Run: func(int) float64 { return took[p.ours] }}}
	if p.beside != "" {
		s.Peers = []string{"floor"}
		s.Impls = append(s.Impls, measure.Impl{Name: "floor", Run: func(int) float64 { return took[p.beside] }})
	}
	return s.MeasureTogether(rounds, func() error {
		took, err = benchmarks(dir, bin, p.pattern)
		return err
	})
}

// benchmarks runs the benchmarks of a test binary and returns what they report
// by name and unit.
func benchmarks(dir, bin, pattern string) (map[string]float64, error) {
	cmd := exec.Command(bin, "-test.run", "^$", "-test.bench", pattern, "-test.benchtime", "100ms")
	cmd.Dir, cmd.Stderr = dir, os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", pattern, err)
	}
	took := make(map[string]float64)
	for lines := bufio.NewScanner(bytes.NewReader(out)); lines.Scan(); {
		words := strings.Fields(lines.Text())
		if len(words) < 4 || !strings.HasPrefix(words[0], "Benchmark") {
			continue
		}
		name := strings.TrimPrefix(words[0], "Benchmark")
		if at := strings.LastIndexByte(name, '-'); at > 0 {
			name = name[:at]
		}
		for k := 2; k+1 < len(words); k += 2 {
			v, err := strconv.ParseFloat(words[k], 64)
			if err != nil {
				return nil, err
			}
			took[name+" "+words[k+1]] = v
		}
	}
	return took, nil
}
