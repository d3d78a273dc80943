// Package flightdata holds 5,000 domestic flights of the United States in early
// 2001 (date, delay in minutes, distance in miles, origin, destination), from
// the on-time records of the Bureau of Transportation Statistics, which are in
// the public domain, and the statistics of their delays by origin, which were
// computed independently of this module.
package flightdata

import _ "embed"

// Records is the flights, one JSON object a line.
//
//go:embed flights-5k.ndjson
var Records []byte

// DelayByOrigin is a CSV table with a header line: origin, count, min, max,
// mean, sd_sample, sd_population.
//
//go:embed flights-5k-delay-by-origin.csv
var DelayByOrigin []byte
