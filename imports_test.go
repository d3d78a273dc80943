package atoll_test

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// layers says what each package may import of the module: itself never, the
// packages named, and nothing else. A prefix ending in /... stands for all
// packages below it. An arrow that is not here is a decision to take in the
// design first.
var layers = map[string][]string{
	"":                                   {},
	"internal/store":                     {""},
	"internal/store/storetest":           {"internal/store"},
	"internal/egress":                    {""},
	"policy":                             {"", "internal/store"},
	"policy/policytest":                  {"", "policy"},
	"actor":                              {""},
	"actor/actortest":                    {"", "actor"},
	"actor/builtin":                      {"", "actor", "internal/egress"},
	"tenancy":                            {"", "internal/store", "policy"},
	"runtime":                            {"", "internal/store", "policy", "actor"},
	"runtime/fleet":                      {"", "internal/store", "policy"},
	"runtime/workload":                   {"", "internal/store", "policy", "runtime/fleet", "runtime/workload/driver"},
	"runtime/workload/view":              {"", "policy", "runtime/fleet", "runtime/workload", "runtime/workload/driver"},
	"runtime/fabric":                     {"", "internal/store", "policy", "runtime/fleet", "runtime/workload", "runtime/workload/driver"},
	"runtime/workload/driver":            {"", "runtime/fleet"},
	"runtime/workload/driver/drivertest": {"", "runtime/fleet", "runtime/workload/driver"},
	"runtime/workload/driver/funcdriver": {"", "runtime/fleet", "runtime/workload/driver"},
	"runtime/workload/driver/execdriver": {"", "runtime/fleet", "runtime/workload/driver"},
	"platform": {"", "internal/store", "internal/egress", "policy", "actor", "actor/builtin", "tenancy", "runtime", "runtime/fleet",
		"runtime/workload", "runtime/workload/driver", "runtime/workload/driver/funcdriver", "runtime/fabric"},
	"platform/platformtest": {"", "policy", "actor", "tenancy", "runtime", "runtime/workload", "platform", "httpapi"},
	"httpapi/rest":          {"", "policy"},
	"httpapi/rest/resttest": {"httpapi/rest"},
	"httpapi/coral":         {"", "policy", "actor", "tenancy", "runtime", "runtime/fleet", "platform", "httpapi/rest"},
	"httpapi/apcera":        {"", "policy", "tenancy", "platform", "httpapi/rest"},
	"httpapi/tutum": {"", "policy", "tenancy", "runtime/fleet", "runtime/workload", "runtime/workload/driver", "runtime/workload/view", "runtime/fabric",
		"platform", "httpapi/rest"},
	"httpapi": {"", "policy", "platform", "httpapi/rest", "httpapi/coral", "httpapi/apcera", "httpapi/tutum"},
}

// alone says which packages may import what everybody else must not.
var alone = map[string][]string{
	"github.com/hashicorp/go-memdb":       {"internal/store"},
	"github.com/julienschmidt/httprouter": {"httpapi/rest"},
}

const module = "github.com/atoll-platform/atoll"

func TestImportsFollowTheLayers(t *testing.T) {
	out, err := exec.Command("go", "list", "-json=ImportPath,Imports", "./...").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p struct {
			ImportPath string
			Imports    []string
		}
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return
		} else if err != nil {
			t.Fatal(err)
		}
		name := strings.TrimPrefix(strings.TrimPrefix(p.ImportPath, module), "/")
		if strings.HasPrefix(name, "examples/") {
			continue // programs: they may use all that is public
		}
		allowed, known := layers[name]
		if !known {
			t.Errorf("package %s has no place in the layers", name)
			continue
		}
		for _, imp := range p.Imports {
			if owners, ok := alone[imp]; ok && !slices.Contains(owners, name) {
				t.Errorf("%s imports %s, which belongs to %v alone", name, imp, owners)
			}
			if imp != module && !strings.HasPrefix(imp, module+"/") {
				continue
			}
			if dep := strings.TrimPrefix(strings.TrimPrefix(imp, module), "/"); !slices.Contains(allowed, dep) {
				t.Errorf("%s imports %q: that arrow is not in the layers", name, dep)
			}
		}
	}
}
