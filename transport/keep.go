package transport

import (
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"
)

// AuthoritySchema names the form of the file in which an authority is kept.
const AuthoritySchema = "dvms-authority/1"

// kept is an authority, in a file.
type kept struct {
	Schema      string       `json:"schema"`
	Cluster     string       `json:"cluster"`
	Certificate []byte       `json:"certificate"`
	Key         []byte       `json:"key"` // PKCS #8
	Number      uint64       `json:"number"`
	Revoked     []revocation `json:"revoked"`
}

// Save keeps the authority in a file that nobody but its owner can read, in place
// of what was there. Tokens are not kept: those that have been given out are good
// for as long as the authority runs.
func (a *Authority) Save(name string) error {
	key, err := x509.MarshalPKCS8PrivateKey(a.key)
	if err != nil {
		return err
	}
	a.mu.Lock()
	k := kept{AuthoritySchema, a.cluster, a.certificate.Raw, key, a.number, a.revoked}
	a.mu.Unlock()
	text, err := json.Marshal(k)
	if err != nil {
		return err
	}
	return replace(name, append(text, '\n'))
}

// replace writes a file that nobody but its owner can read, all of it or nothing.
func replace(name string, text []byte) error {
	file, err := os.CreateTemp(filepath.Dir(name), filepath.Base(name)+".*") // with mode 0600
	if err != nil {
		return err
	}
	_, err = file.Write(text)
	err = errors.Join(err, file.Sync(), file.Close())
	if err == nil {
		err = os.Rename(file.Name(), name)
	}
	if err != nil {
		os.Remove(file.Name())
	}
	return err
}

// maxKept bounds the file of an authority, in bytes.
const maxKept = 16 << 20

// LoadAuthority returns the authority that a file has. A file that others may read
// is refused: its key may be theirs, too. now is its clock.
func LoadAuthority(name string, now func() time.Time) (*Authority, error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	info, err := file.Stat()
	switch {
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("%s: not a file", name)
	case info.Mode().Perm()&0o077 != 0:
		return nil, fmt.Errorf("%s: others may use it (mode %04o), so that the key may be known; make a new authority, or, if you are sure that nobody has read it, chmod 600", name, info.Mode().Perm())
	}
	text, err := io.ReadAll(io.LimitReader(file, maxKept))
	if err != nil {
		return nil, err
	}
	a, err := parseAuthority(text, now)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return a, nil
}

func parseAuthority(text []byte, now func() time.Time) (*Authority, error) {
	var k kept
	if err := json.Unmarshal(text, &k); err != nil || k.Schema != AuthoritySchema {
		return nil, fmt.Errorf("this is not an authority of the form %s", AuthoritySchema)
	}
	certificate, err := x509.ParseCertificate(k.Certificate)
	if err != nil {
		return nil, err
	}
	parsed, err := x509.ParsePKCS8PrivateKey(k.Key)
	if err != nil {
		return nil, err
	}
	key, ok := parsed.(*ecdsa.PrivateKey)
	switch {
	case !ok || !key.PublicKey.Equal(certificate.PublicKey):
		return nil, errors.New("the certificate is for another key")
	case !certificate.IsCA || !clusterNames.MatchString(k.Cluster) || certificate.Subject.CommonName != authorityName(k.Cluster):
		return nil, fmt.Errorf("the certificate is not that of the authority of %q", k.Cluster)
	case !now().Before(certificate.NotAfter):
		return nil, fmt.Errorf("the authority has expired, at %v", certificate.NotAfter)
	}
	secret := make([]byte, sha256.Size)
	rand.Read(secret)
	return &Authority{
		cluster: k.Cluster, certificate: certificate, key: key, secret: secret, now: now, used: map[string]use{}, number: k.Number, revoked: k.Revoked,
	}, nil
}
