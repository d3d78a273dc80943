package builtin

import (
	"encoding/json"
	"math"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/actor"
)

var statsType = actor.Type{
	Name:     "stats",
	Doc:      "Keeps count, mean, standard deviation and extremes of a number.",
	Compile:  compiler(buildStats),
	Stateful: true,
}

type statsParams struct {
	Field string `json:"field" param:"required"`
}

func buildStats(p *statsParams, _ actor.Params, _ *findings) actor.Maker {
	key := actor.KeyOf(p.Field)
	return func(*actor.Env) (actor.Actor, error) { return &stats{key: key}, nil }
}

// stats holds the running moments of a number. The mean and the sum of squared
// distances from it carry the part that rounding cuts off, so that neither long
// runs nor large values wear the result away.
type stats struct {
	key actor.Key
	moments
}

type moments struct {
	count          int64
	mean, meanRest float64
	sum2, sum2Rest float64
	min, max       float64
}

func (s *stats) Trigger(_ actor.Context, e *actor.Event) (*actor.Event, error) {
	if x, ok := e.Number(s.key); ok {
		s.Add(x)
	}
	return nil, nil
}

// Add takes one more value in.
func (m *moments) Add(x float64) {
	m.count++
	if m.count == 1 {
		*m = moments{count: 1, mean: x, min: x, max: x}
		return
	}
	m.min, m.max = min(m.min, x), max(m.max, x)
	n := float64(m.count)
	d := x - m.mean - m.meanRest
	if math.IsInf(d, 0) {
		// The distance of two values is beyond the range: so is the deviation.
		m.mean, m.meanRest = m.mean+(x/n-m.mean/n), 0
		m.sum2, m.sum2Rest = math.Inf(1), 0
		return
	}
	step := d / n
	m.mean, m.meanRest = twoSum(m.mean, m.meanRest+step)
	if math.IsInf(m.sum2, 1) {
		return
	}
	m.sum2, m.sum2Rest = twoSum(m.sum2, m.sum2Rest+d*(d-step))
	if math.IsInf(m.sum2, 1) || math.IsNaN(m.sum2) {
		m.sum2, m.sum2Rest = math.Inf(1), 0
	}
}

// twoSum returns a+b rounded, and what rounding cut off.
func twoSum(a, b float64) (sum, rest float64) {
	sum = a + b
	t := sum - a
	return sum, (a - (sum - t)) + (b - t)
}

// sd is the population standard deviation.
func (m *moments) sd() float64 {
	return math.Sqrt(max(m.sum2+m.sum2Rest, 0) / float64(m.count))
}

func (s *stats) StateNames() []string { return []string{"count", "avg", "sd", "min", "max"} }

func (s *stats) State(name string) actor.Value {
	if name == "count" {
		return actor.Int(s.count)
	}
	var f float64
	switch name {
	case "avg":
		f = s.mean
	case "sd":
		f = s.sd()
	case "min":
		f = s.min
	case "max":
		f = s.max
	default:
		return actor.Value{}
	}
	if s.count == 0 {
		return actor.Null()
	}
	return actor.Float(f)
}

// Timeout starts over.
func (s *stats) Timeout(actor.Context) (*actor.Event, error) {
	s.moments = moments{}
	return nil, nil
}

// savedStats is the saved form. Beyond says that the deviation is out of range,
// for which JSON has no number.
type savedStats struct {
	Count    int64   `json:"count"`
	Mean     float64 `json:"mean"`
	MeanRest float64 `json:"meanRest"`
	Sum2     float64 `json:"sum2"`
	Sum2Rest float64 `json:"sum2Rest"`
	Beyond   bool    `json:"beyond,omitempty"`
	Min      float64 `json:"min"`
	Max      float64 `json:"max"`
}

func (s *stats) SaveState() ([]byte, error) {
	m := s.moments
	saved := savedStats{m.count, m.mean, m.meanRest, m.sum2, m.sum2Rest, false, m.min, m.max}
	if math.IsInf(m.sum2, 1) {
		saved.Beyond, saved.Sum2 = true, 0
	}
	return json.Marshal(saved)
}

func (s *stats) RestoreState(data []byte) error {
	var m savedStats
	if err := restore("stats", data, &m); err != nil {
		return err
	}
	if m.Count < 0 {
		return atoll.Errorf(atoll.Invalid, "stats", "the saved count is negative")
	}
	if m.Beyond {
		m.Sum2 = math.Inf(1)
	}
	s.moments = moments{m.Count, m.Mean, m.MeanRest, m.Sum2, m.Sum2Rest, m.Min, m.Max}
	return nil
}

// restore decodes saved state; what is no state of that type is Invalid.
func restore(typ string, data []byte, into any) error {
	if err := json.Unmarshal(data, into); err != nil {
		return &atoll.Error{Kind: atoll.Invalid, Op: typ, Msg: "this is no saved state of the actor", Err: err}
	}
	return nil
}
