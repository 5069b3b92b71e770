package uring

import "math"

// RegisterPersonality keeps the credentials that the calling thread has now
// (user, groups, capabilities, security labels) and returns a number for them:
// a request whose SQE.Personality has it acts with them, whatever the thread's
// are by then. Linux 5.6. See io_uring_register_personality(3).
func (r *Ring) RegisterPersonality() (uint16, error) {
	if err := r.usable(); err != nil {
		return 0, err
	}
	rc := r.drv.RegisterPersonality()
	if err := check("register credentials", rc); err != nil {
		return 0, err
	}
	if rc > math.MaxUint16 {
		panic("uring: the kernel numbers credentials higher than requests can say")
	}
	return uint16(rc), nil
}

// UnregisterPersonality undoes [Ring.RegisterPersonality]; requests that run
// keep what they have. See io_uring_unregister_personality(3).
func (r *Ring) UnregisterPersonality(id uint16) error {
	if err := r.usable(); err != nil {
		return err
	}
	return check("unregister credentials", r.drv.UnregisterPersonality(id))
}
