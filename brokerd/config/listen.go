package config

import (
	"errors"
	"net"
	"strconv"
)

var (
	errAddress = errors.New("write host:port, such as 127.0.0.1:4222")
	errRemote  = errors.New("other machines could reach this address, and clients are not authenticated: " +
		"use 127.0.0.1, or let brokerd serve do it with allow_remote: true in its configuration")
	errAdminRemote = errors.New("other machines could reach this address, and nobody is authenticated: " +
		"use 127.0.0.1, or let brokerd serve do it with allow_remote: true under admin in its configuration")
)

// CheckListen says what is wrong with an address for clients, before anything is started for it.
func CheckListen(address string, allowRemote bool) error {
	return check(address, allowRemote, errRemote)
}

// CheckAdmin is CheckListen for the admin listener.
func CheckAdmin(address string, allowRemote bool) error {
	return check(address, allowRemote, errAdminRemote)
}

func check(address string, allowRemote bool, remote error) error {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return errAddress
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return errAddress
	}
	if !allowRemote && !loopback(host) {
		return remote
	}
	return nil
}

// loopback is as strict as the engine: an empty host means every interface, and other names may resolve to anything.
func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
