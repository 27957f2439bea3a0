package bench

import (
	"crypto/sha256"
	"encoding/binary"
	"math"
)

// random is SplitMix64, seeded by the first 8 bytes of a SHA-256.
//
// Source: Steele, Lea and Flood, "Fast splittable pseudorandom number
// generators", OOPSLA 2014.
type random struct{ state uint64 }

func newRandom(seed string) *random {
	sum := sha256.Sum256([]byte(seed))
	return &random{binary.BigEndian.Uint64(sum[:])}
}

func (r *random) next() uint64 {
	r.state += 0x9E3779B97F4A7C15
	z := r.state
	z = (z ^ z>>30) * 0xBF58476D1CE4E5B9
	z = (z ^ z>>27) * 0x94D049BB133111EB
	return z ^ z>>31
}

// below draws from 0 to n-1. The lower numbers are a little more likely, by
// some n in 2^64.
func (r *random) below(n int) int { return int(r.next() % uint64(n)) }

// unit draws from [0, 1), in multiples of 2^-53.
func (r *random) unit() float64 { return float64(r.next()>>11) / (1 << 53) }

// normal draws from a normal distribution, by the first half of a Box-Muller
// pair.
//
// Logarithm and cosine may differ in the last bit between libraries. What is
// drawn is rounded to whole percents or compared with whole numbers after, so
// that next to nothing comes of it.
func (r *random) normal(mean, deviation float64) float64 {
	u := max(r.unit(), 1e-300)
	wide := float64(deviation * math.Sqrt(float64(-2*math.Log(u))))
	return mean + float64(wide*math.Cos(float64(2*math.Pi*r.unit())))
}

// weighted draws a value with the probability of its weight.
func weighted[T any](r *random, choices []choice[T]) T {
	total := 0
	for _, c := range choices {
		total += c.weight
	}
	at := r.below(total)
	for _, c := range choices {
		if at < c.weight {
			return c.value
		}
		at -= c.weight
	}
	panic("bench: the weights do not add up")
}

type choice[T any] struct {
	value  T
	weight int
}

func shuffle[T any](r *random, list []T) {
	for i := len(list) - 1; i > 0; i-- {
		j := r.below(i + 1)
		list[i], list[j] = list[j], list[i]
	}
}

// sample draws n members of a list, each at most once. The list is shuffled.
func sample[T any](r *random, list []T, n int) []T {
	shuffle(r, list)
	return list[:min(n, len(list))]
}
