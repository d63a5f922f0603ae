package brokertest_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"math/big"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/strandlog/strand/brokerd/broker"
	"github.com/strandlog/strand/brokerd/brokertest"
	"github.com/strandlog/strand/commitlog"
)

// authority signs the certificates of nodes.
type authority struct {
	t    *testing.T
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t *testing.T, name string) *authority {
	t.Helper()
	a := &authority{t: t}
	a.cert, a.key = a.sign(&x509.Certificate{
		Subject: pkix.Name{CommonName: name}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	})
	return a
}

// sign signs with the authority's key, or with the certificate's own.
func (a *authority) sign(template *x509.Certificate) (*x509.Certificate, *ecdsa.PrivateKey) {
	a.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	template.SerialNumber = big.NewInt(time.Now().UnixNano())
	template.NotBefore, template.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	parent, by := a.cert, a.key
	if parent == nil {
		parent, by = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, by)
	if err != nil {
		a.t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		a.t.Fatal(err)
	}
	return cert, key
}

// node is what brokerd makes of the files in a node's configuration.
func (a *authority) node(name string) *tls.Config {
	cert, key := a.sign(&x509.Certificate{
		Subject: pkix.Name{CommonName: name}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	})
	pool := x509.NewCertPool()
	pool.AddCert(a.cert)
	return &tls.Config{
		MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{{Certificate: [][]byte{cert.Raw}, PrivateKey: key}},
		RootCAs: pool, ClientCAs: pool, ClientAuth: tls.RequireAndVerifyClientCert,
	}
}

// TestCertificates has nodes know each other by certificates alone: they replicate, and whoever has none of their authority is turned away.
func TestCertificates(t *testing.T) {
	ours, other := newAuthority(t, "ours"), newAuthority(t, "other")
	var listen string
	c := brokertest.Cluster(t, 3, brokertest.Each(func(_ int, cfg *broker.Config) {
		cfg.Cluster.Secret, cfg.Cluster.TLS = "", ours.node(cfg.Cluster.Node)
		listen = cfg.Cluster.Listen
	}))
	topic, err := c.Client(0).CreateTopic(t.Context(), commitlog.TopicConfig{Name: "events", Partitions: 3})
	if err != nil {
		t.Fatal(err)
	}
	for v := range int64(20) {
		if _, err := c.Client(int(v)%3).Append(t.Context(), topic, event("a-1", commitlog.Expected(v))); err != nil {
			t.Fatal(err)
		}
	}
	for name, cfg := range map[string]*tls.Config{
		"without a certificate": {MinVersion: tls.VersionTLS13, RootCAs: ours.node("x").RootCAs},
		"of another authority":  {MinVersion: tls.VersionTLS13, RootCAs: ours.node("x").RootCAs, Certificates: other.node("node-4").Certificates},
	} {
		if err := greet(t, listen, cfg); err == nil {
			t.Errorf("somebody %s was let in", name)
		} else if !strings.Contains(err.Error(), "certificate") {
			t.Errorf("somebody %s was turned away, but not for the certificate: %v", name, err)
		}
	}
	if err := greet(t, listen, ours.node("node-4")); err != nil {
		t.Errorf("a certificate of the authority: %v", err)
	}
	c.Stop(0)
	if _, err := c.Client(1).Append(t.Context(), topic, event("a-1", 20)); err != nil {
		t.Errorf("an append to those that are left: %v", err)
	}
	c.Start()
	if _, err := c.Client(0).Append(t.Context(), topic, event("a-1", 21)); err != nil {
		t.Errorf("an append through the node that came back: %v", err)
	}
}

// TestPlainNodeAmongCertificates has a node that has the secret and no certificate try to be one of a cluster that asks for both.
func TestPlainNodeAmongCertificates(t *testing.T) {
	ours := newAuthority(t, "ours")
	var stranger broker.Config
	c := brokertest.Cluster(t, 3, brokertest.Each(func(i int, cfg *broker.Config) {
		if i == 2 {
			stranger = *cfg
			plain := *cfg.Cluster
			stranger.Cluster = &plain
		}
		cfg.Cluster.TLS = ours.node(cfg.Cluster.Node)
	}))
	c.Stop(2)
	stranger.Dir = t.TempDir()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
	defer cancel()
	b, err := broker.Start(ctx, stranger)
	if err == nil {
		_ = b.Close(t.Context())
		t.Fatal("a node without a certificate has become one of the cluster")
	}
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a node without a certificate: %v", err)
	}
}

// greet speaks to the port for nodes until that has told who it is, over TLS: the verdict on a certificate comes with the first bytes.
func greet(t *testing.T, address string, cfg *tls.Config) error {
	t.Helper()
	conn, err := net.DialTimeout("tcp", address, 5*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if err := conn.SetDeadline(time.Now().Add(5 * time.Second)); err != nil {
		t.Fatal(err)
	}
	cfg = cfg.Clone()
	cfg.ServerName = "127.0.0.1"
	over := tls.Client(conn, cfg)
	if err := over.HandshakeContext(t.Context()); err != nil {
		return err
	}
	_, err = over.Read(make([]byte, 1))
	return err
}
