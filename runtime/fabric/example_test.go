package fabric_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"net"

	"github.com/atoll-platform/atoll/internal/store"
	"github.com/atoll-platform/atoll/policy"
	"github.com/atoll-platform/atoll/runtime/fabric"
	"github.com/atoll-platform/atoll/runtime/fleet"
	"github.com/atoll-platform/atoll/runtime/workload"
	"github.com/atoll-platform/atoll/runtime/workload/driver"
	"github.com/atoll-platform/atoll/runtime/workload/driver/funcdriver"
)

// services makes a started service of workloads, and what connects them, with
// functions that are images of their name.
func services(images map[string]driver.Image, funcs map[string]funcdriver.Func) (*fabric.Service, *workload.Service) {
	ctx := context.Background()
	st, err := store.Open(append(append(workload.Tables(), fleet.Tables()...), fabric.Tables()...))
	if err != nil {
		log.Fatal(err)
	}
	machines := fleet.New(st, nil, nil)
	if err := machines.RegisterLocal(ctx, "127.0.0.1", 2551); err != nil {
		log.Fatal(err)
	}
	d := funcdriver.New()
	for name, f := range funcs {
		if err := d.Register(name, f, images[name]); err != nil {
			log.Fatal(err)
		}
	}
	known := fabric.NewImages()
	known.Ask(d)
	s := fabric.New(st, nil, fabric.WithImages(known))
	ws, err := workload.New(st, nil, machines, []driver.Driver{d}, s.Options()...)
	if err != nil {
		log.Fatal(err)
	}
	s.Bind(ws)
	if err := ws.Start(ctx); err != nil {
		log.Fatal(err)
	}
	return s, ws
}

// of describes one instance of an image.
func of(image string) fabric.NewApplication {
	ref, err := fabric.ParseReference(image)
	if err != nil {
		log.Fatal(err)
	}
	return fabric.NewApplication{Image: ref, NewWorkload: workload.NewWorkload{
		FQN: policy.FQN{Type: "job", Namespace: "/sandbox/neo", Local: ref.Name()}, Count: 1, State: workload.Started,
		Spec: workload.Spec{Behave: workload.Behave{Env: workload.EnvContainer, Index: workload.Ascending, Strict: true}},
	}}
}

// A greeter serves, and a caller that is linked to it finds it by its variables.
func ExampleService_Create() {
	ctx := context.Background()
	said := make(chan string)
	s, ws := services(
		map[string]driver.Image{"demo/greeter": {Ports: []driver.Port{{Number: 7, Proto: "tcp"}}}},
		map[string]funcdriver.Func{
			"demo/greeter": func(ctx context.Context, t *funcdriver.Task) error {
				l, err := t.Listen(7)
				if err != nil {
					return err
				}
				context.AfterFunc(ctx, func() { _ = l.Close() })
				for {
					c, err := l.Accept()
					if err != nil {
						return nil
					}
					fmt.Fprint(c, "hello from port 7")
					_ = c.Close()
				}
			},
			"demo/caller": func(ctx context.Context, t *funcdriver.Task) error {
				c, err := net.Dial("tcp", net.JoinHostPort(t.Getenv("GREETER_1_PORT_7_TCP_ADDR"), t.Getenv("GREETER_1_PORT_7_TCP_PORT")))
				if err != nil {
					return err
				}
				text, err := io.ReadAll(c)
				said <- string(text)
				return err
			},
		})
	defer ws.Shutdown(ctx)

	greeter := of("demo/greeter")
	greeter.Spec.Verify.Ports = true // it runs once it listens
	target, err := s.Create(ctx, greeter)
	if err != nil {
		log.Fatal(err)
	}
	caller := of("demo/caller")
	caller.Links = []fabric.NewLink{{Target: target.Workload.ID}}
	if _, err := s.Create(ctx, caller); err != nil {
		log.Fatal(err)
	}
	fmt.Println(<-said)
	// Output:
	// hello from port 7
}

// Images say what a name runs. Callers give names alone.
func ExampleImages() {
	images := fabric.NewImages()
	for _, m := range []fabric.Image{
		{Name: "demo/web", Driver: "func", Func: "web"},
		{Name: "demo/web:next", Driver: "func", Func: "web2", Command: "--try 'new things'"},
	} {
		if err := images.Register(m); err != nil {
			log.Fatal(err)
		}
	}
	for _, name := range []string{"demo/web:1.0", "/api/v1/image/demo/web/tag/next/", "demo/other"} {
		ref, err := fabric.ParseReference(name)
		if err != nil {
			log.Fatal(err)
		}
		if m, ok := images.Resolve(ref); ok {
			words, _ := driver.SplitWords(m.Command)
			fmt.Printf("%s runs %s with %q\n", ref, m.Func, words)
		} else {
			fmt.Printf("%s is not known\n", ref)
		}
	}
	// Output:
	// demo/web:1.0 runs web with []
	// demo/web:next runs web2 with ["--try" "new things"]
	// demo/other:latest is not known
}

// A redeploy takes the image with another tag.
func ExampleService_Redeploy() {
	ctx := context.Background()
	tags := make(chan string)
	s, ws := services(nil, map[string]funcdriver.Func{"app": func(ctx context.Context, t *funcdriver.Task) error {
		tags <- t.Command()[0]
		<-ctx.Done()
		return nil
	}})
	defer ws.Shutdown(ctx)
	for _, tag := range []string{"1", "2"} {
		if err := s.Images().Register(fabric.Image{Name: "shop:" + tag, Driver: "func", Func: "app", Command: "version-" + tag}); err != nil {
			log.Fatal(err)
		}
	}
	sn, err := s.Create(ctx, of("shop:1"))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(<-tags)
	tag := "2"
	if sn, err = s.Redeploy(ctx, sn.Workload.ID, &tag); err != nil {
		log.Fatal(err)
	}
	fmt.Println(<-tags, sn.Workload.Spec.Image)
	// Output:
	// version-1
	// version-2 shop:2
}
