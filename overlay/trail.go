package overlay

import (
	"encoding/binary"
	"math"
	"slices"
	"time"

	"github.com/dvms-project/dvms/cluster"
	"github.com/dvms-project/dvms/overlay/vivaldi"
)

// trail is what a spiral's search carries from node to node.
type trail struct {
	root  entry            // where it began
	named []cluster.NodeID // or passed over, in ascending order
	view  []entry          // the spiral view: to be named next
}

// In a trail that was read, and in all entries that travel, heard is an age.

// pass notes that nodes are not to be named any more.
func (t *trail) pass(nodes ...cluster.NodeID) {
	t.named = append(t.named, nodes...)
	slices.Sort(t.named)
	t.named = slices.Compact(t.named)
}

func (t *trail) passed(node cluster.NodeID) bool {
	_, passed := slices.BinarySearch(t.named, node)
	return passed
}

// path packs the trail. now is when the entries' ages are taken.
func (t *trail) path(now time.Duration) Path {
	b := make([]byte, 0, (2+len(t.view))*entrySize+2*len(t.named))
	b = appendEntry(b, t.root, now)
	b = binary.AppendUvarint(b, uint64(len(t.named)))
	before := cluster.NodeID(0)
	for _, node := range t.named {
		b = binary.AppendUvarint(b, uint64(node-before))
		before = node
	}
	return appendEntries(b, t.view, now)
}

// readTrail unpacks a trail. ok is false if it is empty or damaged.
func readTrail(path Path) (t trail, ok bool) {
	r := reader{rest: path}
	t.root = r.entry()
	count := r.count(1, len(path))
	before := cluster.NodeID(0)
	for range count {
		next := before + cluster.NodeID(r.number())
		if next < before || next == before && len(t.named) > 0 {
			r.bad = true
		}
		t.named = append(t.named, next)
		before = next
	}
	t.view = r.entries()
	return t, r.complete()
}

// maxEntries is how many entries a message may have.
const maxEntries = 1000

// entrySize is about how many bytes an entry takes.
const entrySize = 3 + 4*(vivaldi.Dimensions+1) + 1

// appendEntry packs a node, where it is, and how old that is: in seconds, up to
// four minutes. More does not matter, since only the newer of two counts.
func appendEntry(b []byte, e entry, now time.Duration) []byte {
	b = binary.AppendUvarint(b, uint64(e.node))
	b = appendPoint(b, e.at)
	return append(b, byte(min(max((now-e.heard)/time.Second, 0), math.MaxUint8)))
}

func appendEntries(b []byte, entries []entry, now time.Duration) []byte {
	b = binary.AppendUvarint(b, uint64(len(entries)))
	for _, e := range entries {
		b = appendEntry(b, e, now)
	}
	return b
}

func appendPoint(b []byte, p vivaldi.Point) []byte {
	for _, v := range p.Vector {
		b = appendFloat(b, v)
	}
	return appendFloat(b, p.Height)
}

func appendFloat(b []byte, f float32) []byte {
	return binary.LittleEndian.AppendUint32(b, math.Float32bits(f))
}

// reader unpacks what the functions above have packed. After something that
// can't be read it returns zeros.
type reader struct {
	rest []byte
	bad  bool
}

// complete reports whether all was read, and nothing was damaged.
func (r *reader) complete() bool { return !r.bad && len(r.rest) == 0 }

func (r *reader) take(n int) []byte {
	if r.bad || len(r.rest) < n {
		r.bad = true
		return nil
	}
	head := r.rest[:n]
	r.rest = r.rest[n:]
	return head
}

func (r *reader) octet() byte {
	if b := r.take(1); b != nil {
		return b[0]
	}
	return 0
}

func (r *reader) number() (n uint64) {
	for shift := 0; shift < 64; shift += 7 {
		b := r.octet()
		n |= uint64(b&0x7f) << shift
		if b < 0x80 {
			return n
		}
	}
	r.bad = true
	return 0
}

// count reads how many things of at least so many bytes follow; there can't be
// more than the rest has room for.
func (r *reader) count(size, most int) int {
	n := r.number()
	if r.bad || n > uint64(len(r.rest)/size) || n > uint64(most) {
		r.bad = true
		return 0
	}
	return int(n)
}

func (r *reader) float() float32 {
	b := r.take(4)
	if b == nil {
		return 0
	}
	return math.Float32frombits(binary.LittleEndian.Uint32(b))
}

func (r *reader) point() (p vivaldi.Point) {
	for i := range p.Vector {
		p.Vector[i] = r.float()
	}
	p.Height = r.float()
	r.bad = r.bad || !vivaldi.At(p).Usable()
	return p
}

// entry reads one; its heard is an age.
func (r *reader) entry() entry {
	return entry{node: cluster.NodeID(r.number()), at: r.point(), heard: time.Duration(r.octet()) * time.Second}
}

func (r *reader) entries() []entry {
	n := r.count(entrySize-2, maxEntries)
	all := make([]entry, 0, n)
	for range n {
		all = append(all, r.entry())
	}
	return all
}
