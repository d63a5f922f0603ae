package engine_test

import (
	"bufio"
	"encoding/hex"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/strandlog/strand/brokerd/engine"
)

func TestNothingListensUnlessTold(t *testing.T) {
	start(t, engine.Config{})
	if got := listening(t); len(got) != 0 {
		t.Errorf("listening on %v", got)
	}
}

func TestOneLoopbackSocketListens(t *testing.T) {
	e := start(t, engine.Config{Listen: "127.0.0.1:0"})
	got := listening(t)
	if len(got) != 1 || !got[0].Addr().IsLoopback() {
		t.Fatalf("listening on %v, want one loopback socket", got)
	}
	if want := "nats://" + got[0].String(); e.ClientURL() != want {
		t.Errorf("client URL %s, want %s", e.ClientURL(), want)
	}
	stop(t, e)
	if got := listening(t); len(got) != 0 {
		t.Errorf("after Close listening on %v", got)
	}
}

// listening returns the addresses on which this process accepts TCP connections, as the kernel tells them.
func listening(t *testing.T) []netip.AddrPort {
	t.Helper()
	own := map[string]bool{}
	fds, err := filepath.Glob("/proc/self/fd/*")
	if err != nil {
		t.Fatal(err)
	}
	for _, fd := range fds {
		if target, err := os.Readlink(fd); err == nil && strings.HasPrefix(target, "socket:[") {
			own[strings.TrimSuffix(strings.TrimPrefix(target, "socket:["), "]")] = true
		}
	}
	var addrs []netip.AddrPort
	for _, table := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		f, err := os.Open(table)
		if os.IsNotExist(err) {
			continue // no IPv6
		}
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		lines := bufio.NewScanner(f)
		for lines.Scan() {
			const local, state, inode, listen = 1, 3, 9, "0A"
			fields := strings.Fields(lines.Text())
			if len(fields) > inode && fields[state] == listen && own[fields[inode]] {
				addrs = append(addrs, kernelAddr(t, fields[local]))
			}
		}
		if err := lines.Err(); err != nil {
			t.Fatal(err)
		}
	}
	return addrs
}

// kernelAddr reads an address like 0100007F:1F90: words in the machine's order, little-endian here.
func kernelAddr(t *testing.T, s string) netip.AddrPort {
	t.Helper()
	ip, port, _ := strings.Cut(s, ":")
	b, err := hex.DecodeString(ip)
	if err != nil {
		t.Fatal(err)
	}
	for word := range slices.Chunk(b, 4) {
		slices.Reverse(word)
	}
	addr, ok := netip.AddrFromSlice(b)
	p, err := strconv.ParseUint(port, 16, 16)
	if !ok || err != nil {
		t.Fatalf("address %s: %v", s, err)
	}
	return netip.AddrPortFrom(addr.Unmap(), uint16(p))
}
