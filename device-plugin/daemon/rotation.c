// SPDX-License-Identifier: Apache-2.0
/*
 *	rotate SECRET… ──► each delivery that has one of them ──► handover_anew … rotation_note ──► all are over ──► answer
 *
 * A delivery of which nobody knows yet what is in it (found at the start) counts as having what its resource is called after.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/array.h"
#include "common/base/log.h"
#include "common/base/show.h"
#include "device-plugin/daemon/requests.h"

#define ANSWER_MAX (1024 * 1024)
#define ALL "--all"

struct turn {
	const char *device, *resource, *namespace, *pod, *container;
	bool over;
	struct error why; /* code 0: it went well */
};

struct rotation {
	struct rotation *next;
	struct daemon *daemon;
	struct grpc_call *call;
	bool json, begun; /* begun: of every turn; before that nothing is answered */
	struct turn *turns;
	size_t n, n_over;
	struct arena arena; /* of the turns' strings: deliveries may go meanwhile */
};

static void rotation_free(struct rotation *rotation)
{
	if (!rotation)
		return;
	arena_clear(&rotation->arena);
	free(rotation->turns);
	free(rotation);
}

/* ── The answer ── */

static void print_turn(const struct turn *turn, struct buf *out)
{
	buf_printf(out, "%s  %s/%s (%s): ", turn->resource, turn->namespace, turn->pod, turn->container);
	if (turn->why.code)
		buf_printf(out, "NOT delivered: %s\n", turn->why.message);
	else
		buf_string(out, "delivered again\n");
}

static void print_text(const struct rotation *rotation, struct buf *out)
{
	if (rotation->n == 0)
		buf_string(out, "no running pod of this node has it: nothing to deliver\n");
	for (size_t i = 0; i < rotation->n; i++)
		print_turn(&rotation->turns[i], out);
}

static void print_json(const struct rotation *rotation, struct buf *out)
{
	buf_string(out, "{\"deliveries\":[");
	for (size_t i = 0; i < rotation->n; i++) {
		const struct turn *turn = &rotation->turns[i];

		buf_json_element(out, '{');
		buf_json_member(out, "resource", turn->resource);
		buf_json_member(out, "device", turn->device);
		buf_json_member(out, "namespace", turn->namespace);
		buf_json_member(out, "name", turn->pod);
		buf_json_member(out, "container", turn->container);
		buf_json_bool(out, "delivered", turn->why.code == 0);
		buf_json_member(out, "reason", turn->why.code ? turn->why.message : "");
		buf_byte(out, '}');
	}
	buf_string(out, "]}\n");
}

static void unlink_rotation(struct rotation *rotation)
{
	struct rotation **at = &rotation->daemon->rotations;

	while (*at != rotation)
		at = &(*at)->next;
	*at = rotation->next;
}

static void answer_if_over(struct rotation *rotation)
{
	_cleanup_(buf_free) struct buf out = BUF_MAX(ANSWER_MAX);
	int exit_code = 0;

	if (!rotation->begun || rotation->n_over < rotation->n)
		return;
	for (size_t i = 0; i < rotation->n; i++)
		exit_code |= rotation->turns[i].why.code != 0;
	if (rotation->json)
		print_json(rotation, &out);
	else
		print_text(rotation, &out);
	control_answer(rotation->call, exit_code, &out, NULL);
	unlink_rotation(rotation);
	rotation_free(rotation);
}

static void note(struct rotation *rotation, const char *device, const struct error *why)
{
	for (size_t i = 0; i < rotation->n; i++) {
		struct turn *turn = &rotation->turns[i];

		if (turn->over || strcmp(turn->device, device) != 0)
			continue;
		turn->over = true;
		if (why)
			turn->why = *why;
		rotation->n_over++;
	}
}

void rotation_note(struct daemon *daemon, const char *device, const struct error *why)
{
	for (struct rotation *at = daemon->rotations, *next; at; at = next) {
		next = at->next;
		note(at, device, why);
		answer_if_over(at);
	}
}

/* ── The request ── */

static bool is_wanted(const struct control_request *request, const struct delivery *delivery)
{
	for (size_t i = 0; i < request->n_arguments; i++) {
		const char *name = request->arguments[i];

		if (strcmp(name, ALL) == 0 || strcmp(name, delivery->resource) == 0 || delivery_has(delivery, name))
			return true;
	}
	return false;
}

static int check_names(struct daemon *daemon, const struct control_request *request, struct error *err)
{
	if (request->n_arguments == 0)
		return error_set(err, EINVAL, "say which secrets, or --all");
	for (size_t i = 0; i < request->n_arguments; i++) {
		const char *name = request->arguments[i];

		if (strcmp(name, ALL) != 0 && strcmp(name, PLUGIN_GENERAL) != 0 && !secrets_find(daemon->secrets, name))
			return error_set(err, ENOENT, "there is no TPMSecret \"%s\"; see `holdfast-tpm list`", SHOW(slice_string(name)));
	}
	return 0;
}

static bool fill_turn(struct rotation *rotation, const struct delivery *delivery)
{
	struct arena *arena = &rotation->arena;
	struct turn *turn = &rotation->turns[rotation->n];

	*turn = (struct turn){
		.device = arena_string(arena, delivery->device),
		.resource = arena_string(arena, delivery->resource),
		.namespace = arena_string(arena, delivery->namespace),
		.pod = arena_string(arena, delivery->pod),
		.container = arena_string(arena, delivery->container),
	};
	rotation->n++;
	return turn->device && turn->resource && turn->namespace && turn->pod && turn->container;
}

static int choose(struct rotation *rotation, const struct control_request *request, struct error *err)
{
	struct daemon *daemon = rotation->daemon;

	rotation->turns = calloc(daemon->deliveries.n + 1, sizeof(*rotation->turns));
	if (!rotation->turns)
		return error_nomem(err);
	for (const struct delivery *at = daemon->deliveries.first; at; at = at->next)
		if (is_wanted(request, at) && !fill_turn(rotation, at))
			return error_nomem(err);
	return 0;
}

static void run(struct rotation *rotation)
{
	struct daemon *daemon = rotation->daemon;
	struct error err;

	rotation->next = daemon->rotations;
	daemon->rotations = rotation;
	log_info("secrets are delivered again, as asked", "containers", LOG_NUMBER(rotation->n));
	keys_forget(daemon->keys);
	for (size_t i = 0; i < rotation->n; i++) {
		const struct delivery *delivery = deliveries_find(&daemon->deliveries, rotation->turns[i].device);
		if (handover_anew(daemon, delivery, &err) < 0)
			note(rotation, delivery->device, &err);
	}
	rotation->begun = true;
	answer_if_over(rotation);
}

void rotation_start(void *context, const struct control_request *request, struct grpc_call *call)
{
	struct rotation *rotation = calloc(1, sizeof(*rotation));
	struct daemon *daemon = context;
	struct error err;

	int r = rotation ? check_names(daemon, request, &err) : error_nomem(&err);
	if (r == 0) {
		*rotation = (struct rotation){ .daemon = daemon, .call = call, .json = request->json };
		r = choose(rotation, request, &err);
	}
	if (r == 0) {
		run(rotation);
		return;
	}
	control_answer(call, r, NULL, &err);
	rotation_free(rotation);
}
