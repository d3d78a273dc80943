package main

import (
	"os"
	"strings"
	"testing"
)

func TestTheReadmeShowsThisProgram(t *testing.T) {
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	program, err := os.ReadFile("main.go")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(readme), "```go\n"+strings.TrimSpace(string(program))+"\n```") {
		t.Error("the README shows another program than main.go")
	}
}

func TestTheReadmeShowsTheExampleOfWorkloads(t *testing.T) {
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	examples, err := os.ReadFile("../../platform/example_test.go")
	if err != nil {
		t.Fatal(err)
	}
	_, body, _ := strings.Cut(string(examples), "func ExamplePlatform_Workloads() {\n")
	body, _, ok := strings.Cut(body, "\t// Unordered output:")
	if !ok {
		t.Fatal("the example is not where it was")
	}
	body = strings.ReplaceAll("\n"+body, "\n\t", "\n")
	if !strings.Contains(string(readme), "```go"+body+"```") {
		t.Error("the README shows another example of workloads than that of package platform")
	}
}
