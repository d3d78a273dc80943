package tutum

import (
	"net/http"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/httpapi/rest"
	"github.com/atoll-platform/atoll/policy"
)

// prefix is where the API lies. Links begin with exactly this and a slash,
// wherever the handler is mounted: clients cut so many characters off.
const prefix = "/api/v1"

// timeForm is how the API writes times, in UTC: the day without a leading zero.
const timeForm = "Mon, 2 Jan 2006 15:04:05 -0700"

func kind(k atoll.Kind) rest.Case               { return rest.Case{Kind: k} }
func code(k atoll.Kind, c atoll.Code) rest.Case { return rest.Case{Kind: k, Code: c} }

func profile(guard *rest.Guard) rest.Profile {
	return rest.Profile{
		Name: "tutum", Prefix: prefix, Time: timeForm,
		Slash: rest.SlashRedirect, Null: rest.NullAbsent,
		Schemes: []rest.Scheme{
			{In: rest.InAuthorization, Names: []string{"ApiKey"}, Form: policy.ApiKey},
			{In: rest.InAuthorization, Names: []string{"Basic"}, Form: policy.Basic},
		},
		Challenge: "ApiKey",
		Guard:     guard,
		Headers:   http.Header{"Cache-Control": {"must-revalidate, max-age=0"}, "Vary": {"Accept, Authorization, Cookie"}},
		Renderers: []rest.Renderer{{Media: "application/json"}},
		Options:   rest.OptionsObject,
		Status: map[rest.Case]int{
			kind(atoll.Invalid): 400, kind(atoll.Reference): 400, kind(atoll.Unprocessable): 400, kind(atoll.NotFound): 404,
			kind(atoll.Conflict): 400, kind(atoll.FailedState): 400, kind(atoll.Quota): 400, kind(atoll.Denied): 403,
			kind(atoll.Unauthenticated): 401, kind(atoll.TooLarge): 413, kind(atoll.Overloaded): 429, kind(atoll.Unavailable): 503,
			kind(atoll.Timeout): 503, kind(atoll.Failed): 500, kind(atoll.Internal): 500,
			code(atoll.NotFound, rest.CodeRoute): 404, code(atoll.Invalid, rest.CodeMethod): 405, code(atoll.Invalid, rest.CodeAccept): 415,
			code(atoll.Invalid, rest.CodeType): 415, code(atoll.TooLarge, rest.CodeURI): 414,
		},
		Words: map[rest.Case]string{ // else the error's own, which names the object, its state and the operation
			kind(atoll.Unauthenticated):          "Unauthorized",
			kind(atoll.Denied):                   "You may not {method} {path}.",
			kind(atoll.NotFound):                 "There is no {type} {id}.",
			code(atoll.NotFound, rest.CodeRoute): "There is nothing at {path}.",
			code(atoll.Invalid, rest.CodeMethod): "{path} does not take {method}.",
			code(atoll.Invalid, rest.CodeAccept): "Only application/json can be returned.",
			code(atoll.Invalid, rest.CodeType):   "Only application/json is accepted.",
		},
		Fail: fail,
	}
}
