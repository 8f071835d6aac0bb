// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_GUEST_ADDRESS_H
#define HOLDFAST_GUEST_ADDRESS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "common/base/error.h"

/* Addresses as Kata's messages have them: texts. Pure. */
struct guest_address {
	uint8_t family; /* AF_INET, AF_INET6 */
	uint8_t prefix; /* bits */
	uint8_t bytes[16];
};

static inline uint8_t address_size(const struct guest_address *address)
{
	return address->family == AF_INET ? 4 : 16;
}

/* "10.0.0.5", "fe80::1"; the prefix is all of it. EINVAL, naming the text. */
int address_read(const char *text, struct guest_address *ret, struct error *err) must_check;
/* "24": the prefix of an address. EINVAL */
int address_read_mask(const char *text, struct guest_address *address, struct error *err) must_check;
/* "10.0.0.0/8"; without a prefix it is all of the address. EINVAL */
int address_read_cidr(const char *text, struct guest_address *ret, struct error *err) must_check;

#define MAC_SIZE 6
/* "02:00:00:00:00:0a". EINVAL */
int mac_read(const char *text, uint8_t ret[static MAC_SIZE], struct error *err) must_check;

bool address_is_link_local(const struct guest_address *address); /* fe80::/10 */

#endif
