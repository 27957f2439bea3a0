package emulated

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/dvms-project/dvms/cluster"
	"github.com/dvms-project/dvms/protocol"
)

// A connection carries JSON values, one after the other, both ways.

// down is what the data centre tells an agent's process.
type down struct {
	Version uint64          `json:"version,omitempty"` // with Local
	Local   *protocol.Local `json:"local,omitempty"`
	Ended   *ended          `json:"ended,omitempty"`
	Asks    *question       `json:"asks,omitempty"`
	Order   json.RawMessage `json:"order,omitempty"`
}

// question asks whether the agent expects a VM. The answer has its number.
type question struct {
	Number uint64       `json:"number"`
	VM     cluster.VMID `json:"vm"`
}

// answer answers a question.
type answer struct {
	Number uint64 `json:"number"`
	Yes    bool   `json:"yes"`
}

// ended says how a migration has ended.
type ended struct {
	VM    cluster.VMID `json:"vm"`
	Error string       `json:"error,omitempty"`
}

// up is what an agent's process tells the data centre.
type up struct {
	Seen    uint64            `json:"seen,omitempty"` // the version that the agent knows now
	Migrate *protocol.Migrate `json:"migrate,omitempty"`
	Answer  *answer           `json:"answer,omitempty"`
	News    json.RawMessage   `json:"news,omitempty"`
}

// Server is a host whose agent is at the other end of a connection.
type Server struct {
	centre *DataCentre
	id     cluster.NodeID
	out    chan down
	gone   chan struct{} // closed when the connection is

	mu      sync.Mutex
	waiting map[chan struct{}]uint64 // for that version to be seen
	pending bool                     // a state is about to be sent
	asked   uint64                   // questions so far
	asking  map[uint64]chan bool     // by question; each takes one answer
}

// Serve starts a host whose agent speaks through a connection. Run does the
// work.
func (d *DataCentre) Serve(id cluster.NodeID) *Server {
	return &Server{centre: d, id: id, out: make(chan down, 256), gone: make(chan struct{}), waiting: map[chan struct{}]uint64{}, asking: map[uint64]chan bool{}}
}

// Run serves the agent until the connection breaks; then the host is down. news
// is called with what the agent says beside: one value after the other.
func (s *Server) Run(in io.Reader, out io.Writer, news func(json.RawMessage)) error {
	s.centre.start(s.id, s.admits)
	s.centre.mu.Lock()
	h := s.centre.hosts[s.id]
	h.sync = s.sync
	s.sync(h.version)
	s.centre.mu.Unlock()
	go s.write(out)
	var begun sync.WaitGroup
	err := s.read(in, news, &begun)
	close(s.gone) // first, so that nobody waits to tell it
	s.centre.Crash(s.id)
	begun.Wait()
	if errors.Is(err, io.EOF) {
		return nil
	}
	return fmt.Errorf("emulated: agent of host %d: %w", s.id, err)
}

// Order passes a value on to the agent's process.
func (s *Server) Order(v any) error {
	data, err := json.Marshal(v)
	if err != nil {
		return err
	}
	s.send(down{Order: data})
	return nil
}

func (s *Server) send(d down) {
	select {
	case s.out <- d:
	case <-s.gone:
	}
}

// admits asks the agent whether it expects a VM. The data centre is locked.
func (s *Server) admits(vm cluster.VMID) <-chan bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	yes := make(chan bool, 1)
	select {
	case <-s.gone:
		yes <- false
		return yes
	default:
	}
	s.asked++
	s.asking[s.asked] = yes
	go s.send(down{Asks: &question{Number: s.asked, VM: vm}})
	return yes
}

// answered takes the answer to a question; without one it is no.
func (s *Server) answered(a answer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if yes, ok := s.asking[a.Number]; ok {
		yes <- a.Yes
		delete(s.asking, a.Number)
	}
}

// sync has the agent told of the present state, and returns a channel that is
// closed when it knows it, or is gone. The data centre is locked.
func (s *Server) sync(version uint64) <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	done := make(chan struct{})
	select {
	case <-s.gone:
		close(done)
		return done
	default:
	}
	s.waiting[done] = version
	if !s.pending {
		s.pending = true
		go s.send(down{}) // the state is filled in when it is written: it then is the latest
	}
	return done
}

func (s *Server) write(out io.Writer) {
	defer s.forget()
	encoder := json.NewEncoder(out)
	for {
		select {
		case <-s.gone:
			return
		case d := <-s.out:
			if d.Ended == nil && d.Order == nil && d.Asks == nil {
				s.mu.Lock()
				s.pending = false
				s.mu.Unlock()
				s.centre.mu.Lock()
				h := s.centre.hosts[s.id]
				local := h.local
				d.Local, d.Version = &local, h.version
				s.centre.mu.Unlock()
			}
			if encoder.Encode(d) != nil {
				<-s.gone // the reader will see it too
				return
			}
		}
	}
}

