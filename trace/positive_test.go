package trace_test

import (
	"reflect"
	"strings"

	"github.com/dvms-project/dvms/cluster"
	"github.com/dvms-project/dvms/trace"
)

// positive turns a record with arbitrary fields into one that can be in a
// trace: no negative numbers, no text that is not UTF-8, only resources that
// exist. It uses reflection, so that a new field is drawn too.
func positive[R trace.Record](r R) R {
	fields := reflect.ValueOf(&r).Elem()
	for i := range fields.NumField() {
		f := fields.Field(i)
		switch f.Kind() {
		case reflect.Int, reflect.Int64:
			f.SetInt(f.Int() & (1<<63 - 1))
		case reflect.Float64:
			if f.Float() < 0 {
				f.SetFloat(-f.Float())
			}
		case reflect.Uint8:
			f.SetUint(f.Uint() % uint64(cluster.NumResources))
		case reflect.String:
			f.SetString(strings.ToValidUTF8(f.String(), "?"))
		case reflect.Slice:
			if f.Len() == 0 {
				f.SetZero()
			}
		}
	}
	return r
}
