// A peer for `cargo xtask bench tcp`: the echo in Go, a goroutine for each connection. "copy" is how the documentation of
// Go's package net does it; "loop" reads and writes itself.
//
//	go build -o echo-go echo.go && ./echo-go copy 2000
package main

import (
	"io"
	"log"
	"net"
	"os"
)

func main() {
	echo := viaCopy
	if os.Args[1] == "loop" {
		echo = viaLoop
	}
	listener, err := net.Listen("tcp", "127.0.0.1:"+os.Args[2])
	if err != nil {
		log.Fatal(err)
	}
	for {
		connection, err := listener.Accept()
		if err != nil {
			log.Fatal(err)
		}
		go func() {
			defer connection.Close()
			echo(connection)
		}()
	}
}

func viaCopy(connection net.Conn) {
	io.Copy(connection, connection)
}

func viaLoop(connection net.Conn) {
	buffer := make([]byte, 32*1024)
	for {
		length, err := connection.Read(buffer)
		if _, err := connection.Write(buffer[:length]); err != nil {
			return
		}
		if err != nil {
			return
		}
	}
}
