package apcera

import (
	"net/http"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/httpapi/rest"
	"github.com/atoll-platform/atoll/policy"
)

// maxBody is the limit of JSON bodies.
const maxBody = 8 << 20

func kind(k atoll.Kind) rest.Case               { return rest.Case{Kind: k} }
func code(k atoll.Kind, c atoll.Code) rest.Case { return rest.Case{Kind: k, Code: c} }

func profile(guard *rest.Guard) rest.Profile {
	return rest.Profile{
		Name: "apcera", Prefix: "/v1", MaxBody: maxBody,
		Accept: rest.HeaderIgnored, Type: rest.HeaderIgnored, Null: rest.NullAbsent, AnyTop: true,
		Query:     rest.QueryRule{FoldNames: true, LooseBools: true},
		Schemes:   []rest.Scheme{{In: rest.InAuthorization, Names: []string{"Bearer"}, Form: policy.Bearer}},
		Challenge: "Bearer",
		Guard:     guard,
		Headers:   http.Header{"Cache-Control": {"no-store"}, "Vary": {"Accept, Authorization"}},
		Renderers: []rest.Renderer{{Media: "application/json"}},
		Options:   rest.OptionsNull,
		Status: map[rest.Case]int{
			kind(atoll.Invalid): 400, kind(atoll.Reference): 404, kind(atoll.Unprocessable): 400, kind(atoll.NotFound): 404,
			kind(atoll.Conflict): 409, kind(atoll.FailedState): 409, kind(atoll.Quota): 403, kind(atoll.Denied): 403,
			kind(atoll.Unauthenticated): 401, kind(atoll.TooLarge): 413, kind(atoll.Overloaded): 503, kind(atoll.Unavailable): 503,
			kind(atoll.Timeout): 503, kind(atoll.Failed): 500, kind(atoll.Internal): 500,
			code(atoll.NotFound, rest.CodeRoute): 404, code(atoll.Invalid, rest.CodeMethod): 405, code(atoll.Invalid, rest.CodeType): 415,
			code(atoll.Invalid, rest.CodeLength): 411, code(atoll.TooLarge, rest.CodeURI): 414,
		},
		Words: map[rest.Case]string{ // else the error's own, which names the thing at fault
			kind(atoll.Unauthenticated):          "Valid credentials are required.",
			code(atoll.NotFound, rest.CodeRoute): "There is nothing at {path}.",
			code(atoll.Invalid, rest.CodeMethod): "{path} does not take {method}.",
		},
		Fail: fail,
	}
}
