// SPDX-License-Identifier: Apache-2.0
/* Notifications of nf_tables, cut and bent; the corpus is what a kernel sent. */
#include "cni-plugin/nft/watch.h"

#include <string.h>

#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *datagram = malloc(size + 1); /* of its own: aligned, and the sanitizer sees a read behind the end */
	struct nft_meddling so_far = {};

	ABORT_ON(!datagram);
	memcpy(datagram, data, size);
	bool complete = nft_watch_feed(slice_from(datagram, size), 1, &so_far);
	ABORT_ON(complete && (so_far.n_changes == 0 || so_far.port == 1));
	ABORT_ON(strnlen(so_far.first, sizeof(so_far.first)) == sizeof(so_far.first));
	free(datagram);
	return 0;
}
