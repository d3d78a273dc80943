package tutum_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/atoll-platform/atoll/httpapi/rest/resttest"
)

func TestNewApplicationsThatAreNotValid(t *testing.T) {
	long := strings.Repeat("x", 64)
	tests := map[string]struct {
		body   string
		fields []string // those at fault
	}{
		"no image":                         {`{}`, []string{"image_tag"}},
		"an image of null":                 {`{"image":null,"image_tag":null}`, []string{"image_tag"}},
		"an empty image":                   {`{"image":""}`, []string{"image"}},
		"an image that is no text":         {`{"image":7}`, []string{"image"}},
		"an image nobody knows":            {`{"image":"nobody/knows"}`, []string{"image"}},
		"an image_tag nobody knows":        {`{"image_tag":"nobody/knows"}`, []string{"image_tag"}},
		"a tag nobody knows":               {`{"image":"registry.example.com:5000/only/one:v2"}`, []string{"image"}},
		"an image of bad form":             {`{"image":"a//b"}`, []string{"image"}},
		"an image that is too long":        {`{"image":"` + strings.Repeat("a", 256) + `"}`, []string{"image"}},
		"two different images":             {`{"image":"redis","image_tag":"worker"}`, []string{"image_tag"}},
		"an empty name":                    {`{"image":"worker","name":""}`, []string{"name"}},
		"a name with a blank":              {`{"image":"worker","name":"a b"}`, []string{"name"}},
		"a name that begins with a dash":   {`{"image":"worker","name":"-a"}`, []string{"name"}},
		"a name that ends with a dash":     {`{"image":"worker","name":"a-"}`, []string{"name"}},
		"a name of 64 characters":          {`{"image":"worker","name":"` + long + `"}`, []string{"name"}},
		"a name with other letters":        {`{"image":"worker","name":"ä"}`, []string{"name"}},
		"a size in lower case":             {`{"image":"worker","container_size":"xs"}`, []string{"container_size"}},
		"a size there is not":              {`{"image":"worker","container_size":"XXL"}`, []string{"container_size"}},
		"a command that is too long":       {`{"image":"worker","run_command":"` + strings.Repeat("x", 4097) + `"}`, []string{"run_command"}},
		"a command with an open quote":     {`{"image":"worker","run_command":"a 'b"}`, []string{"run_command"}},
		"an entrypoint with an open quote": {`{"image":"worker","entrypoint":"a \"b"}`, []string{"entrypoint"}},
		"a target of 0":                    {`{"image":"worker","target_num_containers":0}`, []string{"target_num_containers"}},
		"a negative target":                {`{"image":"worker","target_num_containers":-1}`, []string{"target_num_containers"}},
		"a target of 101":                  {`{"image":"worker","target_num_containers":101}`, []string{"target_num_containers"}},
		"a target with a fraction":         {`{"image":"worker","target_num_containers":3.0}`, []string{"target_num_containers"}},
		"a target with an exponent":        {`{"image":"worker","target_num_containers":1e1}`, []string{"target_num_containers"}},
		"a target that is a text":          {`{"image":"worker","target_num_containers":"3"}`, []string{"target_num_containers"}},
		"a target that is a boolean":       {`{"image":"worker","target_num_containers":true}`, []string{"target_num_containers"}},
		"a target beyond all numbers":      {`{"image":"worker","target_num_containers":99999999999999999999}`, []string{"target_num_containers"}},
		"ports that are no list":           {`{"image":"worker","container_ports":80}`, []string{"container_ports"}},
		"a port without protocol":          {`{"image":"worker","container_ports":[{"inner_port":80}]}`, []string{"container_ports"}},
		"a port without number":            {`{"image":"worker","container_ports":[{"protocol":"tcp"}]}`, []string{"container_ports"}},
		"port 0":                           {`{"image":"worker","container_ports":[{"protocol":"tcp","inner_port":0}]}`, []string{"container_ports"}},
		"port 65536":                       {`{"image":"worker","container_ports":[{"protocol":"tcp","inner_port":65536}]}`, []string{"container_ports"}},
		"another protocol":                 {`{"image":"worker","container_ports":[{"protocol":"sctp","inner_port":80}]}`, []string{"container_ports"}},
		"the same port twice":              {`{"image":"worker","container_ports":[{"protocol":"tcp","inner_port":80},{"protocol":"TCP","inner_port":80}]}`, []string{"container_ports"}},
		"a chosen outer port":              {`{"image":"worker","container_ports":[{"protocol":"tcp","inner_port":80,"outer_port":80}]}`, []string{"container_ports"}},
		"a variable without key":           {`{"image":"worker","container_envvars":[{"value":"x"}]}`, []string{"container_envvars"}},
		"a variable without value":         {`{"image":"worker","container_envvars":[{"key":"X"}]}`, []string{"container_envvars"}},
		"a key with a dash":                {`{"image":"worker","container_envvars":[{"key":"A-B","value":"x"}]}`, []string{"container_envvars"}},
		"a key that begins with a digit":   {`{"image":"worker","container_envvars":[{"key":"1A","value":"x"}]}`, []string{"container_envvars"}},
		"a key of the platform":            {`{"image":"worker","container_envvars":[{"key":"TUTUM_AUTH","value":"x"}]}`, []string{"container_envvars"}},
		"the same key twice":               {`{"image":"worker","container_envvars":[{"key":"A","value":"x"},{"key":"A","value":"x"}]}`, []string{"container_envvars"}},
		"a value that is a number":         {`{"image":"worker","container_envvars":[{"key":"A","value":1}]}`, []string{"container_envvars"}},
		"a link to nothing":                {`{"image":"worker","linked_to_application":["` + noSuch + `"]}`, []string{"linked_to_application"}},
		"a link that is a number":          {`{"image":"worker","linked_to_application":[7]}`, []string{"linked_to_application"}},
		"a link without target":            {`{"image":"worker","linked_to_application":[{"name":"db"}]}`, []string{"linked_to_application"}},
		"a link with a bad name":           {`{"image":"worker","linked_to_application":[{"to_application":"` + noSuch + `","name":"-db"}]}`, []string{"linked_to_application"}},
		"a policy there is not":            {`{"image":"worker","autorestart":"ON_SUCCESS"}`, []string{"autorestart"}},
		"a policy in lower case":           {`{"image":"worker","autoreplace":"always"}`, []string{"autoreplace"}},
		"an empty policy":                  {`{"image":"worker","autodestroy":""}`, []string{"autodestroy"}},
		"sequential as a number":           {`{"image":"worker","sequential_deployment":1}`, []string{"sequential_deployment"}},
		"another role":                     {`{"image":"worker","roles":["admin"]}`, []string{"roles"}},
		"a role that is a number":          {`{"image":"worker","roles":[1]}`, []string{"roles"}},
		"a host name with a blank":         {`{"image":"worker","web_public_dns":"a b"}`, []string{"web_public_dns"}},
		"a host name that is too long":     {`{"image":"worker","web_public_dns":"` + strings.Repeat("abcdefg.", 32) + `"}`, []string{"web_public_dns"}},
		"everything at once": {`{"image":"nobody/knows","name":"-","container_size":"?","target_num_containers":0,"container_ports":[{"protocol":"x","inner_port":1}],
			"container_envvars":[{"key":"-","value":""}],"linked_to_application":["x"],"autorestart":"?","autoreplace":"?","autodestroy":"?","roles":["?"],"web_public_dns":"?"}`,
			[]string{"autodestroy", "autoreplace", "autorestart", "container_envvars", "container_ports", "container_size", "image", "linked_to_application", "name", "roles", "target_num_containers", "web_public_dns"}},
	}
	in(t, func(e *env) {
		for name, tt := range tests {
			r := e.neo().post(apps, tt.body)
			if r.Status != 400 {
				t.Errorf("%s: %d %s", name, r.Status, r.Body)
				continue
			}
			r.is(400, "")
			got := map[string][]string{}
			for field, texts := range r.object()["application"].(map[string]any) {
				for _, text := range texts.([]any) {
					got[field] = append(got[field], text.(string))
				}
			}
			want := map[string][]string{}
			for _, f := range tt.fields {
				want[f] = got[f]
				if got[f] == nil {
					want[f] = []string{"a text"}
				}
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", name, diff)
			}
		}
		e.neo().get(apps).is(200, `{"meta":{"limit":25,"next":null,"offset":0,"previous":null,"total_count":0},"objects":[]}`)
	})
}

