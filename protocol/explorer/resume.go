package explorer

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
)

// format names the files that Save writes.
const format = "dvms-explore-2"

// saved is the beginning of a file that Save writes; the numbers say how much
// follows.
type saved struct {
	Format   string   `json:"format"`
	World    World    `json:"world"`
	Progress Progress `json:"progress"`
	Number   uint32   `json:"number"`
	Position int      `json:"position"`
	Level    int      `json:"level"`
	Next     int      `json:"following"`
	Settled  int      `json:"settled"`
	Made     int      `json:"made"`
}

// Save writes where the search is, for Resume. It takes 14 bytes for a state,
// and those of the states that are not looked at yet.
func (s *Search) Save(to io.Writer) error {
	w := bufio.NewWriterSize(to, 1<<20)
	c := s.catalogue
	if err := json.NewEncoder(w).Encode(saved{
		format, *c.world, s.Progress(), s.number, s.position, len(s.level), len(s.following), len(s.settled), len(c.made),
	}); err != nil {
		return err
	}
	var b []byte
	put := func() {
		w.Write(b) // bufio keeps the first error for Flush
		b = b[:0]
	}
	for _, m := range c.made {
		b = binary.LittleEndian.AppendUint64(append(b, byte(m.kind)), m.what)
		put()
	}
	for i := range s.seen.count {
		parent, choice := s.seen.origin(uint32(i))
		b = binary.LittleEndian.AppendUint16(binary.LittleEndian.AppendUint32(b, parent), choice)
		put()
	}
	for i := range s.seen.shards {
		for _, h := range s.seen.shards[i].slots {
			if h != 0 {
				b = binary.LittleEndian.AppendUint64(b, h)
				put()
			}
		}
	}
	settled := make([]uint64, 0, len(s.settled))
	for h := range s.settled {
		settled = append(settled, h)
	}
	slices.Sort(settled)
	for _, h := range settled {
		b = binary.LittleEndian.AppendUint64(b, h)
		put()
	}
	w.Write(s.level)
	w.Write(s.following)
	return w.Flush()
}

// Resume reads what Save wrote. w must be the world that was explored then.
func Resume(w *World, from io.Reader) (*Search, error) {
	r := &reader{in: bufio.NewReaderSize(from, 1<<20)}
	line, err := r.in.ReadBytes('\n')
	if err != nil {
		return nil, errors.New("not the state of a search")
	}
	var head saved
	if err := json.Unmarshal(line, &head); err != nil || head.Format != format {
		return nil, errors.New("not the state of a search by this version of dvms")
	}
	if a, b := fmt.Sprint(head.World), fmt.Sprint(*w); a != b {
		return nil, fmt.Errorf("the state of a search through another world, %s; this one is %s", a, b)
	}
	s := &Search{catalogue: newCatalogue(w), shape: w.shape(), settled: map[uint64]bool{}}
	for range head.Made {
		kind := makingKind(r.number(1))
		what := r.uint64()
		if r.err != nil || !s.catalogue.has(kind, what) {
			return nil, r.damaged("its steps can't be repeated")
		}
		s.catalogue.repeat(making{kind, what})
	}
	s.begin()
	s.seen = seen{}
	for i := 0; i < head.Progress.States && r.err == nil; i++ {
		parent, choice := r.uint32(), r.uint16()
		s.seen.note(parent, choice)
	}
	for i := 0; i < head.Progress.States && r.err == nil; i++ {
		h := r.uint64()
		s.seen.shards[h>>56].add(h)
	}
	for i := 0; i < head.Settled && r.err == nil; i++ {
		s.settled[r.uint64()] = true
	}
	s.level, s.following = r.bytes(head.Level), r.bytes(head.Next)
	s.number, s.position, s.progress = head.Number, head.Position, head.Progress
	if r.err != nil || len(s.catalogue.made) != head.Made {
		return nil, r.damaged("its parts do not fit together")
	}
	return s, nil
}

// has reports whether the catalogue has the node and the input of a step, so
// that it can be repeated.
func (c *catalogue) has(kind makingKind, what uint64) bool {
	switch kind {
	case makesStep:
		return what>>32 != 0 && int(what>>32) < len(c.nodes) && int(uint32(what)) < int(firstInput)+len(c.inputs)
	case makesNode:
		return int(what>>8) < c.size
	}
	about := what &^ (migratedKey | toldKey)
	switch {
	case kind != makesInput:
		return false
	case what&migratedKey != 0:
		return about>>1 < uint64(len(c.vms))
	case what&toldKey != 0:
		return about>>1 < uint64(c.size)
	}
	h := hypervisorOf(about)
	return about>>(drainingBit+1) == 0 && h.at < c.size && uint64(h.here|h.coming|h.changed)>>len(c.vms) == 0
}

// reader reads numbers, and keeps the first error.
type reader struct {
	in     *bufio.Reader
	buffer [8]byte
	err    error
}

// number reads one of up to 8 bytes, the lowest first.
func (r *reader) number(size int) uint64 {
	clear(r.buffer[:])
	if r.err == nil {
		_, r.err = io.ReadFull(r.in, r.buffer[:size])
	}
	return binary.LittleEndian.Uint64(r.buffer[:])
}

func (r *reader) uint64() uint64 { return r.number(8) }
func (r *reader) uint32() uint32 { return uint32(r.number(4)) }
func (r *reader) uint16() uint16 { return uint16(r.number(2)) }

// bytes reads so many bytes.
func (r *reader) bytes(n int) []byte {
	var b bytes.Buffer
	if r.err == nil {
		_, r.err = io.CopyN(&b, r.in, int64(n))
	}
	return b.Bytes()
}

func (r *reader) damaged(how string) error {
	if r.err != nil {
		return fmt.Errorf("the state of a search is cut off: %w", r.err)
	}
	return fmt.Errorf("the state of a search is damaged, or of another version of dvms: %s", how)
}
