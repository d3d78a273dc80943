package main

import (
	"os"
	"strings"
)

//go:generate go run . -twin

// twin makes the program that measures Bento from the one that measures Benthos:
// a fork with other import paths, of which no program can hold both.
func twin(benthos string) string {
	return "// Code generated from ../benthos/main.go by go generate; DO NOT EDIT.\n\n" + strings.NewReplacer(
		"Command benthos", "Command bento", "on Benthos", "on Bento",
		"github.com/redpanda-data/benthos/v4", "github.com/warpstreamlabs/bento", `"benthos"`, `"bento"`,
	).Replace(benthos)
}

func writeTwin() error {
	text, err := os.ReadFile("benthos/main.go")
	if err != nil {
		return err
	}
	return os.WriteFile("bento/main.go", []byte(twin(string(text))), 0o644)
}
