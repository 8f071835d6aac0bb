// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"strconv"
	"sync/atomic"
	"time"
)

func bench(arguments []string) error {
	seconds, err := strconv.ParseFloat(arguments[1], 64)
	if err != nil {
		return err
	}
	calls, err := strconv.Atoi(arguments[2])
	if err != nil {
		return err
	}
	connection, err := dial(arguments[0])
	if err != nil {
		return err
	}
	defer connection.Close()
	c := &client{connection, arguments[0]}
	var n atomic.Int64
	begin := time.Now()
	end := begin.Add(time.Duration(seconds * float64(time.Second)))
	err = together(calls, func(int) error {
		for time.Now().Before(end) {
			if err := c.unary(); err != nil {
				return err
			}
			n.Add(1)
		}
		return nil
	})
	fmt.Printf("%.0f\n", float64(n.Load())/time.Since(begin).Seconds())
	return err
}

func hold(arguments []string) error {
	connections, err := strconv.Atoi(arguments[1])
	if err != nil {
		return err
	}
	calls, err := strconv.Atoi(arguments[2])
	if err != nil {
		return err
	}
	for i := range connections {
		connection, err := dial(arguments[0])
		if err != nil {
			return err
		}
		c := &client{connection, arguments[0]}
		for j := range calls {
			go c.call(context.Background(), "Hold", fmt.Appendf(nil, "%d %d", i, j))
		}
		for range calls + 1 { // by then those have been sent, too
			if err = c.unary(); err != nil {
				return err
			}
		}
	}
	fmt.Println("holding")
	select {}
}
