package fabric

import (
	"strconv"
	"strings"

	"github.com/atoll-platform/atoll/internal/store"
	"github.com/atoll-platform/atoll/runtime/workload"
)

// maxLabel is the length of the longest label of a host name.
const maxLabel = 63

// PublicDNS returns the host at which a workload is known.
func (s *Service) PublicDNS(w *workload.Workload) string {
	return s.host(s.st.View(), w, w.Address().Local)
}

// ContainerDNS returns the host at which the ports of an instance answer.
func (s *Service) ContainerDNS(w *workload.Workload, i *workload.Instance) string {
	return s.instanceHost(s.st.View(), w, i)
}

func (s *Service) instanceHost(r store.Reader, w *workload.Workload, i *workload.Instance) string {
	return s.host(r, w, w.Address().Local+"-"+strconv.Itoa(shownIndex(i)))
}

// host is <unique>-<owner>.<domain>, or the advertised host if there is no domain.
// A label that would be too long loses characters of unique.
func (s *Service) host(r store.Reader, w *workload.Workload, unique string) string {
	if s.domain == "" {
		return s.advertised
	}
	owner := ""
	if s.owner != nil {
		owner = s.owner(r, w)
	}
	if owner != "" {
		owner = "-" + owner[:min(len(owner), maxLabel-2)]
	}
	unique = strings.Trim(unique[:min(len(unique), maxLabel-len(owner))], "-")
	return unique + owner + "." + s.domain
}