func TestNewApplications(t *testing.T) {
	tests := map[string]struct {
		body string
		want map[string]string // members, as JSON
	}{
		"an image with namespace":  {`{"image":"tutum/hello-world"}`, map[string]string{"name": `"hello-world"`, "image_name": `"tutum/hello-world:latest"`}},
		"an image_tag with a tag":  {`{"image_tag":"tutum/hello-world:v1.2"}`, map[string]string{"name": `"hello-world"`, "image_tag": `"/api/v1/image/tutum/hello-world/tag/v1.2/"`}},
		"an image as a link":       {`{"image":"/api/v1/image/tutum/hello-world/tag/latest/"}`, map[string]string{"image_name": `"tutum/hello-world:latest"`}},
		"both, that mean the same": {`{"image":"redis","image_tag":"/api/v1/image/redis/tag/latest/"}`, map[string]string{"image_name": `"redis:latest"`}},
		"a registry with a port": {`{"image":"registry.example.com:5000/only/one:v1"}`,
			map[string]string{"name": `"one"`, "image_name": `"registry.example.com:5000/only/one:v1"`, "image_tag": `"/api/v1/image/registry.example.com:5000/only/one/tag/v1/"`}},
		"defaults of the image": {`{"image":"worker"}`, map[string]string{"entrypoint": `"work"`, "run_command": `""`, "container_ports": `[]`, "container_size": `"XS"`}},
		"commands of its own":   {`{"image":"worker","entrypoint":"/bin/x","run_command":"a 'b c'"}`, map[string]string{"entrypoint": `"/bin/x"`, "run_command": `"a 'b c'"`}},
		"null is nothing": {`{"image":"worker","name":null,"container_size":null,"run_command":null,"entrypoint":null,"target_num_containers":null,"container_ports":null,"container_envvars":null,
			"linked_to_application":null,"autorestart":null,"autoreplace":null,"autodestroy":null,"sequential_deployment":null,"roles":null,"web_public_dns":null}`,
			map[string]string{"name": `"worker"`, "target_num_containers": `1`, "autorestart": `"OFF"`, "roles": `[]`, "web_public_dns": `null`}},
		"members nobody knows":     {`{"image":"worker","entrypoiny":"/x","state":"Running","uuid":"x","extra":{"a":[1]}}`, map[string]string{"entrypoint": `"work"`, "state": `"Starting"`}},
		"of duplicates the last":   {`{"image":"nobody/knows","name":"a","image":"worker","name":"b"}`, map[string]string{"name": `"b"`}},
		"a name of 63 characters":  {`{"image":"worker","name":"` + strings.Repeat("x", 63) + `"}`, map[string]string{"name": `"` + strings.Repeat("x", 63) + `"`}},
		"a name of one character":  {`{"image":"worker","name":"x"}`, map[string]string{"unique_name": `"x"`}},
		"all policies and a size":  {`{"image":"worker","container_size":"XL","autorestart":"ON_FAILURE","autoreplace":"ALWAYS","autodestroy":"OFF"}`, map[string]string{"container_size": `"XL"`, "autorestart": `"ON_FAILURE"`, "autoreplace": `"ALWAYS"`}},
		"ports in place of those":  {`{"image":"redis","container_ports":[{"protocol":"UDP","inner_port":53},{"protocol":"tcp","inner_port":53,"outer_port":null,"container_cluster":"x"}]}`, map[string]string{}},
		"no ports":                 {`{"image":"redis","container_ports":[]}`, map[string]string{"container_ports": `[]`}},
		"a role in the older form": {`{"image":"worker","roles":["/api/v1/role/global/"]}`, map[string]string{"roles": `["global"]`}},
		"a role twice":             {`{"image":"worker","roles":["global","global"]}`, map[string]string{"roles": `["global"]`}},
		"a host name":              {`{"image":"worker","web_public_dns":"www.example.com"}`, map[string]string{"web_public_dns": `"www.example.com"`}},
		"an empty host name":       {`{"image":"worker","web_public_dns":""}`, map[string]string{"web_public_dns": `null`}},
		"100 containers":           {`{"image":"worker","target_num_containers":100}`, map[string]string{"target_num_containers": `100`, "current_num_containers": `100`}},
		"the longest command":      {`{"image":"worker","run_command":"` + strings.Repeat("x", 4096) + `"}`, map[string]string{}},
		"times are null at first":  {`{"image":"worker"}`, map[string]string{"deployed_datetime": `null`, "started_datetime": `null`, "stopped_datetime": `null`, "destroyed_datetime": `null`, "running_num_containers": `0`}},
	}
	in(t, func(e *env) {
		for name, tt := range tests {
			a := e.neo().create(tt.body)
			for member, want := range tt.want {
				if diff := cmp.Diff(resttest.Decode(t, want), a[member]); diff != "" {
					t.Errorf("%s: %s (-want +got):\n%s", name, member, diff)
				}
			}
			if diff := cmp.Diff(map[string]any{strings.ToUpper(strings.ReplaceAll(a.text("unique_name"), "-", "_")) + "_TUTUM_API_URL": a.uri()}, a["link_variables"]); diff != "" {
				t.Errorf("%s: link_variables (-want +got):\n%s", name, diff)
			}
			e.settle()
			if again := e.neo().app(a); again["target_num_containers"] != a["target_num_containers"] || again.state() != "Running" {
				t.Errorf("%s: a following GET shows less: %v", name, again)
			}
			e.neo().delete(a.uri()).is(202, "") // its name is free
			e.settle()
		}
	})
}

