//go:build linux

package execdriver_test

import (
	"context"
	"fmt"
	"os"
	"strings"

	"github.com/atoll-platform/atoll/runtime/workload/driver"
	"github.com/atoll-platform/atoll/runtime/workload/driver/execdriver"
)

func ExampleNew() {
	d, err := execdriver.New(execdriver.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer d.Close(context.Background())
	dir, err := os.MkdirTemp("", "instance")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	var log strings.Builder
	h, err := d.Start(context.Background(), &driver.Run{
		Template: &driver.Template{Driver: "exec"}, Proc: driver.Process{Shell: "echo hello $NAME; exit 3"},
		Env: []string{"NAME=atoll"}, Dir: dir, Stdout: &log,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	<-h.Done()
	fmt.Print(log.String())
	fmt.Println("code", h.Exit().Code)
	// Output:
	// hello atoll
	// code 3
}
