package java

import "unicode/utf16"

// What [1] says of a java.util.HashMap, and OpenJDK of its crowded bins.
const (
	initialCapacity = 16
	treeThreshold   = 8  // a bin that gets a ninth key becomes a tree,
	treeCapacity    = 64 // or, in a smaller table, makes the table grow
)

// HashCode is String.hashCode: s[0]·31^(n-1) + ... + s[n-1] over the UTF-16
// units of s, modulo 2^32.
func HashCode(s string) int32 {
	var h int32
	for _, unit := range utf16.Encode([]rune(s)) {
		h = 31*h + int32(unit)
	}
	return h
}

// HashOrder returns the names in the order in which a java.util.HashMap<String,
// ...> lists its keys, if it was made with the default capacity (16) and load
// factor (0.75) and was given the names in the order of the slice. A name that
// is there twice keeps its first place and is listed once.
//
// In a table of 64 bins or more, Java makes a bin a balanced tree when it gets a
// ninth key, and lists its keys in another order than that of the slice, which
// is not followed here. Names like node0 to node999999 don't get there, and
// other names hardly ever.
func HashOrder(names []string) []string {
	t := table{bins: make([][]key, initialCapacity)}
	for _, name := range names {
		t.insert(name)
	}
	order := make([]string, 0, t.size)
	for _, bin := range t.bins {
		for _, k := range bin {
			order = append(order, k.name)
		}
	}
	return order
}

// table is the array of a HashMap.
//
// Invariant: len(bins) is a power of two, and a key is in the bin given by the
// last bits of its hash.
type table struct {
	bins [][]key
	size int
}

type key struct {
	name string
	hash uint32 // with the upper half folded into the lower
}

func (t *table) bin(k key) *[]key {
	return &t.bins[k.hash&uint32(len(t.bins)-1)]
}

func (t *table) insert(name string) {
	h := uint32(HashCode(name))
	k := key{name, h ^ h>>16}
	bin := t.bin(k)
	for _, other := range *bin {
		if other == k {
			return
		}
	}
	*bin = append(*bin, k)
	if len(*bin) > treeThreshold && len(t.bins) < treeCapacity {
		t.grow()
	}
	t.size++
	if t.size > len(t.bins)/4*3 {
		t.grow()
	}
}

// grow doubles the table. The keys of a bin that stay, and those that move,
// keep their order.
func (t *table) grow() {
	old := t.bins
	t.bins = make([][]key, 2*len(old))
	for _, bin := range old {
		for _, k := range bin {
			to := t.bin(k)
			*to = append(*to, k)
		}
	}
}
