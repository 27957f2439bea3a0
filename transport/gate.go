package transport

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"sync"
	"time"
)

// maxStrangers is the most connections whose other side has not shown who it
// is. One more ends the oldest of them: a flood can delay who wants to come in,
// and can't keep out those who are in.
const maxStrangers = 64

var errFlood = errors.New("there are too many connections that have not shown who they are")

// gate accepts connections, and lets each do its work in a goroutine of its own.
type gate struct {
	listener   net.Listener
	limit      time.Duration // for showing who one is
	complaints *complaints

	mu        sync.Mutex
	strangers []net.Conn // oldest first
}

func newGate(l net.Listener, limit time.Duration, log *slog.Logger) *gate {
	return &gate{listener: l, limit: limit, complaints: newComplaints(log)}
}

// run accepts until the context ends, and returns when all work has. serve must
// call known when the other side has shown who it is, and return soon after the
// context ends.
func (g *gate) run(ctx context.Context, serve func(context.Context, net.Conn) error) error {
	var under sync.WaitGroup
	defer under.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	context.AfterFunc(ctx, func() { g.listener.Close() })
	for {
		conn, err := g.listener.Accept()
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, net.ErrClosed):
			return err
		case err != nil: // of files there are too many, say
			g.complaints.say("accept", "", err)
			pause(ctx, 100*time.Millisecond)
			continue
		}
		g.enter(conn)
		under.Go(func() {
			end := context.AfterFunc(ctx, func() { conn.Close() })
			err := serve(ctx, conn)
			end()
			conn.Close()
			if stranger := g.known(conn); err != nil && stranger && ctx.Err() == nil {
				g.complaints.say("refused", conn.RemoteAddr().String(), err)
			}
		})
	}
}

// enter makes a connection the newest stranger.
func (g *gate) enter(c net.Conn) {
	_ = c.SetDeadline(time.Now().Add(g.limit))
	g.mu.Lock()
	defer g.mu.Unlock()
	g.strangers = append(g.strangers, c)
	if len(g.strangers) > maxStrangers {
		oldest := g.strangers[0]
		oldest.Close()
		g.strangers = g.strangers[1:]
		g.complaints.say("flood", oldest.RemoteAddr().String(), errFlood)
	}
}

// known ends the limits on a connection, and reports whether there were any.
func (g *gate) known(c net.Conn) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	for i, s := range g.strangers {
		if s == c {
			g.strangers = append(g.strangers[:i:i], g.strangers[i+1:]...)
			_ = c.SetDeadline(time.Time{})
			return true
		}
	}
	return false
}

// pause waits, unless the context ends.
func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// complaints logs what is wrong with others: the first of a kind at once, and
// then no more than one a minute, with how many there were.
type complaints struct {
	log *slog.Logger

	mu   sync.Mutex
	said map[string]*complaint
}

type complaint struct {
	at    time.Time
	since int // that were not logged
}

const complainEvery = time.Minute

func newComplaints(log *slog.Logger) *complaints {
	return &complaints{log: log, said: map[string]*complaint{}}
}

func (c *complaints) say(what, from string, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.said[what]
	if s == nil {
		s = &complaint{}
		c.said[what] = s
	}
	if !s.at.IsZero() && time.Since(s.at) < complainEvery {
		s.since++
		return
	}
	c.log.Warn(what, "from", from, "err", err, "not_logged", s.since)
	s.at, s.since = time.Now(), 0
}
