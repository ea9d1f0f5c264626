// A peer of our client's `load` for `cargo xtask bench tcp`: a goroutine for each connection, which sends, waits until as
// many bytes have come back, compares them, and sends again.
//
//	go build -o load-go load.go && ./load-go 2000 50 64 1000
package main

import (
	"bytes"
	"fmt"
	"io"
	"log"
	"net"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

func main() {
	number := func(at int) int {
		value, err := strconv.Atoi(os.Args[at])
		if err != nil {
			log.Fatal(err)
		}
		return value
	}
	port, connections, size, ms := os.Args[1], number(2), number(3), number(4)
	all := make([]net.Conn, connections)
	for at := range all {
		connection, err := net.Dial("tcp", "127.0.0.1:"+port)
		if err != nil {
			log.Fatal(err)
		}
		all[at] = connection
	}
	began := time.Now()
	deadline := began.Add(time.Duration(ms) * time.Millisecond)
	var echoes int64
	var group sync.WaitGroup
	for _, connection := range all {
		group.Add(1)
		go func(connection net.Conn) {
			defer group.Done()
			atomic.AddInt64(&echoes, ask(connection, size, deadline))
		}(connection)
	}
	group.Wait()
	fmt.Printf("%d echoes, %.0f a second\n", echoes, float64(echoes)/time.Since(began).Seconds())
}

func ask(connection net.Conn, size int, deadline time.Time) (echoes int64) {
	request, reply := bytes.Repeat([]byte("x"), size), make([]byte, size)
	for ; time.Now().Before(deadline); echoes++ {
		if _, err := connection.Write(request); err != nil {
			log.Fatal(err)
		}
		if _, err := io.ReadFull(connection, reply); err != nil {
			log.Fatal(err)
		}
		if !bytes.Equal(request, reply) {
			log.Fatal("a reply is wrong")
		}
	}
	return echoes
}
