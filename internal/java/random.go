package java

import "math"

// The linear congruential generator of [1]: 48 bits, after D. E. Knuth, The
// Art of Computer Programming, volume 2, section 3.2.1.
const (
	multiplier = 0x5DEECE66D
	increment  = 0xB
	mask       = 1<<48 - 1
)

// Random is java.util.Random.
type Random struct {
	state    uint64  // Invariant: state <= mask.
	gaussian float64 // the second value of the last pair, if waiting
	waiting  bool
}

// NewRandom returns the generator that new Random(seed) is in Java.
func NewRandom(seed int64) *Random {
	return &Random{state: (uint64(seed) ^ multiplier) & mask}
}

// next returns the top bits of the next state, as Java's int: with 32 bits it
// may be negative.
func (r *Random) next(bits int) int32 {
	r.state = (r.state*multiplier + increment) & mask
	return int32(r.state >> (48 - bits))
}

// NextInt returns a number from 0 to bound-1. It panics if bound is not
// positive.
func (r *Random) NextInt(bound int32) int32 {
	if bound <= 0 {
		panic("java: the bound of NextInt must be positive")
	}
	if bound&-bound == bound { // a power of two takes the high bits
		return int32((int64(bound) * int64(r.next(31))) >> 31)
	}
	for {
		bits := r.next(31)
		value := bits % bound
		// The last, incomplete run of bound numbers below 2^31 would favour
		// small values; there the sum overflows, in Java as here.
		if bits-value+(bound-1) >= 0 {
			return value
		}
	}
}

// NextDouble returns a multiple of 2^-53 from 0 inclusive to 1 exclusive.
func (r *Random) NextDouble() float64 {
	high := int64(r.next(26)) << 27
	return float64(high+int64(r.next(27))) * 0x1p-53
}

// NextGaussian returns a number from the normal distribution with mean 0 and
// standard deviation 1. It makes them in pairs, with the polar method of G. E.
// P. Box, M. E. Muller and G. Marsaglia, and keeps the second of each pair for
// the next call.
func (r *Random) NextGaussian() float64 {
	if r.waiting {
		r.waiting = false
		return r.gaussian
	}
	for {
		v1 := 2*r.NextDouble() - 1
		v2 := 2*r.NextDouble() - 1
		s := float64(v1*v1) + float64(v2*v2)
		if s >= 1 || s == 0 {
			continue
		}
		scale := math.Sqrt(-2 * Log(s) / s)
		r.gaussian, r.waiting = v2*scale, true
		return v1 * scale
	}
}
