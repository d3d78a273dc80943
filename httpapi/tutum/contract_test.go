package tutum_test

import (
	"os"
	"strings"
	"testing"

	"github.com/atoll-platform/atoll/httpapi/rest"
	"github.com/atoll-platform/atoll/httpapi/rest/resttest"
	"github.com/atoll-platform/atoll/httpapi/tutum"
	"github.com/atoll-platform/atoll/platform"
)

const (
	apps      = "/api/v1/application/"
	cons      = "/api/v1/container/"
	noSuch    = "0b2c7a3e-1111-4222-8333-444455556666"
	oneApp    = "/api/v1/application/{uuid}"
	oneCon    = "/api/v1/container/{uuid}"
	wholeBody = 1 << 20
)

// contract is what the API is held to.
var contract = resttest.Contract{New: newDialect, Rows: []resttest.Row{
	call("T1", "GET /api/v1/application", 200, false, 400),
	call("T2", "POST /api/v1/application", 202, true, 400, 403),
	call("T3", "GET "+oneApp, 200, false, 404),
	call("T4", "PATCH "+oneApp, 202, true, 400, 403, 404),
	call("T5", "POST "+oneApp+"/start", 202, false, 400, 403, 404),
	call("T6", "POST "+oneApp+"/stop", 202, false, 400, 403, 404),
	call("T7", "DELETE "+oneApp, 202, false, 400, 403, 404),
	call("T8", "GET /api/v1/container", 200, false, 400),
	call("T9", "GET "+oneCon, 200, false, 404),
	call("T10", "POST "+oneCon+"/start", 202, false, 400, 403, 404),
	call("T11", "POST "+oneCon+"/stop", 202, false, 400, 403, 404),
	call("T12", "GET "+oneCon+"/logs", 200, false, 400, 404),
	call("T13", "DELETE "+oneCon, 202, false, 400, 403, 404),
	call("E1", "GET "+oneApp+"/logs", 200, false, 400, 404),
	call("E2", "POST "+oneApp+"/redeploy", 202, true, 400, 403, 404),
	call("E3", "POST "+oneCon+"/redeploy", 202, true, 400, 403, 404),
}}

// call is a row. Every row may answer 401, 413 for a body beyond the limit, 415
// for Accept, 429 and 503 besides.
func call(id, route string, ok int, body bool, errors ...int) resttest.Row {
	return resttest.Row{ID: id, Routes: route, OK: []int{ok}, Errors: errors, Alike: []int{401, 413, 415, 429, 503}, Body: body}
}

func newDialect() (*rest.Dialect, error) {
	p, err := platform.New()
	if err != nil {
		return nil, err
	}
	return tutum.New(p, tutum.Options{})
}

// target is one of the row, of the object with that uuid.
func target(r *resttest.Row, uuid string) string {
	return strings.ReplaceAll(r.Path(), "{uuid}", uuid) + "/"
}

func TestTheTableIsTheContract(t *testing.T) { contract.Table(t) }

// TestMain runs the tests and then asks whether they have shown every status
// of every row.
func TestMain(m *testing.M) { os.Exit(contract.Main(m)) }
