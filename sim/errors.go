package sim

import "errors"

// Why an activity was not done, or a call was refused.
var (
	ErrCancelled    = errors.New("it was cancelled")
	ErrHostOff      = errors.New("the host is off")
	ErrLinkOff      = errors.New("a link is off")
	ErrVMGone       = errors.New("the VM is shut down or destroyed")
	ErrVMState      = errors.New("the VM is in no state for it")
	ErrMigrating    = errors.New("it migrates already")
	ErrNotMigrating = errors.New("it does not migrate")
	ErrSameHost     = errors.New("it is there already")
	ErrNoRoom       = errors.New("not enough memory is free there")
	ErrNoRoute      = errors.New("there is no route")
	ErrOver         = errors.New("it is over")
	ErrSwitching    = errors.New("it is being switched on or off")
	ErrTimeout      = errors.New("it took too long")
	ErrKilled       = errors.New("the process was killed")
	ErrEnded        = errors.New("the process has ended")

	ErrNoConvergence = errors.New("the VM writes its memory too fast to be copied")
)
