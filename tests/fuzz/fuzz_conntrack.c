// SPDX-License-Identifier: Apache-2.0
/* Whatever the kernel may send: an entry that is taken has a family and a name for its state, and the same bytes give the same entry. */
#include <libmnl/libmnl.h>
#include <netinet/in.h>
#include <string.h>

#include "cni-plugin/nft/conntrack.h"
#include "cni-plugin/nft/socket.h"
#include "tests/fuzz/fuzz.h"

static void read_message(const struct nlmsghdr *message)
{
	struct conntrack_entry entry, again;

	memset(&entry, 0xaa, sizeof(entry));
	memset(&again, 0x55, sizeof(again));
	bool taken = conntrack_parse(message, &entry);
	ABORT_ON(taken != conntrack_parse(message, &again));
	if (!taken)
		return;
	ABORT_ON(entry.family != AF_INET && entry.family != AF_INET6);
	ABORT_ON(entry.protocol != again.protocol || memcmp(&entry.original, &again.original, sizeof(entry.original)) != 0 ||
		 memcmp(&entry.reply, &again.reply, sizeof(entry.reply)) != 0 || entry.state != again.state);
	ABORT_ON(!*conntrack_state_name(&entry));
	conntrack_is_over(&entry);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_Alignas(8) static uint8_t bytes[64 * 1024];
	int left = (int)(size < sizeof(bytes) ? size : sizeof(bytes));

	memcpy(bytes, data, (size_t)left);
	for (const struct nlmsghdr *message = (const void *)bytes; nft_message_ok(message, left); message = mnl_nlmsg_next(message, &left))
		read_message(message);
	return 0;
}
