package transport

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/dvms-project/dvms/cluster"
	"github.com/dvms-project/dvms/membership"
	"github.com/dvms-project/dvms/protocol"
)

// Who is revoked is out: its connections end, nobody lets it in, and it gets no
// new certificate; until someone gives it a new token.
func TestRevokedNodeIsOut(t *testing.T) {
	t.Parallel()
	s := newSite(t, "here", time.Now)
	first := newNode(t, s.join(t, 1))
	seed := membership.Member{ID: 1, Address: first.address}
	outcast := s.join(t, 3)
	nodes := map[cluster.NodeID]*node{1: first, 2: newNode(t, s.join(t, 2), seed), 3: newNode(t, outcast, seed), 4: newNode(t, s.join(t, 4), seed)}
	until(t, "all know all", func() bool {
		for _, n := range nodes {
			if len(n.Here()) != 3 {
				return false
			}
		}
		return true
	})
	unused, err := s.Token(3, TokenLifetime)
	if err != nil {
		t.Fatal(err)
	}
	list, err := s.Revoke(3)
	if err != nil {
		t.Fatal(err)
	}
	if err := nodes[2].Revoke(list); err != nil { // the others hear of it from this one
		t.Fatal(err)
	}
	for _, id := range []cluster.NodeID{1, 2, 4} {
		until(t, "node 3 is gone", func() bool { _, here := nodes[id].Here()[3]; return !here })
	}
	if in := len(nodes[3].Inbox()); in > 0 {
		t.Errorf("%d messages have reached node 3", in)
	}
	nodes[3].Send(1, protocol.Message{From: 3, Body: protocol.Renew{}})
	nodes[2].Send(1, protocol.Message{From: 2, Body: protocol.Renew{}})
	if m := within(t, "a message", nodes[1].Inbox()); m.From != 2 {
		t.Errorf("a message of node %d has arrived", m.From)
	}
	until(t, "it is said why node 3 is not let in", func() bool {
		return nodes[1].journal.count("msg=refused") > 0 && nodes[1].journal.count(ErrRevoked.Error()) > 0
	})
	if _, err := outcast.Renew(t.Context(), s.address); err == nil || !strings.Contains(err.Error(), ErrRevoked.Error()) {
		t.Errorf("renewal: %v", err)
	}
	if _, err := Join(t.Context(), s.address, unused); err == nil || !strings.Contains(err.Error(), ErrRevoked.Error()) {
		t.Errorf("a token from before: %v", err)
	}
	until(t, "a second is over", func() bool { return !s.isVoid(3, time.Now()) })
	back := s.join(t, 3)
	again := startNode(t, back, 2, seed)
	within(t, "word of node 1", again.Members())
	again.Send(1, protocol.Message{From: 3, Body: protocol.Renew{}})
	if m := within(t, "a message", nodes[1].Inbox()); m.From != 3 {
		t.Errorf("a message of node %d has arrived", m.From)
	}
	if len(back.Revoked.Text) == 0 {
		t.Error("who joins is not told who is revoked")
	}
}

func TestListsOfRevocations(t *testing.T) {
	t.Parallel()
	s, other := newSite(t, "here", time.Now), newSite(t, "here", time.Now)
	m := NewMesh(s.join(t, 1), listen(t), Settings{Membership: membership.Defaults()}, slog.New(slog.DiscardHandler))
	defer m.network.gate.listener.Close()
	revoke := func(by *site, node cluster.NodeID) Revocations {
		list, err := by.Revoke(node)
		if err != nil {
			t.Fatal(err)
		}
		return list
	}
	one, two := revoke(s, 5), revoke(s, 6)
	for _, l := range []Revocations{two, one, two} {
		if err := m.Revoke(l); err != nil || m.network.refused.Number != 2 || len(m.network.refused.Nodes) != 2 {
			t.Errorf("number %d, %v", m.network.refused.Number, err)
		}
	}
	forged := two
	forged.Text = []byte(strings.Replace(string(two.Text), `"number":2`, `"number":3`, 1))
	for name, l := range map[string]Revocations{"another authority's": revoke(other, 7), "changed": forged, "empty": {}} {
		if err := m.Revoke(l); err == nil {
			t.Errorf("%s list was taken", name)
		}
	}
}

