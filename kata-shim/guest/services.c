// SPDX-License-Identifier: Apache-2.0
#include "kata-shim/guest/services.h"

#include <ctype.h>
#include <errno.h>

#include "common/base/array.h"
#include "kata-shim/guest/share_probe.h"

#define METHODS_MAX 48
#define ID_MAX 128

/* ── What all methods use ── */

void agent_answer(struct ttrpc_call *call, const ProtobufCMessage *message)
{
	_cleanup_(buf_free) struct buf bytes = BUF_MAX(TTRPC_MESSAGE_MAX);
	struct error err;

	message_write(message, &bytes);
	if (buf_check(&bytes, "answer", &err) < 0)
		ttrpc_call_fail(call, &err);
	else
		ttrpc_call_answer(call, buf_view(&bytes));
}

void agent_answer_empty(struct ttrpc_call *call, int r, const struct error *err)
{
	if (r < 0)
		ttrpc_call_fail(call, err);
	else
		ttrpc_call_answer(call, slice_string(""));
}

int agent_check_id(const char *what, const char *id, struct error *err)
{
	size_t n = strlen(id);

	if (n < 2 || n > ID_MAX)
		return error_set(err, EINVAL, "%s \"%.*s\" has %zu bytes: 2 to %d are allowed", what, ID_MAX, id, n, ID_MAX);
	for (size_t i = 0; i < n; i++) {
		if (!isalnum((unsigned char)id[i]) && (i == 0 || !strchr("_.-", id[i])))
			return error_set(err, EINVAL,
					 "%s \"%s\": it may have letters, digits and \"_.-\", and begins with one of the first two", what,
					 id);
	}
	return 0;
}

/* ── grpc.Health ── */

static void handle_check(void *context, struct ttrpc_call *call, struct slice request)
{
	Agent__HealthCheckResponse answer = AGENT__HEALTH_CHECK_RESPONSE__INIT;

	answer.status = share_answers(context) ? AGENT__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVING :
						 AGENT__HEALTH_CHECK_RESPONSE__SERVING_STATUS__NOT_SERVING;
	agent_answer(call, &answer.base);
}

static void handle_version(void *context, struct ttrpc_call *call, struct slice request)
{
	Agent__VersionCheckResponse answer = AGENT__VERSION_CHECK_RESPONSE__INIT;

	answer.grpc_version = (char *)GUEST_PROTOCOL_VERSION;
	answer.agent_version = (char *)HOLDFAST_VERSION;
	agent_answer(call, &answer.base);
}

static const struct ttrpc_method health_methods[] = { { "Check", handle_check }, { "Version", handle_version } };

/* ── All of them ── */

static const struct method_rows *const agent_rows[] = { &sandbox_methods,   &network_methods, &copy_methods,
							&container_methods, &process_methods, &stream_methods };
static const struct method_rows *const guest_rows[] = { &guest_copy_methods, &forward_methods };

static size_t join_rows(const struct method_rows *const *parts, size_t n_parts, struct ttrpc_method methods[static METHODS_MAX])
{
	size_t n = 0;

	for (size_t i = 0; i < n_parts; i++) {
		for (size_t j = 0; j < parts[i]->n && n < METHODS_MAX; j++)
			methods[n++] = parts[i]->rows[j];
	}
	return n;
}

const struct ttrpc_services *services_of(struct agent *agent)
{
	static struct ttrpc_method of_agent[METHODS_MAX], of_guest[METHODS_MAX];
	static struct ttrpc_service all[3];
	const size_t n_of_agent = join_rows(agent_rows, ELEMENTS_OF(agent_rows), of_agent);
	const size_t n_of_guest = join_rows(guest_rows, ELEMENTS_OF(guest_rows), of_guest);
	static const struct ttrpc_services services = { all, ELEMENTS_OF(all) };

	all[0] = (struct ttrpc_service){ "grpc.Health", health_methods, ELEMENTS_OF(health_methods), agent };
	all[1] = (struct ttrpc_service){ "grpc.AgentService", of_agent, n_of_agent, agent };
	all[2] = (struct ttrpc_service){ "holdfast.Guest", of_guest, n_of_guest, agent };
	return &services;
}
