// SPDX-License-Identifier: Apache-2.0
#include "common/rpc/load.h"

#include <stdlib.h>

struct rpc_load {
	struct rpc_load *above;
	size_t n, maximum;
	size_t references; /* of the owner, of what is taken, of loads below */
};

struct rpc_load *rpc_load_new(size_t maximum, struct rpc_load *above)
{
	struct rpc_load *load = calloc(1, sizeof(*load));

	if (!load)
		return NULL;
	*load = (struct rpc_load){ .above = above, .maximum = maximum, .references = 1 };
	if (above)
		above->references++;
	return load;
}

void rpc_load_unref(struct rpc_load *load)
{
	while (load && --load->references == 0) {
		struct rpc_load *above = load->above;

		free(load);
		load = above;
	}
}

bool rpc_load_take(struct rpc_load *load)
{
	if (load->n >= load->maximum || (load->above && !rpc_load_take(load->above)))
		return false;
	load->n++;
	load->references++;
	return true;
}

void rpc_load_give(struct rpc_load *load)
{
	if (!load)
		return;
	load->n--;
	rpc_load_give(load->above);
	rpc_load_unref(load);
}