// A revocation is kept for as long as what it revokes would last.
func TestOldRevocationsAreDropped(t *testing.T) {
	now := time.Now()
	a, err := NewAuthority("here", func() time.Time { return now })
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if _, err := a.Revoke(5); err != nil {
			t.Fatal(err)
		}
	}
	now = now.Add(CertificateLifetime + time.Second)
	if _, err := a.Revoke(6); err != nil || len(a.revoked) != 1 || a.number != 4 {
		t.Errorf("%+v, number %d, %v", a.revoked, a.number, err)
	}
}

// An authority that was kept is the same afterwards: what it gave out is good, and
// what it revoked is not.
func TestAuthorityIsKept(t *testing.T) {
	t.Parallel()
	a, err := NewAuthority("here", time.Now)
	if err != nil {
		t.Fatal(err)
	}
	key, err := newKey()
	if err != nil {
		t.Fatal(err)
	}
	der, err := a.issue(1, csr(t, key), time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	token, err := a.Token(2, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := a.Revoke(9); err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(t.TempDir(), "authority.json")
	for range 2 { // the second time it is there already
		if err := a.Save(name); err != nil {
			t.Fatal(err)
		}
	}
	if info, err := os.Stat(name); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	b, err := LoadAuthority(name, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := newIdentity(der, key, b.certificate); err != nil {
		t.Errorf("a certificate from before: %v", err)
	}
	if _, err := b.admit(token, nil); !errors.Is(err, ErrForgedToken) {
		t.Errorf("a token from before: %v", err)
	}
	if !b.isVoid(9, time.Now().Add(-time.Minute)) || b.number != 1 {
		t.Error("what was revoked is good again")
	}
	token, err = b.Token(2, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	if id, err := b.admit(token, nil); err != nil || id != 2 {
		t.Errorf("a new token lets node %d in: %v", id, err)
	}
}

func TestFilesThatAreNoAuthority(t *testing.T) {
	dir := t.TempDir()
	a, err := NewAuthority("here", time.Now)
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(dir, "authority")
	if err := a.Save(name); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	other, err := NewAuthority("here", time.Now)
	if err != nil {
		t.Fatal(err)
	}
	if err := other.Save(name); err != nil {
		t.Fatal(err)
	}
	foreign, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	key := func(text []byte) string {
		_, after, _ := strings.Cut(string(text), `"key":"`)
		value, _, _ := strings.Cut(after, `"`)
		return value
	}
	later := func() time.Time { return time.Now().Add(20 * 365 * 24 * time.Hour) }
	for what, c := range map[string]struct {
		text string
		mode os.FileMode
		now  func() time.Time
		want string
	}{
		"readable by the group":  {string(text), 0o640, time.Now, "others may use it (mode 0640)"},
		"writable by all":        {string(text), 0o602, time.Now, "others may use it (mode 0602)"},
		"not JSON":               {"x", 0o600, time.Now, "not an authority of the form"},
		"another schema":         {`{"schema":"x"}`, 0o600, time.Now, "not an authority of the form"},
		"another key":            {strings.Replace(string(text), key(text), key(foreign), 1), 0o600, time.Now, "for another key"},
		"another cluster's name": {strings.Replace(string(text), `"here"`, `"there"`, 1), 0o600, time.Now, `not that of the authority of "there"`},
		"expired":                {string(text), 0o600, later, "has expired"},
	} {
		if err := errors.Join(os.WriteFile(name, []byte(c.text), 0o600), os.Chmod(name, c.mode)); err != nil {
			t.Fatal(err)
		}
		if _, err := LoadAuthority(name, c.now); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", what, err, c.want)
		}
	}
	if _, err := LoadAuthority(filepath.Join(dir, "none"), time.Now); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a file that is not there: %v", err)
	}
	if _, err := LoadAuthority(dir, time.Now); err == nil {
		t.Error("a folder: no error")
	}
}
