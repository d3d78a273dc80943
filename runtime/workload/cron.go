package workload

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/atoll-platform/atoll"
)

// Cron is a time that comes again and again, by the clocks of a zone.
//
// A time that a change of the clocks leaves out comes as they go on; one that they
// show twice comes once, the first time. Of a Cron that holds in every hour
// neither is so: it goes by the minutes that pass.
type Cron struct {
	minutes, hours, days, months, weekdays uint64 // bit n: n is in it
	anyDay, anyWeekday                     bool
	zone                                   *time.Location
}

// cronFields are the bounds of the five fields.
var cronFields = [5]struct {
	name     string
	low, top int
}{{"minute", 0, 59}, {"hour", 0, 23}, {"day", 1, 31}, {"month", 1, 12}, {"weekday", 0, 6}}

// maxCron is the length of the longest text that ParseCron reads.
const maxCron = 200

// ParseCron reads five fields: minute, hour, day of the month, month and
// weekday, 0 being Sunday; each is *, or a list of numbers and ranges, either with
// a step. If both day and weekday are given, one of them has to fit. An empty zone
// is UTC; others are those that the program finds, where the system has none in
// time/tzdata. Invalid names every field that is wrong, and a time that never comes.
func ParseCron(text, zone string) (*Cron, error) {
	const op = "workload.ParseCron"
	var f findings
	c := &Cron{zone: time.UTC}
	if zone != "" {
		loc, err := time.LoadLocation(zone)
		if err != nil || zone == "Local" || len(zone) > 100 {
			f.add("zone", "unknown", "%.100q is no time zone", zone)
		} else {
			c.zone = loc
		}
	}
	words := strings.Fields(text)
	if len(text) > maxCron || len(words) != len(cronFields) {
		f.add("cron", "form", "a time has five fields: minute hour day month weekday")
	} else {
		sets := [5]*uint64{&c.minutes, &c.hours, &c.days, &c.months, &c.weekdays}
		for k, word := range words {
			set, ok := cronField(word, cronFields[k].low, cronFields[k].top)
			if !ok {
				f.add("cron", "form", "%.40q is no %s: a list of numbers from %d to %d, ranges and steps", word, cronFields[k].name, cronFields[k].low, cronFields[k].top)
			}
			*sets[k] = set
		}
		c.anyDay, c.anyWeekday = strings.HasPrefix(words[2], "*"), strings.HasPrefix(words[4], "*")
	}
	if len(f) == 0 && c.Next(time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)).IsZero() {
		f.add("cron", "never", "%.40q never comes", text)
	}
	if len(f) > 0 {
		return nil, &atoll.Error{Kind: atoll.Invalid, Op: op, Msg: fmt.Sprintf("%.100q is no time that comes again", text), Findings: f}
	}
	return c, nil
}

// cronField reads one field.
func cronField(text string, low, top int) (set uint64, ok bool) {
	for _, part := range strings.Split(text, ",") {
		span, stepText, stepped := strings.Cut(part, "/")
		step := 1
		if stepped {
			n, ok := cronNumber(stepText, 1, top)
			if !ok {
				return 0, false
			}
			step = n
		}
		from, to := low, top
		if span != "*" {
			first, last, ranged := strings.Cut(span, "-")
			var good bool
			if from, good = cronNumber(first, low, top); !good {
				return 0, false
			}
			switch {
			case ranged:
				if to, good = cronNumber(last, from, top); !good {
					return 0, false
				}
			case !stepped:
				to = from
			}
		}
		for n := from; n <= to; n += step {
			set |= 1 << n
		}
	}
	return set, true
}

func cronNumber(text string, low, top int) (int, bool) {
	if text == "" || len(text) > 2 || text[0] < '0' || text[0] > '9' {
		return 0, false
	}
	n, err := strconv.Atoi(text)
	return n, err == nil && n >= low && n <= top
}

// cronHorizon is how many days are searched: leap days are at most eight years apart.
const cronHorizon = 8*366 + 1

const everyHour = 1<<24 - 1

// Next returns the first time behind after, in UTC; zero if there is none.
func (c *Cron) Next(after time.Time) time.Time {
	at := after.In(c.zone)
	y, m, d := at.Date()
	for k := range cronHorizon {
		// At noon every day has its date, whatever the clocks do at night.
		day := time.Date(y, m, d+k, 12, 0, 0, 0, c.zone)
		if !c.on(day) {
			continue
		}
		if t := c.within(day, after); !t.IsZero() {
			return t.UTC()
		}
	}
	return time.Time{}
}

// on reports whether the time comes on a day.
func (c *Cron) on(day time.Time) bool {
	if c.months&(1<<day.Month()) == 0 {
		return false
	}
	byDay, byWeekday := c.days&(1<<day.Day()) != 0, c.weekdays&(1<<day.Weekday()) != 0
	if c.anyDay || c.anyWeekday {
		return byDay && byWeekday
	}
	return byDay || byWeekday
}

// within returns the first time of a day behind after; zero if there is none.
func (c *Cron) within(day, after time.Time) time.Time {
	y, m, d := day.Date()
	if c.hours == everyHour {
		begin := midnight(y, m, d, c.zone)
		if t := after.Truncate(time.Minute).Add(time.Minute); t.After(begin) {
			begin = t
		}
		for t, end := begin, midnight(y, m, d+1, c.zone); t.Before(end); t = t.Add(time.Minute) {
			if c.minutes&(1<<t.In(c.zone).Minute()) != 0 {
				return t
			}
		}
		return time.Time{}
	}
	var first time.Time
	for h := range 24 {
		if c.hours&(1<<h) == 0 {
			continue
		}
		for minute := range 60 {
			if c.minutes&(1<<minute) == 0 {
				continue
			}
			t := shown(y, m, d, h, minute, c.zone)
			if t.After(after) && (first.IsZero() || t.Before(first)) {
				first = t
			}
		}
		if !first.IsZero() {
			break
		}
	}
	return first
}

// midnight returns the begin of a day, which may be later than 0:00.
func midnight(y int, m time.Month, d int, zone *time.Location) time.Time {
	return shown(y, m, d, 0, 0, zone)
}

// shown returns when the clocks first show a time; if they leave it out, when
// they go on.
func shown(y int, m time.Month, d, h, minute int, zone *time.Location) time.Time {
	t := time.Date(y, m, d, h, minute, 0, 0, zone)
	want := time.Date(y, m, d, h, minute, 0, 0, time.UTC)
	wall := func(t time.Time) time.Time {
		t = t.In(zone)
		return time.Date(t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), 0, 0, time.UTC)
	}
	begin, end := t.ZoneBounds()
	if !wall(t).Equal(want) { // left out: the change is at the begin or the end of where t has come to lie
		if wall(t).After(want) {
			return begin
		}
		return end
	}
	if !begin.IsZero() { // shown before the last change too?
		_, now := t.Zone()
		_, before := begin.Add(-time.Second).Zone()
		if earlier := t.Add(time.Duration(now-before) * time.Second); earlier.Before(begin) && wall(earlier).Equal(want) {
			return earlier
		}
	}
	return t
}
