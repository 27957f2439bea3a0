package java

import (
	"fmt"
	"hash/fnv"
	"math"
	"slices"
	"strings"
	"testing"
)

// The numbers in this file were printed by programs run with OpenJDK 17.

var randoms = []struct {
	seed      int64
	ten       []int32   // six times nextInt(10)
	sixtyFour []int32   // then four times nextInt(64)
	large     []int32   // then four times nextInt(0x60000001)
	doubles   []float64 // then three times nextDouble()
	gaussians []float64 // then five times nextGaussian()
	sum       uint64    // of the bits of a million gaussians, from the seed again
}{
	{
		seed:      0,
		ten:       []int32{0, 8, 9, 7, 5, 3},
		sixtyFour: []int32{35, 7, 38, 50},
		large:     []int32{715581077, 542832677, 827187473, 1316484262},
		doubles:   []float64{0x1.f83d267dcd07ap-1, 0x1.c2243602f4588p-1, 0x1.e1eb699686687p-1},
		gaussians: []float64{-0x1.8f87f2ead0ce4p-2, -0x1.496a422dfb0fcp-1, 0x1.adc27f179985fp-5, 0x1.0aed5944e29b6p-1, -0x1.a5df00c30ec3cp-1},
		sum:       14858248137417215054,
	},
	{
		seed:      23,
		ten:       []int32{7, 8, 3, 7, 8, 3},
		sixtyFour: []int32{24, 4, 50, 44},
		large:     []int32{1257425094, 1188193687, 1090891370, 1223059381},
		doubles:   []float64{0x1.1cf1ea7f5cdc3p-1, 0x1.ec5416fed3e3ap-2, 0x1.0d64815f47168p-3},
		gaussians: []float64{-0x1.b04f243ee5d64p-11, -0x1.ac4bd411ba29cp-1, -0x1.5afbe1bf4cea6p-1, -0x1.7043d40fbad43p-2, -0x1.7293d55aacc63p-2},
		sum:       18007354170232579819,
	},
	{
		seed:      42,
		ten:       []int32{0, 3, 8, 4, 0, 5},
		sixtyFour: []int32{17, 45, 42, 5},
		large:     []int32{969067502, 791955276, 819572292, 592164476},
		doubles:   []float64{0x1.617f7c3b59p-1, 0x1.8630aee4362p-1, 0x1.ff1143f5ac887p-1},
		gaussians: []float64{-0x1.296c55739853ap0, -0x1.9b8ee234a9985p-3, -0x1.db0091658e302p-1, -0x1.b7916f10a0315p-2, -0x1.5347487c1a372p0},
		sum:       16739176640122061764,
	},
	{
		seed:      -1,
		ten:       []int32{3, 5, 9, 9, 4, 8},
		sixtyFour: []int32{26, 25, 52, 3},
		large:     []int32{665220512, 121954317, 149520196, 176890342},
		doubles:   []float64{0x1.6154685c890acp-1, 0x1.ce23bcc797401p-1, 0x1.768ada4cb381ep-1},
		gaussians: []float64{-0x1.0852e87fe0408p1, -0x1.451563ed798c7p-1, -0x1.a8d3be93c4b77p-1, 0x1.d92b86a61ed95p-2, -0x1.459b19d30be3fp-1},
		sum:       14742345661793767197,
	},
	{
		seed:      9223372036854775807,
		ten:       []int32{3, 5, 9, 9, 4, 8},
		sixtyFour: []int32{26, 25, 52, 3},
		large:     []int32{665220512, 121954317, 149520196, 176890342},
		doubles:   []float64{0x1.6154685c890acp-1, 0x1.ce23bcc797401p-1, 0x1.768ada4cb381ep-1},
		gaussians: []float64{-0x1.0852e87fe0408p1, -0x1.451563ed798c7p-1, -0x1.a8d3be93c4b77p-1, 0x1.d92b86a61ed95p-2, -0x1.459b19d30be3fp-1},
		sum:       14742345661793767197,
	},
	{
		seed:      1234567890123,
		ten:       []int32{0, 0, 8, 9, 8, 5},
		sixtyFour: []int32{48, 61, 13, 14},
		large:     []int32{1234316534, 570267634, 694613688, 92999599},
		doubles:   []float64{0x1.1713a84459dcp-2, 0x1.906d20919440ep-2, 0x1.456ecc72a88a8p-2},
		gaussians: []float64{-0x1.4c3444358a0e7p-2, 0x1.1446d38a04fafp-2, -0x1.062a2d847729fp1, -0x1.970b42e8b76e6p-1, -0x1.501a258df5cc5p-2},
		sum:       11779432805549567010,
	},
}

