// SPDX-License-Identifier: Apache-2.0
#include "kata-shim/guest/container.h"

const struct method_rows container_methods, process_methods, stream_methods;

struct containers {
	struct agent *agent;
};

int containers_new(struct agent *agent, struct containers **ret, struct error *err)
{
	struct containers *containers = calloc(1, sizeof(*containers));

	if (!containers)
		return error_nomem(err);
	containers->agent = agent;
	*ret = containers;
	return 0;
}

void containers_free(struct containers *containers)
{
	free(containers);
}
