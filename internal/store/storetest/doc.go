// Package storetest has the checks that every package with tables runs on them.
package storetest
