// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_TESTS_TRAFFIC_H
#define HOLDFAST_TESTS_TRAFFIC_H

#include "tests/net/fabric.h"

/*
 * Load through a fabric's node, from pod 0 to pod 1, IPv4: many UDP flows for what a packet costs and when a flow ends, TCP for connections
 * and throughput. The sender is on the fabric's CPU, and with it everything that the node does for its packets; "a second" is a second
 * of that CPU's time, spent by the sender, so that others on the machine distort it less.
 */
struct traffic;

#define TRAFFIC_CLIENT "10.1.0.2"
#define TRAFFIC_SERVER "10.1.0.3"
#define TRAFFIC_PORT 7000

int traffic_new(struct fabric *fabric, unsigned n_flows, struct traffic **ret, struct error *err) must_check;
void traffic_free(struct traffic *traffic);
DEFINE_CLEANUP(struct traffic *, traffic_free);

/* One packet there and one back on each flow, until conntrack has them all. */
int traffic_establish(struct traffic *traffic, struct error *err) must_check;

/* Sends over all flows in turn for so many seconds; packets that arrived, per second. */
int traffic_packets(struct traffic *traffic, double seconds, double *ret_per_second, struct error *err) must_check;

/*
 * While packets of all flows run, does `change`, and sends on for so long. How many milliseconds after `change` was begun the last packet
 * arrived, and how long `change` took; CPU of this process and of the kernel for it.
 */
struct traffic_cut {
	double last_wrong_ms, change_ms, change_cpu_ms;
};
int traffic_cut(struct traffic *traffic, int (*change)(void *context, struct error *err), void *context, double seconds,
		struct traffic_cut *ret, struct error *err) must_check;

/* TCP, one connection after the other: three packets there and back, and closed. Per second. */
int traffic_connections(struct traffic *traffic, double seconds, double *ret_per_second, struct error *err) must_check;

/* One TCP connection as fast as it goes; bytes per second. */
int traffic_throughput(struct traffic *traffic, double seconds, double *ret_per_second, struct error *err) must_check;

double traffic_now_ms(void);
double traffic_median(double *samples, size_t n);

#endif
