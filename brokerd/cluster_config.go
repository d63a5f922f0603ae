package main

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"

	"github.com/strandlog/strand/brokerd/broker"
	"github.com/strandlog/strand/brokerd/config"
)

// clusterOf is the cluster of a configuration file; nil: the node is alone.
func clusterOf(c config.Cluster) (*broker.ClusterConfig, error) {
	if c.Name == "" {
		return nil, nil
	}
	cluster := &broker.ClusterConfig{Name: c.Name, Node: c.Node, Listen: c.Listen, Advertise: c.Advertise, Peers: c.Peers, Secret: c.Secret}
	if c.TLS == (config.TLS{}) {
		return cluster, nil
	}
	own, err := tls.LoadX509KeyPair(c.TLS.Cert, c.TLS.Key)
	if err != nil {
		return nil, fmt.Errorf("reading the certificate of the node: %w", err)
	}
	authority, err := os.ReadFile(c.TLS.CA)
	if err != nil {
		return nil, fmt.Errorf("reading the certificates that the other nodes are known by: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(authority) {
		return nil, fmt.Errorf("%s holds no certificate, PEM", c.TLS.CA)
	}
	cluster.TLS = &tls.Config{
		MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{own},
		RootCAs: pool, ClientCAs: pool, ClientAuth: tls.RequireAndVerifyClientCert,
	}
	return cluster, nil
}
