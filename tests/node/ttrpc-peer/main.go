// SPDX-License-Identifier: Apache-2.0

// The Go implementation of ttrpc as the other end of ours; tests/node/ttrpc_peer.c has the same commands and the same service.
//
//	ttrpc-peer serve SOCKET
//	ttrpc-peer check SOCKET NAME      0 if the server does what NAME promises
//	ttrpc-peer raw SOCKET             prints what the server answers to frames that no library sends
//	ttrpc-peer bench SOCKET SECONDS CALLS    round trips per second, with so many calls under way
//	ttrpc-peer hold SOCKET CONNECTIONS CALLS    has so many of them, of calls on each connection, says so, and waits to be ended
package main

import (
	"context"
	"fmt"
	"net"
	"os"

	"github.com/containerd/log"
	"github.com/containerd/ttrpc"
)

func dial(socket string) (*ttrpc.Client, error) {
	connection, err := net.Dial("unix", socket)
	if err != nil {
		return nil, err
	}
	return ttrpc.NewClient(connection), nil
}

func serve(arguments []string) error {
	server, err := ttrpc.NewServer()
	if err != nil {
		return err
	}
	listener, err := net.Listen("unix", arguments[0])
	if err != nil {
		return err
	}
	server.RegisterService(serviceName, newService())
	return server.Serve(context.Background(), listener)
}

func main() {
	_ = log.SetLevel("fatal") // the library logs what the checks provoke
	commands := map[string]struct {
		run        func([]string) error
		nArguments int
	}{"serve": {serve, 1}, "check": {check, 2}, "raw": {raw, 1}, "bench": {bench, 3}, "hold": {hold, 3}}
	if len(os.Args) < 2 || commands[os.Args[1]].nArguments != len(os.Args)-2 {
		fmt.Fprintln(os.Stderr, "usage: ttrpc-peer serve SOCKET | check SOCKET NAME | raw SOCKET | bench SOCKET SECONDS CALLS | hold SOCKET CONNECTIONS CALLS")
		os.Exit(2)
	}
	if err := commands[os.Args[1]].run(os.Args[2:]); err != nil {
		fmt.Fprintf(os.Stderr, "ttrpc-peer %v: %v\n", os.Args[1:], err)
		os.Exit(1)
	}
}
