package protocol

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
	"unsafe"

	"github.com/dvms-project/dvms/cluster"
	"github.com/dvms-project/dvms/plan"
)

// irrelevant are the fields that Encode leaves out, and why.
var irrelevant = map[string]string{
	"Node.settings":     "the driver's choice, for good",
	"Node.overlay":      "the driver's choice, for good",
	"Node.random":       "it decides nothing but the jitter of the back-off, which is chance",
	"Node.usage":        "the sum of what local says",
	"Node.out":          "what the last step returned",
	"Node.self":         "empty between two steps",
	"alarm.asked":       "when the driver's timer fires too early, nothing happens",
	"booking.tally":     "it is told when the procedure ends, and decides nothing",
	"Event.Tally":       "see booking.tally",
	"Lead.Tally":        "see booking.tally",
	"Stuck.Tally":       "see booking.tally",
	"Returned.Tally":    "see booking.tally",
	"Merged.Tally":      "see booking.tally",
	"VM.Name":           "VMs are told apart by their IDs",
	"Rule.Name":         "rules are told apart by what they say",
	"booking.reasons":   "they are for a person",
	"Release.Reasons":   "see booking.reasons",
	"departure.overdue": "while it is running; TestEncodeTellsTime has the rest",
}

// bodies are all messages.
var bodies = []Body{
	Event{},
	Lead{},
	Report{},
	Refuse{},
	Stuck{},
	Returned{},
	Passing{},
	Renew{},
	Release{},
	Merge{},
	Merged{},
	Order{},
	Done{},
	Admit{},
	Admitted{},
	Settled{},
	Ask{},
	Moving{},
}

// A field that is added to a node, or to what it holds, must be encoded or be
// on the list of those that decide nothing.
func TestEncodeTellsEveryField(t *testing.T) {
	var n Node
	fill(reflect.ValueOf(&n).Elem(), "")
	n.booked = true
	n.departures[0].running = true
	eachLeaf(t, reflect.ValueOf(&n).Elem(), "", func() []byte { return n.Encode(nil, 1) })
}

func TestEncodeTellsEveryFieldOfMessages(t *testing.T) {
	for _, body := range bodies {
		m := Message{From: 1, Partition: PartitionID{2, 3}, Epoch: 4 * Change}
		v := reflect.New(reflect.TypeOf(body)).Elem()
		fill(v, "")
		eachLeaf(t, v, "", func() []byte {
			m.Body = v.Interface()
			return m.Encode(nil)
		})
	}
	var m Message
	m.Body = Renew{}
	eachLeaf(t, reflect.ValueOf(&m).Elem(), "", func() []byte { return m.Encode(nil) })
}

// Messages that say the same in different types have different bytes.
func TestEncodeTellsMessagesApart(t *testing.T) {
	seen := map[string]Body{}
	for _, body := range bodies {
		b := string(Message{Body: body}.Encode(nil))
		if other, there := seen[b]; there {
			t.Errorf("%T and %T have the same bytes", body, other)
		}
		seen[b] = body
	}
}

// bodies above has all messages that a node receives.
func TestAllMessagesAreEncoded(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "node.go", nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	listed := map[string]bool{}
	for _, body := range bodies {
		listed[reflect.TypeOf(body).Name()] = true
	}
	received := 0
	ast.Inspect(file, func(n ast.Node) bool {
		if f, ok := n.(*ast.FuncDecl); ok && f.Name.Name != "receive" {
			return false
		}
		if c, ok := n.(*ast.CaseClause); ok && len(c.List) == 1 {
			name := c.List[0].(*ast.Ident).Name
			received++
			if !listed[name] {
				t.Errorf("%s is not among the bodies of this test", name)
			}
		}
		return true
	})
	if received == 0 {
		t.Error("found no messages in receive")
	}
}

// Nodes that differ by a shift of time alone have the same bytes.
func TestEncodeTellsTime(t *testing.T) {
	waiting := func(at time.Duration) *Node {
		n := &Node{id: 1, departures: []departure{{vm: 1, overdue: at + 3}}, arrivals: []arrival{{vm: 2, overdue: at + 4}}}
		n.waits[Drain].until = at + 5
		n.alarms[ActionTimer] = alarm{due: at + 3, asked: at + 3}
		return n
	}
	early, late := waiting(100), waiting(200)
	if a, b := string(early.Encode(nil, 100)), string(late.Encode(nil, 200)); a != b {
		t.Errorf("shifted by 100: %x and %x", a, b)
	}
	early.Shift(100)
	if a, b := string(early.Encode(nil, 200)), string(late.Encode(nil, 200)); a != b {
		t.Errorf("after Shift: %x and %x", a, b)
	}
	if a, b := string(early.Encode(nil, 200)), string(early.Encode(nil, 201)); a == b {
		t.Error("an instant later it has less time left, and the same bytes")
	}
	early.departures[0].overdue++
	if a, b := string(early.Encode(nil, 200)), string(late.Encode(nil, 200)); a == b {
		t.Error("another time to wait for a promise has the same bytes")
	}
}

