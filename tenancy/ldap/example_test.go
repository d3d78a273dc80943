package ldap_test

import (
	"fmt"

	"github.com/atoll-platform/atoll/platform"
	"github.com/atoll-platform/atoll/tenancy"
	"github.com/atoll-platform/atoll/tenancy/ldap"
)

func ExampleNew() {
	dir, err := ldap.New("ldap.example.com", "uid={user},ou=People,dc=example,dc=com", ldap.WithStartTLS())
	if err != nil {
		fmt.Println(err)
		return
	}
	p, err := platform.New(platform.WithAuthentication(tenancy.WithDirectory), platform.WithDirectory(dir))
	fmt.Println(p.Ready(), err)
	// Output: false <nil>
}

func ExampleFromSettings() {
	_, err := ldap.FromSettings(map[string]any{
		"coral.authentication.ldap.host":        "ldap.example.com",
		"coral.authentication.ldap.bind-dn":     "uid={user},ou=People,dc=example,dc=com",
		"coral.authentication.ldap.mfa.enabled": true,
	})
	fmt.Println(err)
	// Output: ldap.FromSettings: the directory is not described well; coral.authentication.ldap.mfa.enabled: "coral.authentication.ldap.mfa.enabled" must not be true: there is no login with several factors
}
