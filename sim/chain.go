package sim

// chains are lists of small numbers, one for each key, in the order in which
// they were added. A number is in one list at most. Adding and removing take
// constant time, and only lists that were used and numbers take memory.
type chains struct {
	first []int32 // by key; none if the list is empty
	links []chained
}

// chained is the place of a number in its list, which is a ring: before the
// first comes the last.
type chained struct{ next, prev int32 }

// head returns the first number of a list, or none.
func (c *chains) head(key int32) int32 {
	if int(key) >= len(c.first) {
		return none
	}
	return c.first[key]
}

// after returns the number after v in the list of key, or none.
func (c *chains) after(key, v int32) int32 {
	if next := c.links[v].next; next != c.first[key] {
		return next
	}
	return none
}

func (c *chains) add(key, v int32) {
	for int(key) >= len(c.first) {
		c.first = append(c.first, none)
	}
	for int(v) >= len(c.links) {
		c.links = append(c.links, chained{})
	}
	first := c.first[key]
	if first == none {
		c.first[key], c.links[v] = v, chained{v, v}
		return
	}
	last := c.links[first].prev
	c.links[v] = chained{first, last}
	c.links[last].next, c.links[first].prev = v, v
}

func (c *chains) remove(key, v int32) {
	at := c.links[v]
	switch {
	case at.next == v:
		c.first[key] = none
	case c.first[key] == v:
		c.first[key] = at.next
	}
	c.links[at.prev].next, c.links[at.next].prev = at.next, at.prev
}
