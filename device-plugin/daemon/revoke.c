// SPDX-License-Identifier: Apache-2.0
/*
 * `holdfast-tpm revoke`: first the TPM, for good; then what the daemon still has of it. Jobs of the TPM are done in their order, so whoever
 * gets a key before the revocation has written it before the volumes are cleared, and nobody gets one after it.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "common/base/log.h"
#include "device-plugin/daemon/requests.h"

#define ANSWER_MAX 4096
#define WHY "holdfast-tpm revoke"

struct revocation {
	struct tpm_job job;
	struct daemon *daemon;
	struct grpc_call *call;
	bool json;
	struct tpm2_name root;
	uint64_t hold_value;
};

static int increment(struct tpm_job *job, struct tpm *tpm, struct error *err)
{
	struct revocation *revocation = (struct revocation *)job;
	uint64_t before;

	int r = tpm_check(tpm, &revocation->root, &before, err);
	return r < 0 ? r : tpm_revoke(tpm, &revocation->hold_value, err);
}

static void print_answer(const struct revocation *revocation, size_t n_cleared, struct buf *out)
{
	if (revocation->json) {
		buf_byte(out, '{');
		buf_json_number(out, "hold", revocation->hold_value);
		buf_json_number(out, "volumesCleared", n_cleared);
		buf_string(out, "}\n");
		return;
	}
	buf_printf(out, "revoked: what was sealed for this node before cannot be opened any more (hold counter %" PRIu64 ")\n",
		   revocation->hold_value);
	buf_printf(out, "volumes of running containers that were overwritten and emptied: %zu\n", n_cleared);
}

static void on_incremented(struct tpm_job *job, int r, const struct error *why)
{
	struct revocation *revocation = (struct revocation *)job;
	_cleanup_(buf_free) struct buf out = BUF_MAX(ANSWER_MAX);
	struct daemon *daemon = revocation->daemon;

	if (r == 0) {
		log_warn("this node's secrets were revoked", "hold", LOG_NUMBER(revocation->hold_value));
		keys_forget(daemon->keys);
		print_answer(revocation, daemon->deliveries.n, &out);
		rotate_withdraw_all(daemon, WHY);
		health_take_hold(daemon, revocation->hold_value);
	} else if (r != -ECANCELED) {
		health_look_now(daemon);
	}
	control_answer(revocation->call, r, &out, why);
	free(revocation);
}

static int submit(struct daemon *daemon, const struct control_request *request, struct grpc_call *call, struct error *err)
{
	if (!daemon->health.enrolled)
		return error_set(err, ENODEV, "%s", health_why(daemon));
	struct revocation *revocation = malloc(sizeof(*revocation));
	if (!revocation)
		return error_nomem(err);
	*revocation = (struct revocation){
		.job = { .run = increment, .done = on_incremented },
		.daemon = daemon,
		.call = call,
		.json = request->json,
		.root = daemon->health.node_key.root.name,
	};
	int r = tpm_worker_submit(daemon->worker, &revocation->job, err);
	if (r < 0)
		free(revocation);
	return r;
}

void revoke_start(void *context, const struct control_request *request, struct grpc_call *call)
{
	struct error err;

	int r = submit(context, request, call, &err);
	if (r < 0)
		control_answer(call, r, NULL, &err);
}
