package workload

import (
	"testing"

	"github.com/atoll-platform/atoll/internal/store/storetest"
)

func TestRowsArePlainData(t *testing.T) { storetest.RoundTrip(t, Tables()...) }