func TestUniqueNames(t *testing.T) {
	in(t, func(e *env) {
		neo := e.neo()
		first := neo.created(`{"image":"worker"}`)
		second := neo.created(`{"image":"worker"}`)
		other := e.as("mia").created(`{"image":"worker"}`)
		if first.text("unique_name") != "worker" || other.text("unique_name") != "worker" || second.text("unique_name") != "worker-"+second.uuid()[:8] || second.text("name") != "worker" {
			t.Errorf("%s, %s, %s", first.text("unique_name"), second.text("unique_name"), other.text("unique_name"))
		}
		if c := neo.con(second, 0); c.text("unique_name") != second.text("unique_name")+"-1" || c.text("name") != "worker" {
			t.Errorf("its container: %v", c)
		}
		neo.delete(first.uri()).is(202, "")
		if third := neo.create(`{"image":"worker"}`); third.text("unique_name") != "worker" {
			t.Errorf("the name of one that is terminated is free: %s", third.text("unique_name"))
		}
		e.settle()
		if again := neo.app(second); again.text("unique_name") != second.text("unique_name") {
			t.Errorf("it changed: %s", again.text("unique_name"))
		}
	})
}

func TestPatch(t *testing.T) {
	in(t, func(e *env) {
		neo := e.neo()
		db := neo.created(`{"image":"redis"}`)
		a := neo.created(`{"image":"tutum/hello-world","name":"web","container_envvars":[{"key":"B","value":"2"},{"key":"A","value":"1"}],"linked_to_application":[{"to_application":"` + db.uri() + `","name":"db"}],
			"roles":["global"],"web_public_dns":"www.example.com","container_size":"S","run_command":"run it"}`)
		same := func(name string, body any) {
			t.Helper()
			r := neo.patch(a.uri(), body)
			if r.Status != 202 {
				t.Fatalf("%s: %d %s", name, r.Status, r.Body)
			}
			if diff := cmp.Diff(neo.app(a), r.object()); diff != "" {
				t.Errorf("%s changed something:\n%s", name, diff)
			}
			if diff := cmp.Diff(a, r.object()); diff != "" {
				t.Errorf("%s changed something (-before +after):\n%s", name, diff)
			}
		}
		same("nothing", nil)
		same("an empty body", "")
		same("an empty object", "{}")
		same("members nobody knows", `{"x":1}`)
		same("read-only members", `{"state":"Stopped","uuid":"x","running_num_containers":-1,"containers":[],"image_name":7,"unique_name":null,"public_dns":{},"link_variables":"x","deployed_datetime":1}`)
		same("nulls", `{"target_num_containers":null,"autorestart":null,"name":null,"image":null}`)
		same("the whole object", map[string]any(a))
		same("what it is made of", `{"image":"tutum/hello-world","image_tag":"tutum/hello-world:latest","name":"web","container_size":"S","run_command":"run it","entrypoint":"",
			"container_ports":[{"protocol":"TCP","inner_port":80}],"container_envvars":[{"key":"A","value":"1"},{"key":"B","value":"2"}],"linked_to_application":[{"to_application":"`+strings.ToUpper(db.uuid())+`","name":"db"}],
			"sequential_deployment":false,"roles":["/api/v1/role/global/"],"web_public_dns":"www.example.com","autorestart":"OFF","target_num_containers":1}`)
		for member, value := range map[string]string{
			"image": `"redis"`, "image_tag": `"tutum/hello-world:v2"`, "name": `"other"`, "container_size": `"M"`, "run_command": `"run"`, "entrypoint": `"x"`, "container_ports": `[]`,
			"container_envvars": `[{"key":"A","value":"2"},{"key":"B","value":"2"}]`, "linked_to_application": `[]`, "sequential_deployment": `true`, "roles": `[]`,
		} {
			neo.patch(a.uri(), fmt.Sprintf(`{"autorestart":"ALWAYS","%s":%s}`, member, value)).fails(400, member+" cannot be changed", member, member+" cannot be changed")
		}
		for body, member := range map[string]string{
			`{"target_num_containers":101}`: "target_num_containers", `{"target_num_containers":-1}`: "target_num_containers", `{"target_num_containers":2.0}`: "target_num_containers",
			`{"autodestroy":"x"}`: "autodestroy", `{"web_public_dns":"a b"}`: "web_public_dns", `{"image":"//"}`: "image", `{"roles":["x"]}`: "roles", `{"name":1}`: "name",
		} {
			r := neo.patch(a.uri(), body).is(400, "").object()
			if fields, _ := r["application"].(map[string]any); len(fields) != 1 || fields[member] == nil {
				t.Errorf("%s: %v", body, r)
			}
		}
		if diff := cmp.Diff(a, neo.app(a)); diff != "" {
			t.Errorf("a refused PATCH changed something (-before +after):\n%s", diff)
		}
		// What may change does so at once, for the containers too.
		r := neo.patch(a.uri(), `{"autorestart":"ALWAYS","autoreplace":"ON_FAILURE","autodestroy":"ALWAYS","web_public_dns":"other.example.com","target_num_containers":2}`).is(202, "").object()
		if r.state() != "Scaling" || r.text("autorestart") != "ALWAYS" || r.text("autoreplace") != "ON_FAILURE" || r.text("autodestroy") != "ALWAYS" || r.text("web_public_dns") != "other.example.com" {
			t.Errorf("accepted: %v", r)
		}
		e.settle()
		for i := range 2 {
			if c := neo.con(a, i); c.text("autorestart") != "ALWAYS" || c.text("autoreplace") != "ON_FAILURE" || c.text("autodestroy") != "ALWAYS" || c.state() != "Running" {
				t.Errorf("container %d: %v", i, c)
			}
		}
		for _, clear := range []string{`null`, `""`} {
			neo.patch(a.uri(), `{"web_public_dns":"again.example.com"}`).is(202, "")
			if r := neo.patch(a.uri(), `{"web_public_dns":`+clear+`}`).is(202, "").object(); r["web_public_dns"] != nil || r.state() != "Running" {
				t.Errorf("%s does not clear: %v", clear, r)
			}
		}
		// A patch of nothing is refused by no state but the end.
		neo.post(a.uri()+"stop/", nil).is(202, "")
		neo.patch(a.uri(), nil).is(202, "")
		e.settle()
		neo.delete(a.uri()).is(202, "")
		e.settle()
		neo.patch(a.uri(), `{"autorestart":"OFF"}`).fails(400, "cannot change application in state Terminated")
	})
}