func TestRandom(t *testing.T) {
	for _, want := range randoms {
		t.Run(fmt.Sprint("seed ", want.seed), func(t *testing.T) {
			r := NewRandom(want.seed)
			same(t, "nextInt(10)", want.ten, func() int32 { return r.NextInt(10) })
			same(t, "nextInt(64)", want.sixtyFour, func() int32 { return r.NextInt(64) })
			same(t, "nextInt(0x60000001)", want.large, func() int32 { return r.NextInt(0x60000001) })
			same(t, "nextDouble()", want.doubles, r.NextDouble)
			same(t, "nextGaussian()", want.gaussians, r.NextGaussian)

			r, sum := NewRandom(want.seed), uint64(0)
			for range 1_000_000 {
				sum = 31*sum + math.Float64bits(r.NextGaussian())
			}
			if sum != want.sum {
				t.Errorf("a million gaussians have the sum %d, want %d", sum, want.sum)
			}
		})
	}
}

func same[T comparable](t *testing.T, call string, want []T, draw func() T) {
	t.Helper()
	for i, w := range want {
		if got := draw(); got != w {
			t.Errorf("%s, draw %d: %v, want %v", call, i, got, w)
		}
	}
}

func TestNextIntPanics(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("NextInt(0) returned")
		}
	}()
	NewRandom(1).NextInt(0)
}

var logs = []struct{ x, log float64 }{
	{0x1.0p0, 0x0.0p0},
	{0x1.0p1, 0x1.62e42fefa39efp-1},
	{0x1.0p-1, -0x1.62e42fefa39efp-1},
	{0x1.4p3, 0x1.26bb1bbb55516p1},
	{0x1.999999999999ap-4, -0x1.26bb1bbb55515p1},
	{0x1.5bf0a8b145769p1, 0x1.0p0},
	{0x0.012688b70e62bp-1022, -0x1.64e69394d9508p9},
	{0x0.0000000000001p-1022, -0x1.74385446d71c3p9},
	{0x1.fffffffffffffp1023, 0x1.62e42fefa39efp9},
	{0x1.000008p0, 0x1.fffff800002abp-22},
	{0x1.fffff8p-1, -0x1.0000020000055p-22},
	{0x1.000008p1, 0x1.62e43fefa35efp-1},
	{0x1.3333333333333p0, 0x1.7565011e49675p-3},
	{0x1.6147ae147ae14p0, 0x1.49d041be0ce3p-2},
	{0x1.6b851eb851eb8p0, 0x1.6712984ec8f15p-2},
	{0x1.6666666666666p-1, -0x1.6d3c324e13f5p-2},
	{0x1.70a3d70a3d70ap-1, -0x1.50635ec0fdd69p-2},
	{0x1.fff2e48e8a71ep-1, -0x1.a3738d2cf1cc2p-14},
	{0x1.8p1, 0x1.193ea7aad030ap0},
	{0x1.7e43c8800759cp996, 0x1.5963447f87fb5p9},
}

func TestLog(t *testing.T) {
	for _, c := range logs {
		if got := Log(c.x); got != c.log {
			t.Errorf("Log(%x) = %x, want %x", c.x, got, c.log)
		}
	}
	if got := Log(0); !math.IsInf(got, -1) {
		t.Errorf("Log(0) = %v", got)
	}
	if got := Log(math.Inf(1)); !math.IsInf(got, 1) {
		t.Errorf("Log(+Inf) = %v", got)
	}
	for _, x := range []float64{-1, math.NaN(), math.Inf(-1)} {
		if got := Log(x); !math.IsNaN(got) {
			t.Errorf("Log(%v) = %v", x, got)
		}
	}

	r, sum := NewRandom(5), uint64(0)
	for range 1_000_000 {
		x := math.Ldexp(r.NextDouble()+0x1p-60, int(r.NextInt(2000))-1000)
		sum = 31*sum + math.Float64bits(Log(x))
		x = r.NextDouble() - 0.5
		x = 1 + float64(x*math.Ldexp(1, -int(r.NextInt(30))))
		sum = 31*sum + math.Float64bits(Log(x))
	}
	if want := uint64(13505540758847083417); sum != want {
		t.Errorf("the logarithms of two million numbers have the sum %d, want %d", sum, want)
	}
}

