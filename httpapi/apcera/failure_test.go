package apcera

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/httpapi/rest"
)

// TestErrorBodies holds the flags of every kind and code that a service may
// fail with.
func TestErrorBodies(t *testing.T) {
	status := profile(nil).Status
	tests := map[string]struct {
		f    rest.Failure
		want string // the members that are not false, and no code, message, request_id
	}{
		"invalid":            {rest.Failure{Kind: atoll.Invalid}, `{"client_side":true,"fatal":true}`},
		"a method":           {rest.Failure{Kind: atoll.Invalid, Code: rest.CodeMethod}, `{"client_side":true,"fatal":true}`},
		"a type":             {rest.Failure{Kind: atoll.Invalid, Code: rest.CodeType}, `{"client_side":true,"fatal":true}`},
		"no length":          {rest.Failure{Kind: atoll.Invalid, Code: rest.CodeLength}, `{"client_side":true,"fatal":true}`},
		"unprocessable":      {rest.Failure{Kind: atoll.Unprocessable}, `{"client_side":true,"fatal":true}`},
		"too large":          {rest.Failure{Kind: atoll.TooLarge}, `{"client_side":true,"fatal":true}`},
		"not found":          {rest.Failure{Kind: atoll.NotFound}, `{"client_side":true,"fatal":true,"resource_missing":true}`},
		"a reference":        {rest.Failure{Kind: atoll.Reference}, `{"client_side":true,"fatal":true,"resource_missing":true}`},
		"it exists":          {rest.Failure{Kind: atoll.Conflict, Code: atoll.Exists}, `{"client_side":true,"fatal":true,"duplicate_key":true}`},
		"it is stale":        {rest.Failure{Kind: atoll.Conflict, Code: atoll.Stale}, `{"client_side":true,"request_invalid":true}`},
		"it is in use":       {rest.Failure{Kind: atoll.Conflict, Code: atoll.InUse, Details: map[string]any{"references": []string{"job::/a::b"}}}, `{"client_side":true,"fatal":true,"request_invalid":true,"error_details":{"errors":"job::/a::b","references":["job::/a::b"]}}`},
		"a wrong state":      {rest.Failure{Kind: atoll.FailedState}, `{"client_side":true,"fatal":true,"request_invalid":true}`},
		"it runs":            {rest.Failure{Kind: atoll.FailedState, Code: atoll.RequiresRestart}, `{"client_side":true,"request_invalid":true,"requires_restart":true}`},
		"denied":             {rest.Failure{Kind: atoll.Denied, Details: map[string]any{"missing_claims": []string{"permit read on job::/a", "permit update on job::/b::c"}}}, `{"client_side":true,"fatal":true,"missing_claims":"permit read on job::/a, permit update on job::/b::c"}`},
		"a quota":            {rest.Failure{Kind: atoll.Quota, Details: map[string]any{"realm": "quota::/lab", "claim": "total.memory", "limit": 10, "requested": 8, "current": 5}}, `{"client_side":true,"fatal":true,"policy_error":{"kind":"quota","realm":"quota::/lab","claim":"total.memory","limit":10,"requested":8,"current":5}}`},
		"a refused image":    {rest.Failure{Kind: atoll.Quota, Details: map[string]any{"kind": "docker", "realm": "job::/lab", "claim": "docker.allow", "requested": "x"}}, `{"client_side":true,"fatal":true,"policy_error":{"kind":"docker","realm":"job::/lab","claim":"docker.allow","limit":null,"requested":"x","current":null}}`},
		"who calls":          {rest.Failure{Kind: atoll.Unauthenticated}, `{"client_side":true,"token_invalid":true}`},
		"busy":               {rest.Failure{Kind: atoll.Overloaded, RetryAfter: 3}, `{"retry":true,"try_again_in_ms":3000}`},
		"shut down":          {rest.Failure{Kind: atoll.Unavailable}, `{"retry":true,"try_again_in_ms":1000}`},
		"no answer in time":  {rest.Failure{Kind: atoll.Timeout}, `{"retry":true,"try_again_in_ms":1000}`},
		"a defect":           {rest.Failure{Kind: atoll.Internal}, `{}`},
		"the outside failed": {rest.Failure{Kind: atoll.Failed}, `{}`},
	}
	covered := map[atoll.Kind]bool{atoll.Canceled: true} // nothing is answered then
	for name, tt := range tests {
		covered[tt.f.Kind] = true
		t.Run(name, func(t *testing.T) {
			f := tt.f
			f.Text, f.RequestID = "the text", "id"
			if f.Status = status[rest.Case{Kind: f.Kind, Code: f.Code}]; f.Status == 0 {
				f.Status = status[rest.Case{Kind: f.Kind}]
			}
			want := map[string]any{"code": float64(f.Status), "message": "the text", "request_id": "id"}
			for _, flag := range []string{"client_side", "fatal", "retry", "duplicate_key", "request_invalid", "requires_restart", "resource_missing", "token_invalid"} {
				want[flag] = false
			}
			text, err := json.Marshal(fail(nil, &f))
			if err != nil {
				t.Fatal(err)
			}
			var got map[string]any
			if err := json.Unmarshal([]byte(tt.want), &want); err != nil {
				t.Fatal(err)
			}
			if err := json.Unmarshal(text, &got); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("body (-want +got):\n%s", diff)
			}
		})
	}
	for _, k := range atoll.Kinds() {
		if !covered[k] {
			t.Errorf("kind %s has no case", k)
		}
	}
}
