package transport

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"math/big"
	"strconv"
	"strings"
	"time"

	"github.com/dvms-project/dvms/cluster"
)

// A certificate names its holder by a DNS name, so that the ordinary checks of
// TLS compare it with whom one wants to speak to: node-7.CLUSTER for a node,
// and authority.CLUSTER for who issues certificates.

func nodeName(id cluster.NodeID, of string) string { return fmt.Sprintf("node-%d.%s", id, of) }

func authorityName(of string) string { return "authority." + of }

// Identity is what a node proves with who it is: its certificate, the key to
// it, and the certificate of the cluster's authority.
type Identity struct {
	ID          cluster.NodeID
	Cluster     string
	Certificate tls.Certificate
	Authority   *x509.Certificate
	Revoked     Revocations // as they were when the certificate was issued
}

// holder returns the node that a certificate, already verified, is for.
func holder(c *x509.Certificate) (id cluster.NodeID, of string, err error) {
	if len(c.DNSNames) == 1 {
		node, name, _ := strings.Cut(c.DNSNames[0], ".")
		if digits, ok := strings.CutPrefix(node, "node-"); ok && name != "" {
			n, err := strconv.ParseUint(digits, 10, 64)
			if err == nil && strconv.FormatUint(n, 10) == digits {
				return cluster.NodeID(n), name, nil
			}
		}
	}
	return 0, "", fmt.Errorf("the certificate of %q is not a node's", c.DNSNames)
}

// newIdentity returns the identity that a certificate, the key to it and the
// authority's certificate make, if they belong together.
func newIdentity(der []byte, key *ecdsa.PrivateKey, authority *x509.Certificate) (*Identity, error) {
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	i := &Identity{Authority: authority, Certificate: tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}}
	if i.ID, i.Cluster, err = holder(leaf); err != nil {
		return nil, err
	}
	if _, err := leaf.Verify(x509.VerifyOptions{Roots: i.roots(), KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}}); err != nil {
		return nil, err
	}
	if public, ok := leaf.PublicKey.(*ecdsa.PublicKey); !ok || !public.Equal(key.Public()) {
		return nil, errors.New("the certificate is for another key")
	}
	return i, nil
}

func (i *Identity) roots() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(i.Authority)
	return pool
}

// Expires is when the certificate does.
func (i *Identity) Expires() time.Time { return i.Certificate.Leaf.NotAfter }

// Renewal is when the certificate should be renewed: two thirds of its time are
// over.
func (i *Identity) Renewal() time.Time {
	leaf := i.Certificate.Leaf
	return leaf.NotBefore.Add(leaf.NotAfter.Sub(leaf.NotBefore) * 2 / 3)
}

// newKey returns a key of the only kind that is used, ECDSA P-256.
func newKey() (*ecdsa.PrivateKey, error) { return ecdsa.GenerateKey(elliptic.P256(), rand.Reader) }

// skew is how far clocks may be apart: a certificate is valid from that long
// before it is issued.
const skew = time.Minute

// template is what all certificates have in common.
func template(name, cluster string, from, until time.Time) (*x509.Certificate, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	return &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: name, Organization: []string{cluster}},
		NotBefore: from, NotAfter: until, BasicConstraintsValid: true,
	}, err
}
