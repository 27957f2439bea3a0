package sim

// LinkID is the index of a link: 0 for the first one added, and so on.
type LinkID int32

// Policy says how a link is shared.
type Policy uint8

const (
	Shared  Policy = iota // all flows over it together get its bandwidth
	FatPipe               // each flow over it gets its bandwidth
)

// LinkSpec describes a link, in one direction or in both: a split-duplex link
// is two of them.
type LinkSpec struct {
	Name      string
	Bandwidth Bandwidth
	Latency   Seconds
	Policy    Policy
}

// Router knows the way between hosts.
type Router interface {
	// Route appends the links from source to target to links. Source and
	// target may be the same host. An error says why there is no route.
	Route(source, target HostID, links []LinkID) ([]LinkID, error)
}

// Flow names a flow. The zero Flow names none.
type Flow struct {
	slot int32
	seq  uint32
}

// FlowSpec describes a flow.
type FlowSpec struct {
	From, To Place
	Bytes    Bytes
	Cap      Bandwidth // 0 means none
}

type network struct{ sim *Simulation }

func (m NetworkModel) validate() error { return nil } // stub

func (s *Simulation) AddLink(spec LinkSpec) (LinkID, error)                         { panic("stub") }
func (s *Simulation) SetRouter(r Router)                                            { panic("stub") }
func (s *Simulation) Links() int                                                    { panic("stub") }
func (s *Simulation) Link(l LinkID) LinkSpec                                        { panic("stub") } // as it is now
func (s *Simulation) SetBandwidth(l LinkID, b Bandwidth) error                      { panic("stub") }
func (s *Simulation) SetLatency(l LinkID, t Seconds) error                          { panic("stub") }
func (s *Simulation) SwitchLink(l LinkID, on bool) error                            { panic("stub") }
func (s *Simulation) LinkLoad(l LinkID) Bandwidth                                   { panic("stub") }
func (s *Simulation) Send(spec FlowSpec, done Completion, arg uint64) (Flow, error) { panic("stub") }
func (s *Simulation) SuspendFlow(f Flow) error                                      { panic("stub") }
func (s *Simulation) ResumeFlow(f Flow) error                                       { panic("stub") }
func (s *Simulation) CancelFlow(f Flow) error                                       { panic("stub") }
func (s *Simulation) FlowRemaining(f Flow) float64                                  { panic("stub") } // bytes
func (s *Simulation) FlowRate(f Flow) Bandwidth                                     { panic("stub") }

func (n *network) vmChanged(id VMID, from, to VMState) {}
func (n *network) vmMoved(id VMID, from HostID)        {}
func (n *network) hostSwitched(h HostID, on bool)      {}
