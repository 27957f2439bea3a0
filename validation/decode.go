package validation

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
)

// CaseError is what is wrong with the text of a case, and where.
type CaseError struct {
	Line int // from 1 on
	Err  error
}

func (e *CaseError) Error() string { return fmt.Sprintf("line %d: %v", e.Line, e.Err) }

func (e *CaseError) Unwrap() error { return e.Err }

// decode reads the text of a case. Keys that it does not know are refused. The
// error is a *CaseError.
func decode(data []byte, into any) error {
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	err := decoder.Decode(into)
	if err == nil {
		if _, err = decoder.Token(); errors.Is(err, io.EOF) {
			return nil
		}
		return &CaseError{lineOf(data, decoder.InputOffset()), errors.New("there is more after the case")}
	}
	return &CaseError{lineOf(data, where(data, err)), err}
}

var unknownField = regexp.MustCompile(`unknown field (".*")`)

// where returns the offset that an error of the decoder is about.
func where(data []byte, err error) int64 {
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	switch {
	case errors.As(err, &syntax):
		return syntax.Offset
	case errors.As(err, &kind):
		return kind.Offset
	}
	if m := unknownField.FindStringSubmatch(err.Error()); m != nil {
		if i := bytes.Index(data, []byte(m[1])); i >= 0 {
			return int64(i)
		}
	}
	return int64(len(bytes.TrimRight(data, " \t\r\n"))) // the text ends too early
}

func lineOf(data []byte, offset int64) int {
	return 1 + bytes.Count(data[:min(offset, int64(len(data)))], []byte("\n"))
}
