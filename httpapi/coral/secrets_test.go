package coral_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/atoll-platform/atoll/platform"
)

func TestSecretsAreNeverShown(t *testing.T) {
	const admin, first, second, wrong, setting = "Planted-Secret-0", "Planted-Secret-1", "Planted-Secret-2", "Planted-Secret-3", "Planted-Secret-4"
	e := bare(t, []platform.Option{platform.WithAdmin("boss", admin), platform.WithSettings(map[string]any{
		"coral.cassandra.password": setting, "kafka.producer.ssl.key.password": setting, "coral.authentication.ldap.bind-secret": setting, "coral.log-level": "DEBUG"})})
	boss := caller{e, e.http.Basic("boss", admin)}
	var seen strings.Builder
	look := func(r *reply) *reply {
		fmt.Fprintln(&seen, r.Call, r.Header, r.Body)
		if r.Access.Err != nil {
			fmt.Fprintln(&seen, r.Access.Err)
		}
		return r
	}
	user := func(name, password string) string {
		return `{"uniqueName":"` + name + `","fullName":"X","email":"` + name + `@x.example","password":` + password + `}`
	}
	look(boss.post("/api/users", user("neo", `"`+first+`"`))).is(201, "")
	look(boss.post("/api/users", user("neo", `"`+second+`"`))).is(409, "")
	look(boss.post("/api/users", user("bad-name", `"`+second+`"`))).is(400, "")
	look(boss.post("/api/users", user("other", `{"x":"`+second+`"}`))).is(400, "")
	look(boss.post("/api/users", user("other", `["`+second+`"]`))).is(400, "")
	look(boss.post("/api/users", `{"uniqueName":"`+second+`","fullName":"X","email":"y@x","password":"`+second+`"}`))
	look(boss.post("/api/users", user("cut", `"`+second)))
	look(boss.patch("/api/users/neo", `{"password":"`+second+`","email":"bad"}`)).is(400, "")
	look(boss.patch("/api/users/neo", `{"password":"`+second+`"}`)).is(200, "")
	look(boss.patch("/api/users/nobody", `{"password":"`+second+`"}`)).is(404, "")
	look(boss.patch("/api/platform/settings", `{"coral.cassandra.password":"`+second+`"}`)).is(409, "")
	look(boss.patch("/api/platform/settings", `{"coral.cassandra.password":["`+second+`"]}`)).is(400, "")
	look(boss.patch("/api/platform/settings", `{"coral.authentication.admin.password":"`+second+`"}`)).is(409, "")
	neo := caller{e, e.http.Basic("neo", second)}
	look(neo.get("/api/users/neo")).is(200, "")
	look(neo.get("/api/users")).is(403, "")
	look(neo.get("/api/runtimes/" + strings.Repeat("x", 100)))
	for range 25 { // beyond the throttle
		look(caller{e, e.http.Basic("neo", wrong)}.get("/api/users/neo"))
	}
	look(caller{e, e.http.Basic(wrong, wrong)}.get("/"))
	for _, path := range []string{"/api/users", "/api/users/neo", "/api/platform/settings", "/api/platform/stats"} {
		look(boss.get(path)).is(200, "")
	}
	for where, text := range map[string]string{"an answer or an error": strings.ReplaceAll(seen.String(), `"uniqueName":"`+second, ""), "the log": e.log.String()} {
		for _, secret := range []string{admin, first, wrong, setting} {
			if i := strings.Index(text, secret); i >= 0 {
				t.Errorf("%s shows %s: …%s…", where, secret, text[max(0, i-200):min(len(text), i+200)])
			}
		}
		for line := range strings.Lines(text) {
			if strings.Contains(line, second) && !strings.Contains(line, `uniqueName`) {
				t.Errorf("%s shows %s: %s", where, second, line)
			}
		}
	}
	items, _, err := e.p.Audit(t.Context(), platform.AuditQuery{Limit: 1000})
	if err != nil || len(items) == 0 {
		t.Fatalf("%d audit items, %v", len(items), err)
	}
	for _, item := range items {
		text := fmt.Sprintf("%+v %s", item, item.Payload)
		for _, secret := range []string{admin, first, second, wrong, setting} {
			if strings.Contains(text, secret) {
				t.Errorf("the audit log shows %s: %s", secret, text)
			}
		}
	}
}
