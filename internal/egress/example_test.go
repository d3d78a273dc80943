package egress_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/internal/egress"
)

func ExampleNew() {
	client, err := egress.New(egress.Options{Allow: []string{"*.example.com", "10.1.0.0/16"}})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer client.Close()
	_, err = client.DialContext(context.Background(), "tcp", "169.254.169.254:80")
	fmt.Println(errors.Is(err, atoll.Denied), err)
	// Output: true egress.Dial: connections to 169.254.169.254 are not allowed
}
