package actor

import (
	"math"
	"strconv"
	"strings"
)

var pow10 = [...]float64{1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22}

// parseFloat decodes the text of a JSON number. A decimal of up to 15 digits
// is one exact division away; everything else is left to strconv.
func parseFloat(s string) (float64, bool) {
	var m uint64
	digits, frac := 0, -1
	i := 0
	if s[0] == '-' {
		i = 1
	}
	for ; i < len(s); i++ {
		c := s[i]
		if d := c - '0'; d <= 9 {
			m = m*10 + uint64(d)
			digits++
		} else if c == '.' {
			frac = digits
		} else {
			return slowFloat(s)
		}
	}
	if digits > 15 {
		return slowFloat(s)
	}
	f := float64(m)
	if frac >= 0 {
		f /= pow10[digits-frac]
	}
	if s[0] == '-' {
		f = -f
	}
	return f, true
}

func slowFloat(s string) (float64, bool) {
	f, err := strconv.ParseFloat(s, 64)
	return f, err == nil
}

// parseInt decodes the text of a JSON number that is whole and fits.
func parseInt(s string) (int64, bool) {
	if n, err := strconv.ParseInt(s, 10, 64); err == nil {
		return n, true
	}
	d := parseDecimal(s)
	if d.digits == "" {
		return 0, true
	}
	if d.exp < 0 || d.exp > 19 || len(d.digits)+int(d.exp) > 19 {
		return 0, false
	}
	text := d.digits + strings.Repeat("0", int(d.exp))
	if d.neg {
		text = "-" + text
	}
	n, err := strconv.ParseInt(text, 10, 64)
	return n, err == nil
}

// decimal is the value of a number in one form only: digits without zeros at
// either end, times ten to the exp. Zero has no digits.
type decimal struct {
	neg    bool
	digits string
	exp    int64
}

func decimalOf(v Value) decimal {
	t, _ := v.Text()
	return parseDecimal(t)
}

func parseDecimal(s string) decimal {
	var d decimal
	if s[0] == '-' {
		d.neg, s = true, s[1:]
	}
	if i := strings.IndexAny(s, "eE"); i >= 0 {
		// An exponent beyond the range saturates, so that numbers no machine
		// has a use for stay comparable without arithmetic on long texts.
		n, err := strconv.ParseInt(strings.TrimPrefix(s[i+1:], "+"), 10, 64)
		if err != nil {
			n = math.MaxInt64 / 4
			if s[i+1] == '-' {
				n = -n
			}
		}
		d.exp = min(max(n, -math.MaxInt64/4), math.MaxInt64/4)
		s = s[:i]
	}
	if i := strings.IndexByte(s, '.'); i >= 0 {
		d.exp -= int64(len(s) - i - 1)
		s = s[:i] + s[i+1:]
	}
	t := strings.TrimRight(s, "0")
	d.exp += int64(len(s) - len(t))
	d.digits = strings.TrimLeft(t, "0")
	if d.digits == "" {
		return decimal{}
	}
	return d
}

func (d decimal) append(b []byte) []byte {
	if d.neg {
		b = append(b, '-')
	}
	b = append(append(b, d.digits...), 'e')
	return strconv.AppendInt(b, d.exp, 10)
}

// appendFloat writes a finite number as encoding/json does: shortest, with an
// exponent only for the very large and very small.
func appendFloat(b []byte, f float64) []byte {
	format := byte('f')
	if a := math.Abs(f); a != 0 && (a < 1e-6 || a >= 1e21) {
		format = 'e'
	}
	b = strconv.AppendFloat(b, f, format, -1, 64)
	if n := len(b); format == 'e' && n >= 4 && b[n-4] == 'e' && b[n-3] == '-' && b[n-2] == '0' {
		b[n-2] = b[n-1]
		b = b[:n-1]
	}
	return b
}
