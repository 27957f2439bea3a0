package transport

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// A frame is its length in bytes, as four bytes with the most significant
// first, and what it holds.

var errLong = errors.New("a frame is longer than allowed")

func writeFrame(w io.Writer, content []byte) error {
	frame := make([]byte, 4, 4+len(content))
	binary.BigEndian.PutUint32(frame, uint32(len(content)))
	_, err := w.Write(append(frame, content...)) // one record of TLS, if it is short
	return err
}

// readFrame reads a frame of at most limit bytes. Memory grows with what comes,
// not with what the length promises.
func readFrame(r io.Reader, limit int) ([]byte, error) {
	var head [4]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, err
	}
	length := int64(binary.BigEndian.Uint32(head[:]))
	if length > int64(limit) {
		return nil, fmt.Errorf("%w: %d bytes", errLong, length)
	}
	content, err := io.ReadAll(io.LimitReader(r, length))
	if err == nil && int64(len(content)) < length {
		err = io.ErrUnexpectedEOF
	}
	return content, err
}
