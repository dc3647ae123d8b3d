package model

import "time"

// A Timer sums the time that forward passes take, the head included.
type Timer struct{ Forward time.Duration }

// Reset starts again at zero.
func (t *Timer) Reset() { *t = Timer{} }

// Time makes the decoder time its forward passes from now on.
func (d *Decoder) Time() *Timer {
	d.timer = &Timer{}
	return d.timer
}
