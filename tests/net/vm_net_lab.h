// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_TESTS_VM_NET_LAB_H
#define HOLDFAST_TESTS_VM_NET_LAB_H

#include <linux/virtio_net.h>
#include <net/ethernet.h>

#include "kata-shim/vm/net/net.h"
#include "tests/net/nft_support.h"

/*
 * A pod and what is outside of it.
 *
 *	outside: host 10.9.0.1, fd09::1 ──veth── eth0 10.9.0.2, fd09::2: pod ⇄ tap ⇄ a test, or a guest (tests/net/guest.h)
 */
struct lab {
	int outside, pod;                                         /* network namespaces; the thread is in the first */
	int wire;                                                 /* a packet socket on the outside's end: what comes from the pod */
	char path[64];                                            /* the pod's, for net_join */
	uint8_t mac[ETHER_ADDR_LEN], outside_mac[ETHER_ADDR_LEN]; /* of eth0; of host */
};

int lab_setup(void **state);
int lab_teardown(void **state);
#define LAB(test) cmocka_unit_test_setup_teardown(test, lab_setup, lab_teardown)

void must(int r, const struct error *err);
void enter(int namespace);
struct net *join(const struct lab *lab);

/* ── frames ── */

#define SENTINEL_TYPE 0x88b5 /* IEEE 802, local experimental */
#define VNET_HEADER sizeof(struct virtio_net_hdr)

struct frame {
	uint8_t bytes[2048];
	size_t n;
};

struct frame frame_to(const uint8_t *mac, const uint8_t *from, uint16_t type, const void *body, size_t n);
uint16_t frame_type(const struct frame *frame);

void put_on_wire(const struct lab *lab, const struct frame *frame);
void put_on_tap(int tap, const struct frame *frame);
bool is_ready(int fd, int timeout_ms);
/* The next one; the test fails if none comes. `header`: VNET_HEADER of a tap, 0 of the wire. */
void take_frame(int fd, size_t header, struct frame *ret);
void assert_next_is(int fd, size_t header, const struct frame *expected);

/* Returns when a frame that is sent to the pod now is on the tap: what was sent before has arrived, and been answered, then. */
void send_sentinel(const struct lab *lab, int tap);

/* The first frame on the wire by which the pod answers anything; what its kernel says of itself (a listener's report, a router
 * solicitation) is none. False if there is none. */
bool take_answer(const struct lab *lab, struct frame *ret);

#endif
