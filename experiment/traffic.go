package experiment

import "github.com/dvms-project/dvms/protocol"

// traffic is messages, and how many bytes they take.
type traffic struct{ messages, bytes int }

func (t *traffic) add(bytes int) {
	t.messages++
	t.bytes += bytes
}

// count adds what a machine sends to what the run and the procedures have sent.
// It comes before anything is done about the outputs: the messages by which a
// procedure ends are its own, wherever its end stands among them. What is said
// about a procedure that is over belongs to the run alone.
func (w *world) count(outputs []protocol.Output) {
	for _, out := range outputs {
		switch out := out.(type) {
		case protocol.Began:
			w.partitions[out.Partition] = &procedure{began: w.now(), kind: out.Kind}
		case protocol.Send:
			size := sizeOf(out.Message)
			w.sent.add(size)
			if p, ok := w.partitions[out.Message.Partition]; ok {
				p.sent.add(size)
			}
		}
	}
}
