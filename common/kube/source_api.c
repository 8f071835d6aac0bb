// SPDX-License-Identifier: Apache-2.0
/* The API server as a source: one client, one reflector for each kind that the store follows. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/log.h"
#include "common/kube/api_publisher.h"
#include "common/kube/api_reflector.h"
#include "common/kube/api_teller.h"

const struct api_tuning api_tuning_default = {
	.idle_timeout_ms = 150 * 1000,
	.first_backoff_ms = 500,
	.backoff_cap_ms = 30 * 1000,
	.stable_ms = 30 * 1000,
	.watch_s_min = 300,
	.watch_s_max = 600,
	.page_size = 500,
	.tell_pause_ms = 200,
	.publish_refresh_ms = 30 * 60 * 1000,
};

struct source_api {
	struct kube_source base;
	struct kube_source_options options; /* the strings are ours */
	struct api_tuning tuning;
	struct api_client *client;
	struct refusals refusals;
	size_t n_running; /* teller, publisher and reflectors */
	struct api_teller teller;
	struct api_publisher publisher;
	struct error credentials; /* why they could not be read again */
	void (*closed)(void *context);
	void *closed_context;
	size_t n_reflectors;
	struct reflector reflectors[]; /* one for each kind of the store: they are large */
};

static void free_options(struct kube_source_options *options)
{
	free((char *)options->kubeconfig);
	free((char *)options->api_server);
	free((char *)options->service_account);
	free((char *)options->node);
}

static void free_source(struct source_api *source)
{
	free_options(&source->options);
	free(source);
}

static bool copy_string(const char *text, const char **ret)
{
	*ret = text ? strdup(text) : NULL;
	return !text || *ret;
}

static int copy_options(const struct kube_source_options *from, struct kube_source_options *to, struct error *err)
{
	to->in_cluster = from->in_cluster;
	if (copy_string(from->kubeconfig, &to->kubeconfig) && copy_string(from->api_server, &to->api_server) &&
	    copy_string(from->service_account, &to->service_account) && copy_string(from->node, &to->node))
		return 0;
	return error_nomem(err);
}

/* The kubeconfig may have been replaced, or the old credentials were revoked for a while; the old ones stay if it cannot be read. */
static void read_credentials_again(void *context)
{
	struct source_api *source = context;
	struct api_config config;
	struct error problem;

	if (api_config_load(&source->options, &config, &problem) == 0) {
		api_client_set_config(source->client, &config);
		source->credentials = (struct error){};
		return;
	}
	if (strcmp(problem.message, source->credentials.message) != 0)
		log_warn("cannot read the credentials again", "reason", problem.message);
	source->credentials = problem;
}

static void client_closed(void *context)
{
	struct source_api *source = context;

	if (source->closed)
		source->closed(source->closed_context);
	free_source(source);
}

static void part_closed(void *context)
{
	struct source_api *source = context;

	if (--source->n_running == 0)
		api_client_close(source->client, client_closed, source);
}

static void stop(struct kube_source *base, void (*closed)(void *context), void *context)
{
	struct source_api *source = (struct source_api *)base;

	source->closed = closed;
	source->closed_context = context;
	api_teller_stop(&source->teller);
	api_publisher_stop(&source->publisher);
	for (size_t i = 0; i < source->n_reflectors; i++)
		reflector_stop(&source->reflectors[i]);
}

static void status(const struct kube_source *base, struct kube_source_status *ret)
{
	const struct source_api *source = (const struct source_api *)base;
	struct kube_source_status result = { .name = api_client_config(source->client)->server, .connected = true, .last_error = "" };

	for (size_t i = 0; i < source->n_reflectors; i++) {
		const struct reflector *reflector = &source->reflectors[i];
		result.connected &= reflector_is_following(reflector) || reflector->absent || kube_kind_is_optional(reflector->kind);
		result.restarts += reflector->restarts;
		if (reflector->heard_ms > result.last_heard_ms)
			result.last_heard_ms = reflector->heard_ms;
		if (reflector->problem.code && !*result.last_error)
			result.last_error = reflector->problem.message;
	}
	result.refused = source->refusals.n;
	result.told = source->teller.told;
	result.dropped = source->teller.dropped;
	result.published = source->publisher.sent;
	result.unpublished = api_publisher_missing(&source->publisher);
	result.publish_error = source->publisher.problem.code ? source->publisher.problem.message : "";
	*ret = result;
}

