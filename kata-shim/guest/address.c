// SPDX-License-Identifier: Apache-2.0
#include "kata-shim/guest/address.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "common/base/number.h"
#include "common/base/show.h"

#define MAC_LENGTH 17

int address_read(const char *text, struct guest_address *ret, struct error *err)
{
	struct guest_address address = { .family = strchr(text, ':') ? AF_INET6 : AF_INET };

	if (inet_pton(address.family, text, address.bytes) != 1)
		return error_set(err, EINVAL, "\"%s\" is no IP address", SHOW(slice_string(text)));
	address.prefix = (uint8_t)(address_size(&address) * 8);
	*ret = address;
	return 0;
}

static int read_prefix(struct slice text, struct guest_address *address, struct error *err)
{
	const uint32_t bits = address_size(address) * 8u;
	uint32_t prefix;

	if (number_parse_u32(text, 0, bits, &prefix, err) < 0)
		return error_set(err, EINVAL, "prefix \"%s\" is none: must be 0 to %u", SHOW(text), bits);
	address->prefix = (uint8_t)prefix;
	return 0;
}

int address_read_mask(const char *text, struct guest_address *address, struct error *err)
{
	return read_prefix(slice_string(text), address, err);
}

int address_read_cidr(const char *text, struct guest_address *ret, struct error *err)
{
	const char *slash = strchr(text, '/');
	char plain[INET6_ADDRSTRLEN];

	if (!slash)
		return address_read(text, ret, err);
	size_t n = (size_t)(slash - text);
	if (n >= sizeof(plain))
		return error_set(err, EINVAL, "\"%s\" is no IP address", SHOW(slice_string(text)));
	memcpy(plain, text, n);
	plain[n] = 0;
	int r = address_read(plain, ret, err);
	return r < 0 ? r : read_prefix(slice_string(slash + 1), ret, err);
}

static uint8_t digit(char c)
{
	return (uint8_t)(isdigit((unsigned char)c) ? c - '0' : tolower((unsigned char)c) - 'a' + 10);
}

int mac_read(const char *text, uint8_t ret[static MAC_SIZE], struct error *err)
{
	bool good = strlen(text) == MAC_LENGTH;

	for (size_t i = 0; good && i < MAC_LENGTH; i++)
		good = i % 3 == 2 ? text[i] == ':' : isxdigit((unsigned char)text[i]) != 0;
	if (!good)
		return error_set(err, EINVAL, "\"%s\" is no MAC address", SHOW(slice_string(text)));
	for (size_t i = 0; i < MAC_SIZE; i++)
		ret[i] = (uint8_t)(digit(text[3 * i]) << 4 | digit(text[3 * i + 1]));
	return 0;
}

bool address_is_link_local(const struct guest_address *address)
{
	return address->family == AF_INET6 && address->bytes[0] == 0xfe && (address->bytes[1] & 0xc0) == 0x80;
}
