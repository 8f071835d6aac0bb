// SPDX-License-Identifier: Apache-2.0
/* Whatever text the host sends as an address, a path of a copy, an option, or on the kernel's command line: it is read or refused. */
#include <arpa/inet.h>

#include "kata-shim/guest/address.h"
#include "kata-shim/guest/channel.h"
#include "kata-shim/guest/copy_path.h"
#include "kata-shim/guest/mount_options.h"
#include "tests/fuzz/fuzz.h"

static void read_address(const char *text)
{
	struct guest_address address, again;
	char plain[INET6_ADDRSTRLEN];
	uint8_t mac[MAC_SIZE];
	struct error err;

	(void)!mac_read(text, mac, &err);
	if (address_read_cidr(text, &address, &err) < 0)
		return;
	ABORT_ON(address.prefix > address_size(&address) * 8);
	ABORT_ON(!inet_ntop(address.family, address.bytes, plain, sizeof(plain)));
	ABORT_ON(address_read(plain, &again, &err) < 0 || memcmp(address.bytes, again.bytes, address_size(&address)) != 0);
}

static void read_path(const char *text)
{
	struct copy_path path;
	struct error err;

	if (copy_path_read(text, &path, &err) < 0)
		return;
	ABORT_ON(path.n == 0 || path.n > COPY_DEPTH_MAX);
	for (size_t i = 0; i < path.n; i++)
		ABORT_ON(!path.names[i][0] || strchr(path.names[i], '/') || strcmp(path.names[i], "..") == 0);
}

static void read_options(char *text)
{
	struct mount_options options;
	char *words[16], *rest = text;
	struct error err;
	size_t n = 0;

	for (char *word; n < 16 && (word = strsep(&rest, "\n"));)
		words[n++] = word;
	if (mount_options_read(words, n, &options, &err) == 0)
		ABORT_ON(strlen(options.data) >= MOUNT_DATA_MAX);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_free_ char *text = malloc(size + 1);
	enum channel channel;
	struct error err;

	if (!text)
		return 0;
	memcpy(text, data, size);
	text[size] = 0;
	(void)!channel_read(slice_from(data, size), &channel, &err);
	read_address(text);
	read_path(text);
	read_options(text);
	return 0;
}
