// SPDX-License-Identifier: Apache-2.0

// What a server must do, seen by the Go client. tests/node/ttrpc_check.c has the same names for ours.
package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/containerd/ttrpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

const (
	limit    = 4 << 20
	overhead = 36 // of a request to Echo, around a value of megabytes
)

type client struct {
	*ttrpc.Client
	socket string
}

func (c *client) call(ctx context.Context, method string, request []byte) ([]byte, error) {
	var answer message
	err := c.Call(ctx, serviceName, method, &message{Value: request}, &answer)
	return answer.Value, err
}

func (c *client) expect(method, request, answer string) error {
	got, err := c.call(context.Background(), method, []byte(request))
	if err == nil && string(got) != answer {
		err = fmt.Errorf("%s(%q) answers %.100q, not %q", method, request, got, answer)
	}
	return err
}

func expectStatus(err error, code codes.Code, words string) error {
	if got := status.Convert(err); got.Code() != code || got.Message() != words {
		return fmt.Errorf("not %v %q: %v", code, words, err)
	}
	return nil
}

func (c *client) unary() error { return c.expect("Echo", "hello", "hello") }
func (c *client) empty() error { return c.expect("Echo", "", "") }

func (c *client) statuses() error {
	for code := codes.Canceled; code <= codes.Unauthenticated; code++ {
		words := fmt.Sprintf("100 %% of \"disk\" %d is full:\n\tr\u00e9essayez", code)
		_, err := c.call(context.Background(), "Fail", fmt.Appendf(nil, "%d %s", code, words))
		if err = expectStatus(err, code, words); err != nil {
			return err
		}
	}
	return c.unary()
}

// What is no UTF-8 would make the whole response unreadable; the Go server closes the connection instead.
func (c *client) mended() error {
	_, err := c.call(context.Background(), "Fail", []byte("5 no file \xff"))
	if err = expectStatus(err, codes.NotFound, "no file \ufffd"); err != nil {
		return err
	}
	return c.unary()
}

// The goroutine that holds may come later, and our server does not wait for it.
func (c *client) releaseWhenHeld(key string) error {
	for {
		err := c.expect("Release", key, "")
		if status.Code(err) != codes.NotFound {
			return err
		}
	}
}

func (c *client) order() error {
	answers := make(chan string)
	for _, key := range []string{"a", "b", "c"} {
		go func() {
			answer, err := c.call(context.Background(), "Hold", []byte(key))
			answers <- fmt.Sprint(string(answer), err)
		}()
	}
	for _, key := range []string{"b", "c", "a"} {
		if err := c.releaseWhenHeld(key); err != nil {
			return err
		}
		if answer := <-answers; answer != key+"<nil>" {
			return fmt.Errorf("%s was released, and the answer is %s", key, answer)
		}
	}
	return nil
}

func (c *client) deadline() error {
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	if _, err := c.call(ctx, "Hold", []byte("deadline")); !errors.Is(err, context.DeadlineExceeded) && status.Code(err) != codes.DeadlineExceeded {
		return fmt.Errorf("no timeout: %v", err)
	}
	for { // the server counts it at its own time
		got, err := c.call(context.Background(), "Gone", nil)
		if err != nil || string(got) == "1" {
			return err
		}
	}
}

func (c *client) left() error {
	ctx, cancel := context.WithTimeout(context.Background(), 90*time.Second)
	defer cancel()
	var ms int
	got, err := c.call(ctx, "Left", nil)
	if err != nil {
		return err
	}
	if _, err = fmt.Sscan(string(got), &ms); err != nil || ms > 90000 || ms < 60000 {
		return fmt.Errorf("of 90 s it has %s ms left: %v", got, err)
	}
	return c.expect("Left", "", "none")
}

func (c *client) metadata() error {
	ctx := ttrpc.WithMetadata(context.Background(), ttrpc.MD{"containerd-namespace-ttrpc": {"k8s.io"}, "other": {"x"}})
	got, err := c.call(ctx, "Metadata", []byte("containerd-namespace-ttrpc"))
	if err == nil && string(got) != "k8s.io" {
		err = fmt.Errorf("the metadata is %q", got)
	}
	if err != nil {
		return err
	}
	_, err = c.call(ctx, "Metadata", []byte("none"))
	return expectStatus(err, codes.NotFound, "no metadata none")
}

func (c *client) unknown() error {
	_, err := c.call(context.Background(), "Other", nil)
	if err = expectStatus(err, codes.Unimplemented, "method Other"); err != nil {
		return err
	}
	var answer message
	return expectStatus(c.Call(context.Background(), "no.such", "Echo", &message{}, &answer), codes.Unimplemented, "service no.such")
}

func (c *client) largest() error {
	largest := bytes.Repeat([]byte{'y'}, limit-overhead)
	got, err := c.call(context.Background(), "Echo", largest)
	if err == nil && !bytes.Equal(got, largest) {
		err = fmt.Errorf("%d bytes came back, not %d", len(got), len(largest))
	}
	if err != nil {
		return err
	}
	got, err = c.call(context.Background(), "Size", fmt.Appendf(nil, "%d", limit-10)) // a response of 4 MiB
	if err == nil && len(got) != limit-10 {
		err = fmt.Errorf("%d bytes came", len(got))
	}
	return err
}

func (c *client) tooLargeRequest() error {
	var refused *ttrpc.OversizedMessageErr
	_, err := c.call(context.Background(), "Echo", make([]byte, limit-overhead+1))
	if !errors.As(err, &refused) || refused.RejectedLength() != limit+1 {
		return fmt.Errorf("not refused: %v", err)
	}
	return c.unary()
}

