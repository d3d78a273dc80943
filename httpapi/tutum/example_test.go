package tutum_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"strings"

	"github.com/atoll-platform/atoll/httpapi/rest"
	"github.com/atoll-platform/atoll/httpapi/tutum"
	"github.com/atoll-platform/atoll/platform"
	"github.com/atoll-platform/atoll/runtime/workload/driver"
	"github.com/atoll-platform/atoll/runtime/workload/driver/funcdriver"
)

// A registered function is an image. The API makes applications of it, for
// accounts with keys.
func ExampleNew() {
	p, err := platform.New(platform.WithKey("ann", strings.Repeat("0123456789", 4)))
	if err != nil {
		fmt.Println(err)
		return
	}
	hello := func(ctx context.Context, t *funcdriver.Task) error {
		<-ctx.Done()
		return nil
	}
	if err := p.Functions().Register("demo/hello", hello, driver.Image{Command: "--port 80"}); err != nil {
		fmt.Println(err)
		return
	}
	if err := p.Start(context.Background()); err != nil {
		fmt.Println(err)
		return
	}
	defer p.Shutdown(context.Background())

	dialect, err := tutum.New(p, tutum.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	server, err := rest.NewServer(rest.Options{Authenticator: p.Authenticator().NamedKeys()}, dialect)
	if err != nil {
		fmt.Println(err)
		return
	}
	r := httptest.NewRequest("POST", "/api/v1/application/", strings.NewReader(`{"image": "demo/hello", "target_num_containers": 2}`))
	r.Header.Set("Authorization", "ApiKey ann:"+strings.Repeat("0123456789", 4))
	w := httptest.NewRecorder()
	server.ServeHTTP(w, r)
	var a struct {
		UniqueName string `json:"unique_name"`
		State      string
		RunCommand string `json:"run_command"`
		Containers []string
	}
	if err := json.Unmarshal(w.Body.Bytes(), &a); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(w.Code, a.UniqueName, a.State, a.RunCommand, len(a.Containers))
	// Output:
	// 202 hello Starting --port 80 2
}
