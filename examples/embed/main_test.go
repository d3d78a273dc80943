package main

import "context"

func Example() {
	if err := run(context.Background()); err != nil {
		panic(err)
	}
	// Output:
	// shunted: {"city":"Rome","temp":20}
	// Oslo {"count":2,"avg":5,"sd":5,"min":0,"max":10}
	// Rome {"count":1,"avg":25,"sd":0,"min":25,"max":25}
}
