package uring

import (
	"errors"
	"reflect"
	"testing"
)

// A ring that was never opened is an error to use, as when the error of New was
// ignored, and no crash.
func TestRingThatWasNotOpened(t *testing.T) {
	for name, r := range map[string]*Ring{"nil": nil, "zero": {}} {
		typ := reflect.TypeOf(r)
		for i := range typ.NumMethod() {
			method := typ.Method(i)
			t.Run(name+"/"+method.Name, func(t *testing.T) {
				defer func() {
					if p := recover(); p != nil {
						t.Errorf("panic: %v", p)
					}
				}()
				var args []reflect.Value
				for a := 1; a < method.Type.NumIn(); a++ {
					args = append(args, reflect.Zero(method.Type.In(a)))
				}
				call := reflect.ValueOf(r).Method(i).Call
				if method.Type.IsVariadic() {
					call = reflect.ValueOf(r).Method(i).CallSlice
				}
				for _, out := range call(args) {
					if out.Kind() == reflect.Func { // an iterator
						if out.Type().In(0).NumIn() == 2 {
							for range out.Seq2() {
								t.Error("a completion")
							}
							continue
						}
						for range out.Seq() {
							t.Error("a completion")
						}
						continue
					}
					if out.Type() != reflect.TypeFor[error]() {
						continue
					}
					err, _ := out.Interface().(error)
					if !errors.Is(err, errNoRing) {
						t.Errorf("error is %v, want %v", err, errNoRing)
					}
				}
			})
		}
	}
}
