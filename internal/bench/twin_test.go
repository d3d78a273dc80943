package main

import (
	"os"
	"testing"
)

func TestTheTwinIsFresh(t *testing.T) {
	benthos, err := os.ReadFile("benthos/main.go")
	if err != nil {
		t.Fatal(err)
	}
	bento, err := os.ReadFile("bento/main.go")
	if err != nil {
		t.Fatal(err)
	}
	if twin(string(benthos)) != string(bento) {
		t.Error("bento/main.go is not what go generate makes of benthos/main.go")
	}
}