// The Go server closes the connection.
func (c *client) tooLargeAnswer() error {
	_, err := c.call(context.Background(), "Size", fmt.Appendf(nil, "%d", limit-9))
	if errors.Is(err, ttrpc.ErrClosed) {
		return nil
	}
	if err = expectStatus(err, codes.ResourceExhausted, "message length 4194305 exceed maximum message size of 4194304"); err != nil {
		return err
	}
	return c.unary()
}

func together(n int, do func(i int) error) error {
	var all sync.WaitGroup
	failures := make([]error, n)
	for i := range n {
		all.Go(func() { failures[i] = do(i) })
	}
	all.Wait()
	return errors.Join(failures...)
}

func (c *client) concurrent() error {
	return together(1000, func(i int) error {
		text := fmt.Sprint(i)
		return c.expect("Echo", text, text)
	})
}

// A thousand at once, answered last to first.
func (c *client) held() error {
	done := make(chan error, 1)
	go func() {
		done <- together(1000, func(i int) error { return c.expect("Hold", fmt.Sprint(i), fmt.Sprint(i)) })
	}()
	for i := 999; i >= 0; i-- {
		if err := c.releaseWhenHeld(fmt.Sprint(i)); err != nil {
			return err
		}
	}
	return <-done
}

func (c *client) connections() error {
	return together(50, func(i int) error {
		other, err := dial(c.socket)
		if err != nil {
			return err
		}
		defer other.Close()
		mine := client{other, c.socket}
		return together(20, func(int) error { return mine.expect("Echo", "x", "x") })
	})
}

func (c *client) lost() error {
	calls := make(chan error)
	for i := range 10 {
		go func() {
			_, err := c.call(context.Background(), "Hold", fmt.Append(nil, i))
			calls <- err
		}()
	}
	if err := c.expect("Echo", "x", "x"); err != nil {
		return err
	}
	_, _ = c.call(context.Background(), "Exit", nil)
	for range 10 {
		if err := <-calls; !errors.Is(err, ttrpc.ErrClosed) {
			return fmt.Errorf("not closed: %v", err)
		}
	}
	return nil
}

func (c *client) stream(method, request string, toServer, toClient bool) (ttrpc.ClientStream, error) {
	var first any
	if request != "" {
		first = text("%s", request)
	}
	return c.NewStream(context.Background(), &ttrpc.StreamDesc{StreamingClient: toServer, StreamingServer: toClient}, serviceName, method, first)
}

// The messages of a stream until it ends.
func drain(stream ttrpc.ClientStream) (all []string, err error) {
	for {
		var answer message
		if err = stream.RecvMsg(&answer); err != nil {
			return
		}
		all = append(all, string(answer.Value))
	}
}

func (c *client) count() error {
	stream, err := c.stream("Count", "3", false, true)
	if err != nil {
		return err
	}
	if all, err := drain(stream); err != io.EOF || fmt.Sprint(all) != "[1 2 3]" {
		return fmt.Errorf("the stream is %v, %v", all, err)
	}
	stream, err = c.stream("Count", "-2", false, true)
	if err != nil {
		return err
	}
	all, err := drain(stream)
	if fmt.Sprint(all) != "[1 2]" {
		return fmt.Errorf("the stream is %v", all)
	}
	return expectStatus(err, codes.Aborted, "enough")
}

func (c *client) sum() error {
	stream, err := c.stream("Sum", "", true, false)
	if err != nil {
		return err
	}
	for _, value := range []string{"one", "", "three"} {
		if err = stream.SendMsg(text("%s", value)); err != nil {
			return err
		}
	}
	if err = stream.CloseSend(); err != nil {
		return err
	}
	var answer message
	if err = stream.RecvMsg(&answer); err != nil || string(answer.Value) != "3 8" {
		return fmt.Errorf("the sum is %q, %v", answer.Value, err)
	}
	return nil
}

func (c *client) chat() error {
	stream, err := c.stream("Chat", "", true, true)
	if err != nil {
		return err
	}
	for i := range 1000 {
		var answer message
		if err = stream.SendMsg(text("%d", i)); err == nil {
			err = stream.RecvMsg(&answer)
		}
		if err != nil || string(answer.Value) != fmt.Sprint(i) {
			return fmt.Errorf("%d came back as %q, %v", i, answer.Value, err)
		}
	}
	if err = stream.CloseSend(); err != nil {
		return err
	}
	if all, err := drain(stream); err != io.EOF || len(all) > 0 {
		return fmt.Errorf("the stream ends with %v, %v", all, err)
	}
	return c.unary()
}

func check(arguments []string) error {
	connection, err := dial(arguments[0])
	if err != nil {
		return err
	}
	defer connection.Close()
	c := &client{connection, arguments[0]}
	checks := map[string]func() error{
		"unary": c.unary, "empty": c.empty, "statuses": c.statuses, "mended": c.mended, "order": c.order, "deadline": c.deadline, "left": c.left,
		"metadata": c.metadata, "unknown": c.unknown, "largest": c.largest, "too-large-request": c.tooLargeRequest,
		"too-large-answer": c.tooLargeAnswer, "concurrent": c.concurrent, "held": c.held, "connections": c.connections, "lost": c.lost,
		"count": c.count, "sum": c.sum, "chat": c.chat,
	}
	if checks[arguments[1]] == nil {
		return errors.New("there is no such check")
	}
	return checks[arguments[1]]()
}
