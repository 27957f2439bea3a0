package demo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"sync"
	"time"

	"github.com/dvms-project/dvms/agent"
	"github.com/dvms-project/dvms/cluster"
	"github.com/dvms-project/dvms/hypervisor/emulated"
	"github.com/dvms-project/dvms/membership"
	"github.com/dvms-project/dvms/transport"
)

// errKilled ends an agent as the end of its process does.
var errKilled = fmt.Errorf("killed: %w", agent.ErrCrash)

// run runs an agent until the context ends; it then leaves, unless it was
// killed.
func (a assignment) run(ctx context.Context, host agent.Hypervisor, cuts <-chan []cluster.NodeID, log *slog.Logger, tell func(news)) error {
	identity, err := transport.Join(ctx, a.Authority, a.Token)
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	log = log.With("agent", a.Name)
	mesh := transport.NewMesh(identity, l, transport.Settings{
		Name: a.Name, Starts: a.Agent.Starts, Membership: membership.Defaults(), Seeds: a.Seeds, Authority: a.Authority, Delays: a.Delays,
	}, log)
	options := []agent.Option{agent.WithLog(log), agent.WithWatch(func(h agent.Happening) { tell(news{Happening: &h}) })}
	if a.Log != "" {
		file, err := os.Create(a.Log)
		if err != nil {
			l.Close()
			return err
		}
		defer file.Close()
		options = append(options, agent.WithRecord(file))
	}
	tell(news{Address: l.Addr().String()})
	net, end := context.WithCancelCause(context.WithoutCancel(ctx))
	var under sync.WaitGroup
	var failed error
	under.Go(func() {
		failed = mesh.Run(net)
		end(failed)
	})
	under.Go(func() { beside(net, mesh, cuts, tell) })
	// Who leaves tells the others first, so that they ask it for nothing more.
	leaving := context.AfterFunc(ctx, func() {
		if !errors.Is(context.Cause(ctx), agent.ErrCrash) {
			mesh.Leave()
		} else {
			end(nil)
		}
	})
	err = agent.New(a.Agent, host, mesh, options...).Run(ctx)
	leaving()
	counts := mesh.Counts()
	tell(news{Counts: &counts, Here: len(mesh.Here())})
	end(nil)
	under.Wait()
	return errors.Join(err, failed)
}

// beside says how much an agent has sent, and takes cuts, until it ends.
func beside(ctx context.Context, mesh *transport.Mesh, cuts <-chan []cluster.NodeID, tell func(news)) {
	tick := time.NewTicker(500 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			counts := mesh.Counts()
			tell(news{Counts: &counts, Here: len(mesh.Here())})
		case off := <-cuts:
			mesh.Cut(off)
		case <-ctx.Done():
			return
		}
	}
}

// goroutine is an agent in this process.
type goroutine struct {
	end  context.CancelCauseFunc
	cuts chan []cluster.NodeID
	done chan error
}

func startGoroutine(ctx context.Context, centre *emulated.DataCentre, a assignment, log *slog.Logger, hear func(news)) *goroutine {
	ctx, end := context.WithCancelCause(ctx)
	g := &goroutine{end: end, cuts: make(chan []cluster.NodeID, 10), done: make(chan error, 1)}
	go func() { g.done <- a.run(ctx, centre.Host(a.Agent.ID), g.cuts, log, hear) }()
	return g
}

func (g *goroutine) kill()                    { g.end(errKilled) }
func (g *goroutine) leave()                   { g.end(nil) }
func (g *goroutine) cut(off []cluster.NodeID) { g.cuts <- off }
func (g *goroutine) wait() error              { return <-g.done }

// process is an agent in a process of its own.
type process struct {
	command *exec.Cmd
	server  *emulated.Server
	served  chan error
	stdin   io.Closer
}

// order is what a process is told while it runs.
type order struct {
	Cut   []cluster.NodeID `json:"cut"`
	Leave bool             `json:"leave,omitempty"`
}

func startProcess(program []string, centre *emulated.DataCentre, a assignment, hear func(news)) (*process, error) {
	p := &process{command: exec.Command(program[0], program[1:]...), server: centre.Serve(a.Agent.ID), served: make(chan error, 1)}
	p.command.Stderr = os.Stderr
	in, err := p.command.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := p.command.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := p.command.Start(); err != nil {
		return nil, err
	}
	p.stdin = in
	go func() {
		err := json.NewEncoder(in).Encode(a)
		p.served <- errors.Join(err, p.server.Run(out, in, func(text json.RawMessage) {
			var n news
			if json.Unmarshal(text, &n) == nil {
				hear(n)
			}
		}))
	}()
	return p, nil
}

func (p *process) kill()                    { _ = p.command.Process.Kill() }
func (p *process) leave()                   { _ = p.server.Order(order{Leave: true}) }
func (p *process) cut(off []cluster.NodeID) { _ = p.server.Order(order{Cut: off}) }

func (p *process) wait() error {
	served := <-p.served // its output has ended
	p.stdin.Close()
	return errors.Join(served, p.command.Wait())
}

// Agent is the process of one agent: in and out are its standard input and
// output, at the other end of which is the data centre. When the input ends, so
// does the agent, at once.
func Agent(ctx context.Context, in io.Reader, out io.Writer, log *slog.Logger) error {
	decoder := json.NewDecoder(in)
	var a assignment
	if err := decoder.Decode(&a); err != nil {
		return fmt.Errorf("there is nothing to do: %w; this command is started by dvms demo", err)
	}
	ctx, end := context.WithCancelCause(ctx)
	defer end(nil)
	host := emulated.Connect(out)
	cuts := make(chan []cluster.NodeID, 10)
	gone := make(chan error, 1)
	go func() {
		gone <- host.Run(decoder, func(text json.RawMessage) {
			var o order
			switch {
			case json.Unmarshal(text, &o) != nil:
			case o.Leave:
				end(nil)
			default:
				cuts <- o.Cut
			}
		})
		end(errKilled)
	}()
	select {
	case <-host.Ready():
	case err := <-gone:
		return err
	}
	return a.run(ctx, host, cuts, log, func(n news) { _ = host.News(n) })
}
