package transport

import (
	"crypto/ecdsa"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/dvms-project/dvms/cluster"
)

// Lifetimes of what an authority gives out.
const (
	TokenLifetime       = 10 * time.Minute
	CertificateLifetime = 24 * time.Hour
	authorityLifetime   = 10 * 365 * 24 * time.Hour
)

// Authority says who belongs to a cluster. It gives out tokens, with which
// nodes join, and certificates to those who bring one.
type Authority struct {
	cluster     string
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
	secret      []byte           // of the tokens
	now         func() time.Time // the clock

	mu      sync.Mutex
	used    map[string]use // tokens, by nonce, until they expire
	number  uint64         // of the list of revocations; rises with each
	revoked []revocation   // never changed in place
}

// use is a token that was used, and for which key.
type use struct {
	key     [sha256.Size]byte
	expires time.Time
}

// clusterNames are those that can be part of a DNS name.
var clusterNames = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)

// NewAuthority returns the authority of a new cluster. now is its clock.
func NewAuthority(cluster string, now func() time.Time) (*Authority, error) {
	if !clusterNames.MatchString(cluster) {
		return nil, fmt.Errorf("transport: %q is not the name of a cluster: up to 63 of a-z, 0-9 and -", cluster)
	}
	key, err := newKey()
	if err != nil {
		return nil, err
	}
	t, err := template(authorityName(cluster), cluster, now().Add(-skew), now().Add(authorityLifetime))
	if err != nil {
		return nil, err
	}
	t.IsCA, t.MaxPathLenZero, t.KeyUsage = true, true, x509.KeyUsageCertSign
	der, err := x509.CreateCertificate(rand.Reader, t, t, key.Public(), key)
	if err != nil {
		return nil, err
	}
	certificate, err := x509.ParseCertificate(der)
	secret := make([]byte, sha256.Size)
	rand.Read(secret)
	return &Authority{cluster: cluster, certificate: certificate, key: key, secret: secret, now: now, used: map[string]use{}}, err
}

// claims is what a token says.
type claims struct {
	Cluster   string         `json:"cluster"`
	Node      cluster.NodeID `json:"node"`
	Issued    int64          `json:"issued"`    // in seconds of Unix time
	Expires   int64          `json:"expires"`   // likewise
	Nonce     string         `json:"nonce"`     // no two tokens have the same
	Authority []byte         `json:"authority"` // SHA-256 of its certificate: whom the node may trust
}

// Token returns a secret with which a node can get a certificate, for a while
// and once.
func (a *Authority) Token(node cluster.NodeID, lifetime time.Duration) (string, error) {
	print := sha256.Sum256(a.certificate.Raw)
	text, err := json.Marshal(claims{
		Cluster: a.cluster, Node: node, Issued: a.now().Unix(), Expires: a.now().Add(lifetime).Unix(), Nonce: rand.Text(), Authority: print[:],
	})
	if err != nil {
		return "", err
	}
	return encoding.EncodeToString(text) + "." + encoding.EncodeToString(a.sign(text)), nil
}

var encoding = base64.RawURLEncoding.Strict()

func (a *Authority) sign(text []byte) []byte {
	mac := hmac.New(sha256.New, a.secret)
	mac.Write(text)
	return mac.Sum(nil)
}

// parseToken returns what a token says, true or not.
func parseToken(token string) (c claims, text, mac []byte, err error) {
	first, second, _ := strings.Cut(token, ".")
	text, err1 := encoding.DecodeString(first)
	mac, err2 := encoding.DecodeString(second)
	if err := errors.Join(err1, err2, json.Unmarshal(text, &c)); err != nil {
		return c, nil, nil, errors.New("this is not a token")
	}
	return c, text, mac, nil
}

// The reasons why a token is refused.
var (
	ErrForgedToken  = errors.New("the token is not from this authority")
	ErrExpiredToken = errors.New("the token has expired; ask for a new one")
	ErrUsedToken    = errors.New("the token was used already, by another key; ask for a new one")
)

// admit returns the node that a token lets in, with a key. The same key may
// come again with it: an answer may have got lost.
func (a *Authority) admit(token string, key []byte) (cluster.NodeID, error) {
	c, text, mac, err := parseToken(token)
	if err != nil || !hmac.Equal(mac, a.sign(text)) {
		return 0, ErrForgedToken
	}
	expires := time.Unix(c.Expires, 0)
	if !a.now().Before(expires) {
		return 0, ErrExpiredToken
	}
	if a.isVoid(c.Node, time.Unix(c.Issued, 0)) {
		return 0, ErrRevoked
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	for nonce, u := range a.used {
		if !a.now().Before(u.expires) {
			delete(a.used, nonce)
		}
	}
	print := sha256.Sum256(key)
	if u, used := a.used[c.Nonce]; used && u.key != print {
		return 0, ErrUsedToken
	}
	a.used[c.Nonce] = use{print, expires}
	return c.Node, nil
}

// issue returns a certificate, for a node and the key of a request.
func (a *Authority) issue(node cluster.NodeID, request []byte, lifetime time.Duration) ([]byte, error) {
	key, err := requestKey(request)
	if err != nil {
		return nil, err
	}
	name := nodeName(node, a.cluster)
	t, err := template(name, a.cluster, a.now().Add(-skew), a.now().Add(lifetime))
	if err != nil {
		return nil, err
	}
	t.DNSNames, t.KeyUsage = []string{name}, x509.KeyUsageDigitalSignature
	t.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth}
	return x509.CreateCertificate(rand.Reader, t, a.certificate, key, a.key)
}

// requestKey returns the key of a request for a certificate, whose holder has
// signed it. What else it says does not count.
func requestKey(request []byte) (*ecdsa.PublicKey, error) {
	r, err := x509.ParseCertificateRequest(request)
	if err != nil {
		return nil, err
	}
	if err := r.CheckSignature(); err != nil {
		return nil, err
	}
	key, ok := r.PublicKey.(*ecdsa.PublicKey)
	if !ok || key.Curve.Params().BitSize != 256 {
		return nil, errors.New("the key is not of the kind ECDSA P-256")
	}
	return key, nil
}

// server is what the authority proves with who it is.
func (a *Authority) server() (tls.Certificate, error) {
	key, err := newKey()
	if err != nil {
		return tls.Certificate{}, err
	}
	name := authorityName(a.cluster)
	t, err := template(name, a.cluster, a.now().Add(-skew), a.now().Add(authorityLifetime))
	if err != nil {
		return tls.Certificate{}, err
	}
	t.DNSNames, t.KeyUsage, t.ExtKeyUsage = []string{name}, x509.KeyUsageDigitalSignature, []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	der, err := x509.CreateCertificate(rand.Reader, t, a.certificate, key.Public(), a.key)
	return tls.Certificate{Certificate: [][]byte{der, a.certificate.Raw}, PrivateKey: key}, err
}