// forget lets those go who wait for an agent that is gone.
func (s *Server) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for number, yes := range s.asking {
		yes <- false
		delete(s.asking, number)
	}
	for done := range s.waiting {
		close(done)
		delete(s.waiting, done)
	}
}

// read takes what the agent says. Migrations begin beside it: to begin one is to
// wait for another agent's answer.
func (s *Server) read(in io.Reader, news func(json.RawMessage), begun *sync.WaitGroup) error {
	decoder := json.NewDecoder(in)
	for {
		var u up
		if err := decoder.Decode(&u); err != nil {
			return err
		}
		switch {
		case u.Seen > 0:
			s.saw(u.Seen)
		case u.Migrate != nil:
			begun.Go(func() { s.migrate(*u.Migrate) })
		case u.Answer != nil:
			s.answered(*u.Answer)
		case u.News != nil:
			news(u.News)
		}
	}
}

func (s *Server) saw(version uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for done, wanted := range s.waiting {
		if wanted <= version {
			close(done)
			delete(s.waiting, done)
		}
	}
}

func (s *Server) migrate(m protocol.Migrate) {
	end := func(err error) {
		e := &ended{VM: m.VM}
		if err != nil {
			e.Error = err.Error()
		}
		s.send(down{Ended: e})
	}
	if err := s.centre.begin(s.id, m, end); err != nil {
		end(err)
	}
}

// Client is the hypervisor of one host, for an agent in a process of its own.
type Client struct {
	expected
	mu      sync.Mutex
	out     *json.Encoder
	version uint64
	local   protocol.Local
	moving  map[cluster.VMID]chan error
	broken  error
	first   chan struct{} // closed when the first state is here
}

// Connect returns the hypervisor at the other end of a connection. Run does
// the work.
func Connect(out io.Writer) *Client {
	return &Client{out: json.NewEncoder(out), moving: map[cluster.VMID]chan error{}, first: make(chan struct{})}
}

// Run takes what the data centre says, until the connection breaks. order is
// called with the values given to Server.Order.
func (c *Client) Run(in *json.Decoder, order func(json.RawMessage)) error {
	err := c.read(in, order)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.broken = fmt.Errorf("emulated: the data centre is gone: %w", err)
	for vm, ended := range c.moving {
		ended <- c.broken
		delete(c.moving, vm)
	}
	if errors.Is(err, io.EOF) {
		return nil
	}
	return c.broken
}

func (c *Client) read(in *json.Decoder, order func(json.RawMessage)) error {
	for {
		var d down
		if err := in.Decode(&d); err != nil {
			return err
		}
		switch {
		case d.Local != nil:
			c.update(d.Version, *d.Local)
		case d.Ended != nil:
			c.ended(*d.Ended)
		case d.Asks != nil:
			c.answer(*d.Asks)
		case d.Order != nil:
			order(d.Order)
		}
	}
}

func (c *Client) update(version uint64, local protocol.Local) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.version == 0 {
		close(c.first)
	}
	c.version, c.local = version, local
	_ = c.out.Encode(up{Seen: version}) // if it fails, so will reading
}

// answer answers from what the agent has said last.
func (c *Client) answer(q question) {
	yes := c.has(q.VM)
	c.mu.Lock()
	defer c.mu.Unlock()
	_ = c.out.Encode(up{Answer: &answer{Number: q.Number, Yes: yes}}) // if it fails, so will reading
}

func (c *Client) ended(e ended) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if done, ok := c.moving[e.VM]; ok {
		delete(c.moving, e.VM)
		if e.Error == "" {
			done <- nil
		} else {
			done <- errors.New(e.Error)
		}
	}
}

// Ready is closed when Look has something to say.
func (c *Client) Ready() <-chan struct{} { return c.first }

// Look returns what the host has and hosts, and a number that changes with it.
func (c *Client) Look() (protocol.Local, uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.local, c.version
}

// Migrate carries an action out, and returns when that has ended.
func (c *Client) Migrate(_ context.Context, m protocol.Migrate) error {
	done := make(chan error, 1)
	c.mu.Lock()
	switch _, moving := c.moving[m.VM]; {
	case c.broken != nil:
		c.mu.Unlock()
		return c.broken
	case moving:
		c.mu.Unlock()
		return fmt.Errorf("emulated: VM %d is on its way already", m.VM)
	}
	c.moving[m.VM] = done
	err := c.out.Encode(up{Migrate: &m})
	if err != nil {
		delete(c.moving, m.VM)
	}
	c.mu.Unlock()
	if err != nil {
		return fmt.Errorf("emulated: the data centre is gone: %w", err)
	}
	return <-done
}

// News says something to the function given to Server.Run.
func (c *Client) News(v any) error {
	data, err := json.Marshal(v)
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.out.Encode(up{News: data})
}