var orders = []struct {
	prefix string
	count  int
	hash   uint64 // FNV-1a of the names in order, each with a newline
}{
	{"node", 1, 16643421593116863575},
	{"node", 12, 13920629555615109927},
	{"node", 13, 7807490147685255088},
	{"node", 24, 15300801876308458731},
	{"node", 25, 14128329049450888953},
	{"node", 64, 13761130759104235065},
	{"node", 100, 14960876786148355461},
	{"node", 128, 8817743696140998763},
	{"node", 640, 12550127116702658069},
	{"node", 1000, 6621332120694410033},
	{"node", 1280, 6739684995835767407},
	{"node", 2560, 10491461998660356951},
	{"node", 10240, 9964293713853270123},
	{"node", 100000, 1574076715592529803},
	{"node", 1000000, 6580433355087569373},
	{"vm-", 1, 10748255513998829065},
	{"vm-", 12, 16291628888869532301},
	{"vm-", 13, 18216080335327046012},
	{"vm-", 24, 5812628518802039137},
	{"vm-", 25, 1760255093629773199},
	{"vm-", 64, 17463753739383354725},
	{"vm-", 100, 14093472553733341093},
	{"vm-", 128, 2967924352365131215},
	{"vm-", 640, 15490758130211962707},
	{"vm-", 1000, 566426630565366021},
	{"vm-", 1280, 4063999537690033379},
	{"vm-", 2560, 7922525790200821097},
	{"vm-", 10240, 13633716692643091567},
	{"vm-", 100000, 5011610260081549413},
	{"vm-", 1000000, 13811546077592777903},
}

func TestHashOrderOfNumberedNames(t *testing.T) {
	for _, c := range orders {
		names := make([]string, c.count)
		for i := range names {
			names[i] = fmt.Sprint(c.prefix, i)
		}
		h := fnv.New64a()
		for _, name := range HashOrder(names) {
			fmt.Fprintln(h, name)
		}
		if h.Sum64() != c.hash {
			t.Errorf("%d names %s...: another order than Java's", c.count, c.prefix)
		}
	}
}

// The keys all start in bin 3 of 16; with the ninth, and again with the
// tenth, the bin is so crowded that the table grows.
func TestHashOrderOfCrowdedBin(t *testing.T) {
	var keys []string
	for i := 0; len(keys) < 16; i++ {
		k := fmt.Sprint("k", i)
		if h := uint32(HashCode(k)); (h^h>>16)&15 == 3 {
			keys = append(keys, k)
		}
	}
	for n, want := range map[int]string{
		1:  "k18",
		8:  "k18,k29,k90,k140,k151,k162,k173,k184",
		9:  "k90,k18,k29,k140,k151,k162,k173,k184,k195",
		10: "k90,k18,k140,k162,k184,k29,k151,k173,k195,k250",
		16: "k90,k18,k140,k162,k184,k261,k283,k360,k29,k151,k173,k195,k250,k272,k294,k371",
	} {
		if got := strings.Join(HashOrder(keys[:n]), ","); got != want {
			t.Errorf("%d keys: %s, want %s", n, got, want)
		}
	}
}

func TestHashOrderOfAnyNames(t *testing.T) {
	// Aa and BB, as well as AaAa, BBBB and AaBB, have the same hash; b is
	// there twice.
	names := []string{"b", "a", "é", "日本", "b", "😀", "Aa", "BB", "C#", "AaAa", "BBBB", "AaBB"}
	want := "Aa,BB,C#,a,b,😀,é,日本,AaAa,BBBB,AaBB"
	if got := strings.Join(HashOrder(names), ","); got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if got := HashOrder(nil); len(got) != 0 {
		t.Errorf("the order of nothing is %q", got)
	}
}

// Names that share one hash are all listed, though not in Java's order.
func TestHashOrderOfTrees(t *testing.T) {
	names := []string{""}
	for range 6 {
		var longer []string
		for _, name := range names {
			longer = append(longer, name+"Aa", name+"BB")
		}
		names = longer
	}
	if got := HashOrder(names); !slices.Equal(got, names) {
		t.Errorf("the order of %d names with one hash is %q", len(names), got)
	}
}

func TestHashCode(t *testing.T) {
	for s, want := range map[string]int32{
		"": 0, "😀": 1772899, "日本": 835047, "vm-123456": 895071801, "polygenelubricants": -2147483648,
	} {
		if got := HashCode(s); got != want {
			t.Errorf("HashCode(%q) = %d, want %d", s, got, want)
		}
	}
}

func BenchmarkHashOrder(b *testing.B) {
	names := make([]string, 10_240)
	for i := range names {
		names[i] = fmt.Sprint("vm-", i)
	}
	var order []string
	for b.Loop() {
		order = HashOrder(names)
	}
	if slices.Equal(order, names) {
		b.Fatal("the order is that of the input")
	}
}
