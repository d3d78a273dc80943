package platform

import (
	"context"
	"fmt"
	"net"
	"strconv"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/runtime/fleet"
)

// seedsOf reads the initial members of the cluster from settings.
func seedsOf(settings map[string]any) ([]fleet.Address, error) {
	list, _ := stringList(settings[keySeedNodes])
	seeds := make([]fleet.Address, 0, len(list))
	var findings []atoll.Finding
	for _, text := range list {
		host, port, err := net.SplitHostPort(text)
		n, portErr := strconv.Atoi(port)
		seed := fleet.Address{Host: host, Port: n}
		if err != nil || portErr != nil || len(seed.Check()) > 0 {
			findings = append(findings, atoll.Finding{Path: keySeedNodes, Code: "address", Msg: fmt.Sprintf("%s: %.100q is not ip:port", keySeedNodes, text)})
			continue
		}
		seeds = append(seeds, seed)
	}
	if len(findings) > 0 {
		return nil, &atoll.Error{Kind: atoll.Invalid, Op: "platform.New", Msg: "the settings are not valid", Findings: findings}
	}
	return seeds, nil
}

// joinSeeds makes the initial members of the cluster members, if it is enabled.
func (p *Platform) joinSeeds(ctx context.Context) error {
	if !p.settings.flag(keyClusterEnabled) {
		return nil
	}
	for _, seed := range p.o.seeds {
		if _, err := p.fleet.Join(ctx, seed); err != nil && atoll.KindOf(err) != atoll.Conflict { // of this machine, or of one that was restored
			return err
		}
	}
	return nil
}
