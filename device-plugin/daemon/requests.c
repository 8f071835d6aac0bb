// SPDX-License-Identifier: Apache-2.0
/* The commands that the daemon's socket takes. */
#include <errno.h>
#include <string.h>

#include "common/base/array.h"
#include "common/base/show.h"
#include "device-plugin/daemon/requests.h"
#include "device-plugin/daemon/show.h"

/* The TPM is the daemon's as long as it runs: two programs would take each other's slots where there is no resource manager. */
static int show_node_key(void *context, const struct control_request *request, struct buf *out, struct error *err)
{
	struct daemon *daemon = context;
	struct health *health = &daemon->health;
	const char *node = request->n_arguments > 0 ? request->arguments[0] : daemon->settings.node_name;

	if (strcmp(node, daemon->settings.node_name) != 0)
		return error_set(err, EINVAL, "the daemon calls this node \"%s\", not \"%s\": leave --node out, or stop the daemon",
				 daemon->settings.node_name, SHOW(slice_string(node)));
	if (!health->enrolled || health_why(daemon))
		return error_set(err, ENODEV, "%s", health_why(daemon));
	node_key_print_manifest(&health->node_key, out);
	return 0;
}

static const struct control_command commands[] = {
	{ "status", show_status },           { "list", show_list }, { "node-key", show_node_key }, { "rotate", .start = rotation_start },
	{ "revoke", .start = revoke_start }, { "self-test", .start = self_test_start },
};

int requests_start(struct daemon *daemon, struct error *err)
{
	const struct control_service service = { commands, ELEMENTS_OF(commands), HOLDFAST_VERSION, daemon };

	return control_start(&daemon->loop, daemon->settings.socket, 0, &service, &daemon->control, err);
}

void requests_stop(struct daemon *daemon)
{
	control_stop(TAKE_PTR(daemon->control));
}
