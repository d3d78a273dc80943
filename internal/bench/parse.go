package main

import (
	"encoding/json"

	"github.com/bytedance/sonic"
	"github.com/valyala/fastjson"

	"github.com/atoll-platform/atoll/actor"
)

// parses times a parser on the text of the events. What it makes belongs to the
// caller: it does not end with the next call.
func parses(parse func(text []byte) error) func(n int) float64 {
	return func(n int) float64 {
		b := []byte(text)
		return perOp(n, func() {
			for range n {
				if err := parse(b); err != nil {
					panic(err)
				}
			}
		})
	}
}

func atollParse(text []byte) error {
	_, err := actor.Parse(text)
	return err
}

// fastjsonParse makes a tree of values; a parser that is used again would end it.
func fastjsonParse(text []byte) error {
	_, err := fastjson.ParseBytes(text)
	return err
}

// reusedParse is what scanning alone costs: its values end with the next call.
func reusedParse() func(text []byte) error {
	var p fastjson.Parser
	return func(text []byte) error {
		_, err := p.ParseBytes(text)
		return err
	}
}

func sonicParse(text []byte) error {
	var m map[string]any
	return sonic.Unmarshal(text, &m)
}

func standardParse(text []byte) error {
	var m map[string]any
	return json.Unmarshal(text, &m)
}
