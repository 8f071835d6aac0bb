// SPDX-License-Identifier: Apache-2.0
#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#include "common/base/number.h"
#include "common/base/show.h"
#include "common/kube/objects.h"

static const uint8_t mapped_prefix[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff }; /* ::ffff:0:0/96, RFC 4291 section 2.5.5.2 */

static bool parse_as_written(const char *text, struct kube_address *address)
{
	*address = (struct kube_address){};
	if (inet_pton(AF_INET, text, address->bytes) == 1)
		address->family = AF_INET;
	else if (inet_pton(AF_INET6, text, address->bytes) == 1)
		address->family = AF_INET6;
	return address->family != 0;
}

static bool is_mapped(const struct kube_address *address)
{
	return address->family == AF_INET6 && memcmp(address->bytes, mapped_prefix, sizeof(mapped_prefix)) == 0;
}

static void unmap(struct kube_address *address)
{
	struct kube_address mapped = *address;

	*address = (struct kube_address){ .family = AF_INET };
	memcpy(address->bytes, mapped.bytes + sizeof(mapped_prefix), 4);
}

int kube_address_parse(const char *text, struct kube_address *ret, struct error *err)
{
	struct kube_address address;

	if (!parse_as_written(text, &address))
		return error_set(err, EINVAL, "\"%s\" is not an IP address", SHOW(slice_string(text)));
	if (is_mapped(&address))
		unmap(&address);
	*ret = address;
	return 0;
}

void kube_address_format(const struct kube_address *address, char text[static INET6_ADDRSTRLEN])
{
	if (!address->family || !inet_ntop(address->family, address->bytes, text, INET6_ADDRSTRLEN))
		strcpy(text, "none");
}

bool kube_address_equals(const struct kube_address *a, const struct kube_address *b)
{
	return a->family == b->family && memcmp(a->bytes, b->bytes, sizeof(a->bytes)) == 0;
}

static void mask(struct kube_cidr *cidr)
{
	for (size_t i = 0; i < sizeof(cidr->address.bytes); i++) {
		size_t first_bit = i * 8;
		if (first_bit >= cidr->prefix)
			cidr->address.bytes[i] = 0;
		else if (cidr->prefix - first_bit < 8)
			cidr->address.bytes[i] &= (uint8_t)(0xff << (8 - (cidr->prefix - first_bit)));
	}
}

static int not_a_cidr(const char *text, struct error *err)
{
	return error_set(err, EINVAL, "\"%s\" is not a CIDR such as 10.0.0.0/8 or fd00::/8", SHOW(slice_string(text)));
}

int kube_cidr_parse(const char *text, struct kube_cidr *ret, struct error *err)
{
	const char *slash = strchr(text, '/');
	char address[INET6_ADDRSTRLEN];
	struct kube_cidr cidr;
	uint64_t prefix;

	if (!slash || (size_t)(slash - text) >= sizeof(address))
		return not_a_cidr(text, err);
	*(char *)mempcpy(address, text, (size_t)(slash - text)) = '\0';
	if (!parse_as_written(address, &cidr.address))
		return not_a_cidr(text, err);
	unsigned longest = cidr.address.family == AF_INET ? 32 : 128;
	if (number_parse_u64(slice_string(slash + 1), 0, longest, &prefix, NULL) < 0)
		return error_set(err, EINVAL, "\"%s\": the prefix is not a number from 0 to %u", SHOW(slice_string(text)), longest);
	cidr.prefix = (uint8_t)prefix;
	if (is_mapped(&cidr.address) && cidr.prefix >= 96) {
		unmap(&cidr.address);
		cidr.prefix = (uint8_t)(cidr.prefix - 96);
	}
	mask(&cidr);
	*ret = cidr;
	return 0;
}
