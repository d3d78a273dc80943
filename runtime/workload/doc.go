// Package workload keeps things running: jobs, containers, services and
// scripts are one model of rows, one state machine and one supervisor.
package workload
