// SPDX-License-Identifier: Apache-2.0

// Frames that no library sends, and what a server answers: a transcript, to be compared with another server's.
package main

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"strings"

	"github.com/containerd/ttrpc"
	"google.golang.org/protobuf/proto"
)

const (
	isRequest, isResponse, isData    = 1, 2, 3
	remoteClosed, remoteOpen, noData = 1, 2, 4
)

type frame struct {
	what        string // it is, and how many answers it has
	answers     int
	stream      uint32
	kind, flags byte
	data        []byte
}

func request(service, method, value string) []byte {
	payload, _ := proto.Marshal(text("%s", value))
	all, _ := proto.Marshal(&ttrpc.Request{Service: service, Method: method, Payload: payload})
	return all
}

func value(value string) []byte {
	all, _ := proto.Marshal(text("%s", value))
	return all
}

// Each on a connection of its own.
func conversations() [][]frame {
	echo, chat := request(serviceName, "Echo", "hi"), request(serviceName, "Chat", "")
	return [][]frame{{
		{"a call", 1, 1, isRequest, 0, echo},
		{"an even number", 1, 2, isRequest, 0, echo},
		{"data with an even number", 1, 4, isData, 0, nil},
		{"number 0", 1, 0, isRequest, 0, echo},
		{"a number again", 1, 1, isRequest, 0, echo},
		{"a number that leaves some out", 1, 1001, isRequest, 0, echo},
		{"one of those left out", 1, 3, isRequest, 0, echo},
		{"data on a stream that is over", 1, 1, isData, 0, value("x")},
		{"data on a stream that never was", 1, 2001, isData, 0, value("x")},
		{"the end of a stream that never was", 1, 2001, isData, remoteClosed | noData, nil},
		{"no request", 1, 2001, isRequest, 0, []byte("\x0a\xff")},
		{"an empty request", 1, 2003, isRequest, 0, nil},
		{"a response, and what a later version may send", 0, 2005, isResponse, 0, value("x")},
		{"", 0, 2005, 4, 0xff, value("x")},
		{"a call with flags", 1, 2005, isRequest, remoteClosed | 0xf0, echo},
		{"a service that there is not", 1, 2007, isRequest, 0, request("no.such", "Echo", "")},
		{"a method that there is not", 1, 2009, isRequest, 0, request(serviceName, "Other", "")},
		{"fields that a later version may have", 1, 2011, isRequest, 0, append([]byte("\xa2\x06\x03new\xa8\x06\x01"), echo...)},
		{"the largest number", 1, 0xffffffff, isRequest, 0, echo},
	}, {
		{"a request of 4 MiB", 1, 1, isRequest, 0, request(serviceName, "Fail", "5 "+strings.Repeat("x", limit-38))[:limit]},
		{"a request of 4 MiB and a byte", 1, 3, isRequest, 0, make([]byte, limit+1)},
		{"a request of 8 MiB", 1, 5, isRequest, 0, make([]byte, 2*limit)},
		{"and the connection lives", 1, 5, isRequest, 0, echo},
		{"a frame of no known kind, above the limit", 1, 7, 77, 0, make([]byte, limit+1)},
	}, {
		{"a chat", 0, 1, isRequest, remoteOpen, chat},
		{"a message", 1, 1, isData, 0, value("one")},
		{"an empty message", 1, 1, isData, 0, nil},
		{"a frame without a message", 0, 1, isData, noData, nil},
		{"another message", 1, 1, isData, 0, value("two")},
		{"the end", 1, 1, isData, remoteClosed | noData, nil},
		{"a call, after which the end is done with", 1, 3, isRequest, 0, echo},
		{"a message after the end", 1, 1, isData, 0, value("three")},
		{"a chat that begins with a message", 1, 5, isRequest, remoteOpen, request(serviceName, "Chat", "first")},
		{"a message above the limit", 1, 5, isData, 0, make([]byte, limit+1)},
		{"and the connection lives", 1, 7, isRequest, 0, echo},
		{"a message after that", 1, 5, isData, 0, value("x")},
	}}
}

// Without what each library for protobuf says of what is none.
func describe(kind byte, data []byte) string {
	var response ttrpc.Response
	if kind != isResponse {
		return fmt.Sprintf("data %q", data)
	}
	if err := proto.Unmarshal(data, &response); err != nil {
		return err.Error()
	}
	words, _, _ := strings.Cut(response.GetStatus().GetMessage(), " error: ")
	return fmt.Sprintf("status %d %.80q, answer %q", response.GetStatus().GetCode(), words, response.Payload)
}

func printAnswer(from io.Reader) error {
	header := make([]byte, 10)
	if _, err := io.ReadFull(from, header); err != nil {
		return err
	}
	data := make([]byte, binary.BigEndian.Uint32(header))
	_, err := io.ReadFull(from, data)
	fmt.Printf("  stream %d, flags %d: %s\n", binary.BigEndian.Uint32(header[4:]), header[9], describe(header[8], data))
	return err
}

func converse(socket string, frames []frame) error {
	connection, err := net.Dial("unix", socket)
	if err != nil {
		return err
	}
	defer connection.Close()
	reader := bufio.NewReader(connection)
	for _, f := range frames {
		fmt.Println(f.what)
		all := binary.BigEndian.AppendUint32(nil, uint32(len(f.data)))
		all = append(binary.BigEndian.AppendUint32(all, f.stream), f.kind, f.flags)
		if _, err = connection.Write(append(all, f.data...)); err != nil {
			return err
		}
		for range f.answers {
			if err = printAnswer(reader); err != nil {
				return fmt.Errorf("%s: %w", f.what, err)
			}
		}
	}
	return nil
}

func raw(arguments []string) error {
	for _, frames := range conversations() {
		if err := converse(arguments[0], frames); err != nil {
			return err
		}
	}
	return nil
}
