package transport

import (
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"slices"
	"time"

	"github.com/dvms-project/dvms/cluster"
)

// Revocations is a list, signed by the authority, of certificates that are to be
// refused before they expire. Of two lists the one with the higher number counts.
// Members tell each other of it; it does not matter from whom it comes.
type Revocations struct {
	Text      []byte `json:"text"`
	Signature []byte `json:"signature"`
}

// revocationList is what Revocations say.
type revocationList struct {
	Cluster string       `json:"cluster"`
	Number  uint64       `json:"number"`
	Nodes   []revocation `json:"nodes"`
}

// revocation says that what a node was given until some time is void. It may join
// anew, with a token from after that.
type revocation struct {
	Node  cluster.NodeID `json:"node"`
	Until int64          `json:"until"` // in seconds of Unix time
}

// ErrRevoked says why a certificate, or a token, is refused that was good once.
var ErrRevoked = errors.New("what this node was given is revoked; it needs a new token")

// issued is when a certificate was, to the second.
func issued(c *x509.Certificate) time.Time { return c.NotBefore.Add(skew) }

// void reports whether what a node was given at some time is revoked.
func void(list []revocation, node cluster.NodeID, at time.Time) bool {
	return slices.ContainsFunc(list, func(r revocation) bool { return r.Node == node && at.Unix() <= r.Until })
}

// Revoke makes void what a node was given so far: tokens and certificates. The
// list that it returns is for the members; see Mesh.Revoke.
func (a *Authority) Revoke(node cluster.NodeID) (Revocations, error) {
	a.mu.Lock()
	now := a.now()
	a.revoked = slices.DeleteFunc(slices.Clone(a.revoked), func(r revocation) bool {
		return r.Node == node || now.Unix()-r.Until > int64(CertificateLifetime/time.Second) // it has expired by itself
	})
	a.revoked = append(a.revoked, revocation{node, now.Unix()})
	a.number++
	a.mu.Unlock()
	return a.Revocations()
}

// signedFor begins what is signed, so that no signature can be one of something
// else.
const signedFor = "dvms revocations\n"

func digest(text []byte) []byte {
	sum := sha256.Sum256(append([]byte(signedFor), text...))
	return sum[:]
}

// Revocations returns the list as it is now.
func (a *Authority) Revocations() (Revocations, error) {
	a.mu.Lock()
	list := revocationList{a.cluster, a.number, a.revoked}
	a.mu.Unlock()
	text, err := json.Marshal(list)
	if err != nil {
		return Revocations{}, err
	}
	signature, err := ecdsa.SignASN1(rand.Reader, a.key, digest(text))
	return Revocations{text, signature}, err
}

// isVoid reports whether what a node was given at some time is revoked.
func (a *Authority) isVoid(node cluster.NodeID, at time.Time) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return void(a.revoked, node, at)
}

// read returns what the list says, if it is from the authority of this node.
func (r Revocations) read(i *Identity) (list revocationList, err error) {
	key, ok := i.Authority.PublicKey.(*ecdsa.PublicKey)
	if !ok || !ecdsa.VerifyASN1(key, digest(r.Text), r.Signature) {
		return list, errors.New("a list of revocations that is not from the authority")
	}
	if err := json.Unmarshal(r.Text, &list); err != nil || list.Cluster != i.Cluster {
		return list, errors.New("a list of revocations of another cluster")
	}
	return list, nil
}

// refusals is the list that a node goes by.
type refusals struct {
	signed Revocations
	revocationList
}

// Revoke takes a list of revocations from the authority, and tells the others of
// it. Connections of those that it names end.
func (m *Mesh) Revoke(r Revocations) error { return m.network.revoke(r) }

func (n *network) revoke(r Revocations) error {
	identity := n.identity.Load()
	list, err := r.read(identity)
	if err != nil {
		return err
	}
	n.mu.Lock()
	if list.Number <= n.refused.Number {
		n.mu.Unlock()
		return nil // nothing new
	}
	n.refused = refusals{r, list}
	var ended []net.Conn
	for id, in := range n.inbound {
		if void(list.Nodes, id, in.issued) {
			ended = append(ended, in.Conn)
		}
	}
	var others []cluster.NodeID
	for id, p := range n.peers {
		if p.link != nil && void(list.Nodes, id, p.link.issued) {
			ended = append(ended, p.link.Conn)
		} else if p.queue != nil {
			others = append(others, id)
		}
	}
	n.mu.Unlock()
	n.log.Info("revocations", "number", list.Number, "nodes", len(list.Nodes), "closed", len(ended))
	if void(list.Nodes, identity.ID, issued(identity.Certificate.Leaf)) {
		n.log.Error("others refuse this node from now on", "err", ErrRevoked)
	}
	for _, conn := range ended {
		conn.Close()
	}
	for _, id := range others {
		n.send(id, envelope{Revoked: &r})
	}
	return nil
}

// link is a connection, and when the certificate of the other side was issued.
type link struct {
	net.Conn
	issued time.Time
	back   chan parcel // of a connection that the other side has opened
}

// accept returns an error if a certificate, already verified, is revoked.
func (n *network) accept(c *x509.Certificate) error {
	id, _, err := holder(c)
	if err != nil {
		return err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if void(n.refused.Nodes, id, issued(c)) {
		return fmt.Errorf("node %d: %w", id, ErrRevoked)
	}
	return nil
}

// welcome returns the frame that is sent first through a connection: the list of
// revocations, if anything is revoked.
func (n *network) welcome() ([]byte, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.refused.Number == 0 {
		return nil, nil
	}
	return json.Marshal(envelope{Revoked: &n.refused.signed})
}
