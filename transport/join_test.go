package transport

import (
	"net"
	"testing"
	"time"
)

// busy is a listener that ends the first connections without a word, as a gate
// does when too many strangers are there.
type busy struct {
	net.Listener
	ends int
}

func (b *busy) Accept() (net.Conn, error) {
	c, err := b.Listener.Accept()
	for ; err == nil && b.ends > 0; b.ends-- {
		if err = c.Close(); err == nil {
			c, err = b.Listener.Accept()
		}
	}
	return c, err
}

func TestWhoIsTurnedAwayAsksAgain(t *testing.T) {
	t.Parallel()
	s := newSiteAt(t, &busy{listen(t), 3}, "here", time.Now)
	i := s.join(t, 1)
	if _, err := i.Renew(t.Context(), s.address); err != nil {
		t.Errorf("who has joined after three tries can't renew: %v", err)
	}
}
