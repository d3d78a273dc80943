package view

import (
	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/runtime/workload"
)

// TutumOp is an operation on an application or a container.
type TutumOp uint8

// The operations. TutumChange is a PATCH that leaves the target as it is;
// containers have neither that nor TutumScale.
const (
	TutumStart TutumOp = iota
	TutumStop
	TutumScale
	TutumChange
	TutumRedeploy
	TutumTerminate
)

var tutumOps = [...]string{"start", "stop", "scale", "change", "redeploy", "terminate"}

func (o TutumOp) String() string {
	if int(o) < len(tutumOps) {
		return tutumOps[o]
	}
	return "operate on"
}

// ops is a set of operations.
type ops uint8

func opsOf(of ...TutumOp) (set ops) {
	for _, o := range of {
		set |= 1 << o
	}
	return set
}

func (set ops) has(o TutumOp) bool { return o <= TutumTerminate && set&(1<<o) != 0 }

// tutumApplicationOps are the legal operations by state. While an operation is
// under way there is none; derived states have those of tutumDerivedOps as well.
var tutumApplicationOps = map[TutumState]ops{
	TutumRunning:       opsOf(TutumStop, TutumScale, TutumChange, TutumRedeploy, TutumTerminate),
	TutumPartlyRunning: opsOf(TutumStart, TutumStop, TutumScale, TutumChange, TutumRedeploy, TutumTerminate),
	TutumStopped:       opsOf(TutumStart, TutumChange, TutumRedeploy, TutumTerminate),
	TutumStartFailed:   opsOf(TutumStart, TutumChange, TutumRedeploy, TutumTerminate),
	TutumNotRunning:    opsOf(TutumScale, TutumChange, TutumTerminate),
}

// tutumDerivedOps are legal where containers start or stop by themselves, so
// that an application that crashes again and again can be stopped.
var tutumDerivedOps = map[TutumState]ops{
	TutumStarting: opsOf(TutumStop, TutumChange, TutumTerminate),
	TutumStopping: opsOf(TutumStop, TutumChange, TutumTerminate),
}

var tutumContainerOps = map[TutumState]ops{
	TutumInit:        opsOf(TutumTerminate),
	TutumRunning:     opsOf(TutumStop, TutumRedeploy, TutumTerminate),
	TutumStopped:     opsOf(TutumStart, TutumRedeploy, TutumTerminate),
	TutumStartFailed: opsOf(TutumStart, TutumRedeploy, TutumTerminate),
}

// TutumMay returns a Conflict that names state and operation unless op is legal
// for the application.
func TutumMay(s *workload.Snapshot, op TutumOp) error {
	state, derived := tutumStanding(s)
	if tutumApplicationOps[state].has(op) || derived && tutumDerivedOps[state].has(op) {
		return nil
	}
	return &atoll.Error{Kind: atoll.Conflict, Msg: "cannot " + op.String() + " application in state " + string(state),
		Subject: atoll.Subject{Type: "application", ID: s.Workload.ID}}
}

// TutumContainerMay returns a Conflict that names state and operation unless op
// is legal for a container of s. While the application has an operation of its
// own under way nothing is.
func TutumContainerMay(s *workload.Snapshot, i *workload.Instance, op TutumOp) error {
	state := TutumContainerState(s, i)
	msg := "cannot " + op.String() + " container in state " + string(state)
	if whole, derived := tutumStanding(s); !derived && state != TutumTerminated {
		msg += " while its application is in state " + string(whole)
	} else if tutumContainerOps[state].has(op) {
		return nil
	}
	return &atoll.Error{Kind: atoll.Conflict, Msg: msg, Subject: atoll.Subject{Type: "container", ID: i.ID}}
}

// TutumIf is TutumMay as a condition of an operation.
func TutumIf(op TutumOp) workload.Cond {
	return workload.If(func(s *workload.Snapshot) error { return TutumMay(s, op) })
}

// TutumContainerIf is TutumContainerMay as a condition of an operation on that
// container.
func TutumContainerIf(container string, op TutumOp) workload.Cond {
	return workload.If(func(s *workload.Snapshot) error {
		i, ok := s.Instance(container)
		if !ok {
			return nil // the operation says that there is none
		}
		return TutumContainerMay(s, i, op)
	})
}
