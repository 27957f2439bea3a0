//go:build unix && !aix && !solaris

package main

import (
	"os"
	"syscall"
	"unsafe"
)

// windowSize is term.GetSize of golang.org/x/term, without the large package
// of all system calls that comes with it.
func windowSize(file *os.File) (width, height int, ok bool) {
	var size struct{ rows, columns, x, y uint16 }
	_, _, failed := syscall.Syscall(syscall.SYS_IOCTL, file.Fd(), syscall.TIOCGWINSZ, uintptr(unsafe.Pointer(&size)))
	return int(size.columns), int(size.rows), failed == 0
}
