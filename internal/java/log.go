package java

import "math"

// The natural logarithm of 2 in two parts: ln2High has zeros at its end, so
// that its product with an exponent is exact.
const (
	ln2High = 6.93147180369123816490e-01
	ln2Low  = 1.90821492927058770002e-10
)

// series approximates (log(1+s) - log(1-s))/s - 2 as a polynomial in s², for
// s up to 3-√8; series[0] belongs to s². The numbers are those of [2].
var series = [7]float64{
	6.666666666666735130e-01,
	3.999999999940941908e-01,
	2.857142874366239149e-01,
	2.222219843214978396e-01,
	1.818357216161805012e-01,
	1.531383769920937332e-01,
	1.479819860511658591e-01,
}

// Log returns the natural logarithm of x as Java's StrictMath.log does [2].
//
// The standard library's math.Log is as accurate, but rounds differently for
// one number in 200, and differently between processors. The conversions to
// float64 below keep the compiler from fusing a product and a sum into one
// rounding.
func Log(x float64) float64 {
	if !(x > 0) || math.IsInf(x, 1) || x == 1 {
		return math.Log(x) // the special cases are exact
	}
	// x = 2^k * (1+f), with 1+f between √2/2 and √2. The bounds are compared
	// in the upper half of the bits, as the original does.
	exponent := 0
	if x < 0x1p-1022 {
		x, exponent = x*0x1p54, -54
	}
	bits := math.Float64bits(x)
	exponent += int(bits>>52) - 1023
	upper := int32(bits>>32) & 0xfffff // of the mantissa
	carry := uint64(upper+0x95f64) & 0x100000
	exponent += int(carry >> 20)
	f := math.Float64frombits(bits&(1<<52-1)|(carry^0x3ff00000)<<32) - 1
	k := float64(exponent)
	high, low := float64(k*ln2High), float64(k*ln2Low)

	if (upper+2)&0xfffff < 3 { // |f| < 2^-20
		if f == 0 {
			return high + low
		}
		r := float64(f*f) * (0.5 - float64(0.33333333333333333*f))
		return high - ((r - low) - f)
	}

	s := f / (2 + f)
	z := s * s
	w := z * z
	odd := float64(w * (series[1] + float64(w*(series[3]+float64(w*series[5])))))
	even := float64(z * (series[0] + float64(w*(series[2]+float64(w*(series[4]+float64(w*series[6])))))))
	r := even + odd

	// In the middle of the range, f - f²/2 is taken out of the series first.
	if (upper-0x6147a)|(0x6b851-upper) > 0 {
		half := float64(0.5 * f * f)
		part := float64(s * (half + r))
		return high - ((half - (part + low)) - f)
	}
	part := float64(s * (f - r))
	return high - ((part - low) - f)
}
