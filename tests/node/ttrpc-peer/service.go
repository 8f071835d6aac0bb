// SPDX-License-Identifier: Apache-2.0

// The service of the checks. All messages are a google.protobuf.BytesValue.
package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/containerd/ttrpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

const serviceName = "holdfast.test.Peer"

type message = wrapperspb.BytesValue

func text(format string, arguments ...any) *message {
	return &message{Value: fmt.Appendf(nil, format, arguments...)}
}

type peer struct {
	lock sync.Mutex
	more *sync.Cond // of held
	held map[string]chan struct{}
	gone int
}

func echo(_ context.Context, request []byte) (*message, error) { return &message{Value: request}, nil }

// "5 no such task"
func fail(_ context.Context, request []byte) (*message, error) {
	code, words, _ := strings.Cut(string(request), " ")
	number, err := strconv.Atoi(code)
	if err != nil {
		return nil, err
	}
	return nil, status.Error(codes.Code(number), words)
}

// So many bytes.
func size(_ context.Context, request []byte) (*message, error) {
	n, err := strconv.Atoi(string(request))
	return &message{Value: bytes.Repeat([]byte{'x'}, n)}, err
}

// The milliseconds that are left for the call.
func left(ctx context.Context, _ []byte) (*message, error) {
	deadline, ok := ctx.Deadline()
	if !ok {
		return text("none"), nil
	}
	return text("%d", time.Until(deadline).Milliseconds()), nil
}

func metadata(ctx context.Context, request []byte) (*message, error) {
	value, ok := ttrpc.GetMetadataValue(ctx, string(request))
	if !ok {
		return nil, status.Errorf(codes.NotFound, "no metadata %s", request)
	}
	return text("%s", value), nil
}

// Answers when it is released.
func (p *peer) hold(ctx context.Context, request []byte) (*message, error) {
	released := make(chan struct{})
	p.lock.Lock()
	p.held[string(request)] = released
	p.more.Broadcast()
	p.lock.Unlock()
	select {
	case <-released:
		return &message{Value: request}, nil
	case <-ctx.Done():
		p.lock.Lock()
		defer p.lock.Unlock()
		p.gone++
		return nil, ctx.Err()
	}
}

// Requests are handled at once, so the one that holds may come later.
func (p *peer) release(_ context.Context, request []byte) (*message, error) {
	p.lock.Lock()
	defer p.lock.Unlock()
	for p.held[string(request)] == nil {
		p.more.Wait()
	}
	close(p.held[string(request)])
	delete(p.held, string(request))
	return &message{}, nil
}

// How many were held and not released.
func (p *peer) countGone(context.Context, []byte) (*message, error) {
	p.lock.Lock()
	defer p.lock.Unlock()
	return text("%d", p.gone), nil
}

func exit(context.Context, []byte) (*message, error) {
	os.Exit(0)
	return nil, nil
}

// "3": three messages; "-3": and then an error.
func count(_ context.Context, stream ttrpc.StreamServer) (any, error) {
	var request message
	if err := stream.RecvMsg(&request); err != nil {
		return nil, err
	}
	n, err := strconv.Atoi(string(request.Value))
	for i := 1; i <= max(n, -n) && err == nil; i++ {
		err = stream.SendMsg(text("%d", i))
	}
	if n < 0 && err == nil {
		err = status.Error(codes.Aborted, "enough")
	}
	return nil, err
}

// "3 17": so many messages with so many bytes.
func sum(_ context.Context, stream ttrpc.StreamServer) (any, error) {
	for n, size := 0, 0; ; n++ {
		var request message
		if err := stream.RecvMsg(&request); err == io.EOF {
			return text("%d %d", n, size), nil
		} else if err != nil {
			return nil, err
		}
		size += len(request.Value)
	}
}

func chat(_ context.Context, stream ttrpc.StreamServer) (any, error) {
	for {
		var request message
		if err := stream.RecvMsg(&request); err == io.EOF {
			return nil, nil
		} else if err != nil {
			return nil, err
		}
		if err := stream.SendMsg(&request); err != nil {
			return nil, err
		}
	}
}

func unary(handle func(context.Context, []byte) (*message, error)) ttrpc.Method {
	return func(ctx context.Context, unmarshal func(any) error) (any, error) {
		var request message
		if err := unmarshal(&request); err != nil {
			return nil, err
		}
		answer, err := handle(ctx, request.Value)
		if err != nil {
			return nil, err
		}
		return answer, nil
	}
}

func newService() *ttrpc.ServiceDesc {
	p := &peer{held: map[string]chan struct{}{}}
	p.more = sync.NewCond(&p.lock)
	return &ttrpc.ServiceDesc{
		Methods: map[string]ttrpc.Method{
			"Echo": unary(echo), "Fail": unary(fail), "Size": unary(size), "Left": unary(left), "Metadata": unary(metadata),
			"Hold": unary(p.hold), "Release": unary(p.release), "Gone": unary(p.countGone), "Exit": unary(exit),
		},
		Streams: map[string]ttrpc.Stream{
			"Count": {Handler: count, StreamingServer: true},
			"Sum":   {Handler: sum, StreamingClient: true},
			"Chat":  {Handler: chat, StreamingClient: true, StreamingServer: true},
		},
	}
}