// fill sets everything that v holds to a value of its own.
func fill(v reflect.Value, path string) {
	v = settable(v)
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			fill(v.Field(i), path+"."+v.Type().Field(i).Name)
		}
	case reflect.Array:
		for i := range v.Len() {
			fill(v.Index(i), path)
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		for i := range v.Len() {
			fill(v.Index(i), path)
		}
	case reflect.Pointer:
		if v.Type() != reflect.TypeFor[*plan.Runner]() {
			panic(path + ": a pointer that this test can't fill")
		}
		p := plan.Plan{Actions: []plan.Action{{VM: 1, Source: 2, Target: 3}, {VM: 2, Source: 3, Target: 4, After: []int{0}}}}
		v.Set(reflect.ValueOf(plan.NewRunner(p, 2)))
	case reflect.Interface:
		if v.Type() == reflect.TypeFor[Body]() && strings.HasSuffix(path, "held.Body") {
			v.Set(reflect.ValueOf(Event{Members: []cluster.NodeID{1}}))
		}
	case reflect.String:
		v.SetString("name")
	default:
		change(v)
		for range 20 { // instants must be in the future
			change(v)
		}
		if v.Kind() == reflect.Bool {
			v.SetBool(true)
		}
	}
}

// change changes a value that has no parts.
func change(v reflect.Value) {
	switch {
	case v.Kind() == reflect.Bool:
		v.SetBool(!v.Bool())
	case v.CanInt():
		v.SetInt(v.Int() + 1)
	case v.CanUint():
		v.SetUint(v.Uint() + 1)
	case v.Kind() == reflect.String:
		v.SetString(v.String() + "x")
	default:
		panic(fmt.Sprintf("a %v can't be changed by this test", v.Type()))
	}
}

func settable(v reflect.Value) reflect.Value {
	return reflect.NewAt(v.Type(), unsafe.Pointer(v.UnsafeAddr())).Elem()
}

// eachLeaf changes everything that v holds, one thing at a time, and expects
// other bytes.
func eachLeaf(t *testing.T, v reflect.Value, name string, encode func() []byte) {
	t.Helper()
	v = settable(v)
	check := func(changed func(), restore func()) {
		before := encode()
		changed()
		told := !slices.Equal(before, encode())
		restore()
		_, listed := irrelevant[name]
		switch {
		case !told && !listed:
			t.Errorf("%s is not encoded; if it decides nothing, say why", name)
		case told && listed:
			t.Errorf("%s is encoded, and listed as irrelevant", name)
		}
	}
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			field := v.Type().Name() + "." + v.Type().Field(i).Name
			_, listed := irrelevant[field]
			if kind := v.Field(i).Kind(); listed && (kind == reflect.Struct || kind == reflect.Interface || kind == reflect.Slice) {
				continue
			}
			eachLeaf(t, v.Field(i), field, encode)
		}
	case reflect.Array:
		for i := range v.Len() {
			eachLeaf(t, v.Index(i), name, encode)
		}
	case reflect.Slice:
		if v.Len() > 0 {
			all := v.Slice(0, v.Len())
			check(func() { v.Set(v.Slice(0, v.Len()-1)) }, func() { v.Set(all) })
			eachLeaf(t, v.Index(0), name, encode)
		}
	case reflect.Pointer: // the only one is a runner
		r := v.Interface().(*plan.Runner)
		check(func() { r.Started(0) }, func() { v.Set(reflect.ValueOf(plan.NewRunner(r.Plan(), 2))) })
		check(func() { r.Plan().Actions[1].Target++ }, func() { r.Plan().Actions[1].Target-- })
	case reflect.Interface:
		if !v.IsNil() { // TestEncodeTellsEveryFieldOfMessages has what is in it
			old := reflect.ValueOf(v.Interface())
			check(func() { v.Set(reflect.ValueOf(Settled{})) }, func() { v.Set(old) })
		}
	case reflect.Map, reflect.Chan, reflect.Func:
		t.Errorf("%s: a %v has no canonical bytes", name, v.Kind())
	default:
		old := reflect.New(v.Type()).Elem()
		old.Set(v)
		check(func() { change(v) }, func() { v.Set(old) })
	}
}
