// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_NFT_NFLOG_PACKET_H
#define HOLDFAST_NFT_NFLOG_PACKET_H

#include <libmnl/libmnl.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/kube/objects.h"

/* What NFLOG (linux/netfilter/nfnetlink_log.h) tells of one packet, read from its first bytes. */
#define NFLOG_PREFIX_MAX 127

struct nflog_packet {
	char prefix[NFLOG_PREFIX_MAX + 1];       /* "" if there is none */
	uint16_t ethertype;                      /* 0: unknown */
	unsigned interface;                      /* index of the one that it came by; 0: none */
	struct kube_address source, destination; /* of the header; family 0 if it is not IP */
	uint8_t protocol;                        /* IPPROTO_*, behind the extension headers */
	uint16_t source_port, destination_port;  /* 0 if it has none, or they are not in these bytes (a later fragment) */
	bool has_ports;
};

/* False: the message is no packet, or so short that it is nobody's. */
bool nflog_packet_parse(const struct nlmsghdr *message, struct nflog_packet *ret);

#endif
