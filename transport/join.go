package transport

import (
	"context"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	mathrand "math/rand/v2"
	"net"
	"syscall"
	"time"

	"github.com/dvms-project/dvms/cluster"
)

// joinProtocol is the name, by which TLS finds out that both sides mean the same.
const joinProtocol = "dvms-join/1"

// request asks for a certificate: with a token, or with the certificate that
// one has.
type request struct {
	Token   string `json:"token,omitempty"`
	Request []byte `json:"request"` // of PKCS #10
}

type reply struct {
	Error       string      `json:"error,omitempty"`
	Certificate []byte      `json:"certificate,omitempty"`
	Revoked     Revocations `json:"revoked,omitzero"`
}

// maxRequest bounds requests and replies, in bytes; joinLimit, how long one takes.
const (
	maxRequest = 1 << 20 // a list of some 10,000 revocations fits
	joinLimit  = 10 * time.Second
)

// Serve answers those who want to join, or to renew their certificates, until
// the context ends. It closes the listener.
func (a *Authority) Serve(ctx context.Context, l net.Listener, log *slog.Logger) error {
	own, err := a.server()
	if err != nil {
		return err
	}
	clients := x509.NewCertPool()
	clients.AddCert(a.certificate)
	settings := &tls.Config{
		MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{own}, NextProtos: []string{joinProtocol},
		ClientAuth: tls.VerifyClientCertIfGiven, ClientCAs: clients, Time: a.now,
		SessionTicketsDisabled: true,
	}
	g := newGate(l, joinLimit, log)
	return g.run(ctx, func(ctx context.Context, c net.Conn) error { return a.answer(ctx, tls.Server(c, settings)) })
}

func (a *Authority) answer(ctx context.Context, c *tls.Conn) error {
	if err := c.HandshakeContext(ctx); err != nil {
		return err
	}
	text, err := readFrame(c, maxRequest)
	if err != nil {
		return err
	}
	certificate, failed := a.certify(c.ConnectionState(), text)
	revoked, err := a.Revocations()
	if err != nil {
		return err
	}
	answer := reply{Certificate: certificate, Revoked: revoked}
	if failed != nil {
		answer.Error = failed.Error()
	}
	text, err = json.Marshal(answer)
	if err != nil {
		return err
	}
	return errors.Join(failed, writeFrame(c, text), c.Close())
}

// certify returns a certificate for who has shown that it may have one.
func (a *Authority) certify(s tls.ConnectionState, text []byte) ([]byte, error) {
	var r request
	if err := json.Unmarshal(text, &r); err != nil {
		return nil, fmt.Errorf("not a request: %w", err)
	}
	key, err := requestKey(r.Request)
	if err != nil {
		return nil, err
	}
	node, err := a.who(s, r, key)
	if err != nil {
		return nil, err
	}
	return a.issue(node, r.Request, CertificateLifetime)
}

func (a *Authority) who(s tls.ConnectionState, r request, key *ecdsa.PublicKey) (cluster.NodeID, error) {
	if len(s.VerifiedChains) > 0 && r.Token == "" {
		node, _, err := holder(s.PeerCertificates[0])
		if err == nil && a.isVoid(node, issued(s.PeerCertificates[0])) {
			err = ErrRevoked
		}
		return node, err
	}
	encoded, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		return 0, err
	}
	return a.admit(r.Token, encoded)
}

// Join gets a certificate from the authority at an address, with a token.
func Join(ctx context.Context, address, token string) (*Identity, error) {
	c, _, _, err := parseToken(token)
	if err != nil {
		return nil, fmt.Errorf("join: %w", err)
	}
	var authority *x509.Certificate
	settings := &tls.Config{
		MinVersion: tls.VersionTLS13, NextProtos: []string{joinProtocol},
		// The node does not know the authority's certificate yet, but its
		// fingerprint: that is in the token, and checked here.
		InsecureSkipVerify: true,
		VerifyConnection: func(s tls.ConnectionState) (err error) {
			authority, err = recognize(s.PeerCertificates, c)
			return err
		},
	}
	return apply(ctx, address, settings, token, func() *x509.Certificate { return authority })
}

// recognize returns the authority's certificate among those that a server has
// shown, if it is the one that the token names and vouches for the server.
func recognize(shown []*x509.Certificate, c claims) (*x509.Certificate, error) {
	for _, certificate := range shown {
		if print := sha256.Sum256(certificate.Raw); string(print[:]) == string(c.Authority) {
			pool := x509.NewCertPool()
			pool.AddCert(certificate)
			_, err := shown[0].Verify(x509.VerifyOptions{Roots: pool, DNSName: authorityName(c.Cluster)})
			return certificate, err
		}
	}
	return nil, errors.New("this is not the authority that the token is from")
}

// Renew gets a new certificate for the one that a node has.
func (i *Identity) Renew(ctx context.Context, address string) (*Identity, error) {
	settings := &tls.Config{
		MinVersion: tls.VersionTLS13, NextProtos: []string{joinProtocol}, RootCAs: i.roots(),
		ServerName: authorityName(i.Cluster), Certificates: []tls.Certificate{i.Certificate},
	}
	return apply(ctx, address, settings, "", func() *x509.Certificate { return i.Authority })
}

// apply asks for a certificate for a new key.
func apply(ctx context.Context, address string, settings *tls.Config, token string, authority func() *x509.Certificate) (*Identity, error) {
	ctx, cancel := context.WithTimeout(ctx, joinLimit)
	defer cancel()
	key, err := newKey()
	if err != nil {
		return nil, err
	}
	signed, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, key)
	if err != nil {
		return nil, err
	}
	answer, err := ask(ctx, address, settings, request{Token: token, Request: signed})
	for wait := firstWait; isBroken(err); wait *= 2 {
		select {
		case <-time.After(wait + mathrand.N(wait)):
			answer, err = ask(ctx, address, settings, request{Token: token, Request: signed})
		case <-ctx.Done():
			return nil, fmt.Errorf("join: authority at %s: %w", address, err)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("join: authority at %s: %w", address, err)
	}
	identity, err := newIdentity(answer.Certificate, key, authority())
	if err != nil {
		return nil, err
	}
	identity.Revoked = answer.Revoked
	_, err = identity.Revoked.read(identity)
	return identity, err
}

// firstWait is how long who asks waits at least before it asks again; then twice as
// long, and so on.
const firstWait = 50 * time.Millisecond

// isBroken reports whether a connection was ended without a word. An authority does
// that when more ask at once than its gate lets in: when a whole cluster starts.
// The same key may ask again with the same token.
func isBroken(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

func ask(ctx context.Context, address string, settings *tls.Config, r request) (answer reply, err error) {
	conn, err := (&tls.Dialer{Config: settings}).DialContext(ctx, "tcp", address)
	if err != nil {
		return answer, err
	}
	defer conn.Close()
	deadline, _ := ctx.Deadline()
	text, err := json.Marshal(r)
	if err := errors.Join(err, conn.SetDeadline(deadline)); err != nil {
		return answer, err
	}
	if err := writeFrame(conn, text); err != nil {
		return answer, err
	}
	if text, err = readFrame(conn, maxRequest); err != nil {
		return answer, err
	}
	if err := json.Unmarshal(text, &answer); err != nil {
		return answer, err
	}
	if answer.Error != "" {
		return answer, errors.New(answer.Error)
	}
	return answer, nil
}
