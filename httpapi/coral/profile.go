package coral

import (
	"net/http"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/httpapi/rest"
	"github.com/atoll-platform/atoll/policy"
	"github.com/atoll-platform/atoll/runtime"
)

// timeForm is how the API writes times: UTC without a zone.
const timeForm = "2006-01-02T15:04:05.000"

func kind(k atoll.Kind) rest.Case               { return rest.Case{Kind: k} }
func code(k atoll.Kind, c atoll.Code) rest.Case { return rest.Case{Kind: k, Code: c} }
func profile(implicit func() bool) rest.Profile {
	return rest.Profile{
		Name: "coral", Prefix: "/api", Time: timeForm,
		Schemes:   []rest.Scheme{{In: rest.InAuthorization, Names: []string{"Basic"}, Form: policy.Basic}},
		Challenge: `Basic realm="Coral"`,
		Guard:     &rest.Guard{SameOrigin: true, Local: implicit},
		Headers:   http.Header{"Cache-Control": {"no-store"}, "Vary": {"Authorization"}},
		Renderers: []rest.Renderer{{Media: "application/json", Type: "application/json; charset=UTF-8"}},
		Status: map[rest.Case]int{
			kind(atoll.Invalid): 400, kind(atoll.Reference): 400, kind(atoll.Unprocessable): 422, kind(atoll.NotFound): 404,
			kind(atoll.Conflict): 409, kind(atoll.FailedState): 409, kind(atoll.Quota): 409,
			code(atoll.FailedState, runtime.CopyCode): 405,
			kind(atoll.Denied):                        403, code(atoll.Denied, atoll.NotOwner): 401, kind(atoll.Unauthenticated): 401,
			kind(atoll.TooLarge): 413, kind(atoll.Overloaded): 429, kind(atoll.Unavailable): 503, kind(atoll.Timeout): 504,
			kind(atoll.Failed): 500, kind(atoll.Internal): 500,
			code(atoll.NotFound, rest.CodeRoute): 404, code(atoll.Invalid, rest.CodeMethod): 405, code(atoll.Invalid, rest.CodeAccept): 406,
			code(atoll.Invalid, rest.CodeType): 415, code(atoll.TooLarge, rest.CodeURI): 414,
		},
		Words: map[rest.Case]string{ // what the error knows better is in reason
			kind(atoll.Unauthenticated):          "Valid credentials are required.",
			kind(atoll.Denied):                   "You may not {method} {path}.",
			code(atoll.Denied, atoll.NotOwner):   "The owner in the definition is not the logged-in user.",
			kind(atoll.NotFound):                 "No {type} {id}.",
			code(atoll.NotFound, rest.CodeRoute): "There is nothing at {path}.",
			code(atoll.Invalid, rest.CodeMethod): "{path} does not take {method}.",
			code(atoll.Invalid, rest.CodeAccept): "Only application/json can be returned.",
			code(atoll.Invalid, rest.CodeType):   "Only application/json is accepted.",
			kind(atoll.Unprocessable):            "The actor could not process this event.",
		},
		Fail: fail,
	}
}
