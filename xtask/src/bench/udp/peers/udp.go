// A peer for `cargo xtask bench udp`: the echo in Go, with the calls of its package net that allocate nothing.
//
//	go build -o udp-go udp.go && ./udp-go 2000
package main

import (
	"log"
	"net"
	"net/netip"
	"os"
)

func main() {
	address, err := netip.ParseAddrPort("127.0.0.1:" + os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	socket, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(address))
	if err != nil {
		log.Fatal(err)
	}
	buffer := make([]byte, 65535)
	for {
		length, peer, err := socket.ReadFromUDPAddrPort(buffer)
		if err != nil {
			log.Fatal(err)
		}
		socket.WriteToUDPAddrPort(buffer[:length], peer)
	}
}
