// SPDX-License-Identifier: Apache-2.0
#include "common/rpc/grpc_load.h"

#include <stdlib.h>

struct grpc_load {
	struct grpc_load *above;
	size_t n, maximum;
	size_t references; /* of the owner, of what is taken, of loads below */
};

struct grpc_load *grpc_load_new(size_t maximum, struct grpc_load *above)
{
	struct grpc_load *load = calloc(1, sizeof(*load));

	if (!load)
		return NULL;
	*load = (struct grpc_load){ .above = above, .maximum = maximum, .references = 1 };
	if (above)
		above->references++;
	return load;
}

void grpc_load_unref(struct grpc_load *load)
{
	while (load && --load->references == 0) {
		struct grpc_load *above = load->above;

		free(load);
		load = above;
	}
}

bool grpc_load_take(struct grpc_load *load)
{
	if (load->n >= load->maximum || (load->above && !grpc_load_take(load->above)))
		return false;
	load->n++;
	load->references++;
	return true;
}

void grpc_load_give(struct grpc_load *load)
{
	if (!load)
		return;
	load->n--;
	grpc_load_give(load->above);
	grpc_load_unref(load);
}