static void tell(struct kube_source *base, const struct kube_notice *notice)
{
	api_teller_tell(&((struct source_api *)base)->teller, notice);
}

static int publish(struct kube_source *base, const struct kube_publication *what, struct error *err)
{
	return api_publisher_put(&((struct source_api *)base)->publisher, what, err);
}

static void publish_again(struct kube_source *base, const char *path)
{
	api_publisher_again(&((struct source_api *)base)->publisher, path);
}

static const struct kube_source_ops ops = {
	.status = status,
	.stop = stop,
	.tell = tell,
	.publish = publish,
	.publish_again = publish_again,
};

static void start_teller(struct source_api *source, uv_loop_t *loop)
{
	source->teller = (struct api_teller){
		.client = source->client,
		.pause_ms = source->tuning.tell_pause_ms,
		.backoff = { .first_ms = source->tuning.first_backoff_ms, .cap_ms = source->tuning.backoff_cap_ms },
		.closed = part_closed,
		.context = source,
	};
	source->n_running++;
	api_teller_start(&source->teller, loop);
}

static void start_publisher(struct source_api *source, uv_loop_t *loop)
{
	source->publisher = (struct api_publisher){
		.client = source->client,
		.tuning = &source->tuning,
		.lost_credentials = read_credentials_again,
		.closed = part_closed,
		.context = source,
	};
	source->n_running++;
	api_publisher_start(&source->publisher, loop);
}

static void start_reflectors(struct source_api *source, uv_loop_t *loop, struct kube_store *store)
{
	for (enum kube_kind kind = 0; kind < KUBE_KIND_COUNT; kind++) {
		if (!kube_store_follows(store, kind))
			continue;
		struct reflector *reflector = &source->reflectors[source->n_reflectors++];
		*reflector = (struct reflector){
			.client = source->client,
			.store = store,
			.tuning = &source->tuning,
			.refusals = &source->refusals,
			.kind = kind,
			.node = source->options.node,
			.lost_credentials = read_credentials_again,
			.closed = part_closed,
			.context = source,
		};
		source->n_running++;
		reflector_start(reflector, loop);
	}
}

static size_t count_kinds(const struct kube_store *store)
{
	size_t n = 0;

	for (enum kube_kind kind = 0; kind < KUBE_KIND_COUNT; kind++)
		n += kube_store_follows(store, kind);
	return n;
}

int kube_source_api_start(uv_loop_t *loop, const struct kube_source_options *options, const struct api_tuning *tuning,
			  struct kube_store *store, struct kube_source **ret, struct error *err)
{
	struct source_api *source = calloc(1, sizeof(*source) + count_kinds(store) * sizeof(struct reflector));
	struct api_config config = {};

	if (!source)
		return error_nomem(err);
	source->base.ops = &ops;
	source->tuning = *tuning;
	if (options->publish_refresh_ms)
		source->tuning.publish_refresh_ms = options->publish_refresh_ms;
	int r = copy_options(options, &source->options, err);
	if (r == 0)
		r = api_config_load(&source->options, &config, err);
	if (r == 0)
		r = api_client_new(loop, &config, tuning->idle_timeout_ms, &source->client, err);
	if (r < 0) {
		free_source(source);
		return r;
	}
	start_teller(source, loop);
	start_publisher(source, loop);
	start_reflectors(source, loop, store);
	*ret = &source->base;
	return 0;
}
