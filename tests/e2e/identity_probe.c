// SPDX-License-Identifier: Apache-2.0
/*
 * The daemon's answer to "whose device is this?" alone, for a real kubelet: no TPM, no rules. A container that starts gets a file "who"
 *that says who it was taken for, or does not start.
 *
 *	identity_probe SECRET=SLOTS [KUBECONFIG NODE]     without KUBECONFIG its store stays empty
 *
 * Prints "found MILLISECONDS NAMESPACE/NAME UID" or "refused MILLISECONDS WHY" for each start; on SIGHUP "live DEVICE UID NAMESPACE/NAME
 * WHY" for each device in use, and "that is all".
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/base/file.h"
#include "common/base/number.h"
#include "common/kube/source.h"
#include "device-plugin/plugin/identity.h"
#include "device-plugin/plugin/plugin.h"

#define DIRECTORY "/var/lib/kubelet/device-plugins"
#define VOLUMES "/run/holdfast/vol"

static struct plugin *plugin;
static struct identifier *identifier;
static struct kube_store *store;

static void must(int r, const struct error *err)
{
	if (r == 0)
		return;
	fprintf(stderr, "identity_probe: %s\n", err->message);
	exit(1);
}

/* ── A container starts ── */

struct asked {
	struct plugin_start *start;
	uint64_t began_ns;
};

static int deliver(const struct plugin_start *start, struct slice who, struct error *err)
{
	_cleanup_(buf_free) struct buf path = BUF_MAX(1024);

	device_print_volume(VOLUMES, plugin_start_device(start), plugin_start_secret(start), &path);
	int r = file_make_directory(buf_text(&path), 0755, err);
	if (r < 0)
		return r;
	buf_string(&path, "/who");
	return file_write_atomic(buf_text(&path), who, 0444, err);
}

static int note(const struct plugin_start *start, const struct identity *identity, struct error *err)
{
	_cleanup_(buf_free) struct buf who = BUF_MAX(4096);

	buf_printf(&who, "%s/%s %s [%s] %s %s %s\n", identity->namespace, identity->name, identity->uid, identity->container,
		   identity->service_account, identity->secrets ? identity->secrets : "-", identity->backend ? identity->backend : "-");
	int r = buf_check(&who, "who it is", err);
	return r < 0 ? r : deliver(start, buf_view(&who), err);
}

static void found(void *context, int r, struct identity *identity, const struct error *why)
{
	struct asked *asked = context;
	const double ms = (double)(uv_hrtime() - asked->began_ns) / 1e6;
	struct error err;

	if (r < 0) {
		printf("refused %.1f %s\n", ms, why->message);
		plugin_start_answer(asked->start, r, why);
	} else {
		printf("found %.1f %s/%s %s\n", ms, identity->namespace, identity->name, identity->uid);
		r = note(asked->start, identity, &err);
		plugin_start_answer(asked->start, r, &err);
	}
	identity_free(identity);
	free(asked);
}

static void take_start(void *context, struct plugin_start *start)
{
	_cleanup_(buf_free) struct buf resource = BUF_MAX(256);
	struct asked *asked = calloc(1, sizeof(*asked));
	struct identity_query *query;
	struct error err;

	if (!asked)
		abort();
	*asked = (struct asked){ start, uv_hrtime() };
	device_print_resource(plugin_start_secret(start), &resource);
	must(identity_find(identifier, buf_text(&resource), plugin_start_device(start), found, asked, &query, &err), &err);
}

/* ── Who has devices ── */

static void listed(void *context, int r, const struct identity_live *live, size_t n, const struct error *err)
{
	if (r < 0)
		printf("nothing is known: %s\n", err->message);
	for (size_t i = 0; i < n; i++)
		printf("live %s %s %s/%s %s\n", live[i].device, live[i].pod_uid, live[i].namespace, live[i].name, live[i].why);
	printf("that is all\n");
}

static void hung_up(uv_signal_t *signal, int number)
{
	struct identity_query *query;
	struct error err;

	must(identity_list_live(identifier, listed, NULL, &query, &err), &err);
}

/* ── Start ── */

static void hear(void *context, const struct kube_object *before, const struct kube_object *after)
{
}

static void hear_synced(void *context)
{
	printf("synced\n");
}

static void follow(const char *kubeconfig, const char *node)
{
	const struct kube_source_options options = { .kubeconfig = kubeconfig, .node = node };
	struct kube_source *source;
	struct error err;

	must(kube_source_start(uv_default_loop(), &options, store, &source, &err), &err);
}

static void offer(char *argument)
{
	const struct plugin_options options = { DIRECTORY, VOLUMES, { take_start, NULL } };
	char *equals = strchr(argument, '=');
	struct error err;
	uint32_t slots;

	must(number_parse_u32(slice_string(equals ? equals + 1 : ""), 1, DEVICE_SLOTS_MAX, &slots, &err), &err);
	*equals = 0;
	must(plugin_new(uv_default_loop(), &options, &plugin, &err), &err);
	must(plugin_offer(plugin, argument, slots, &err), &err);
	plugin_set_health(plugin, argument, true);
}

int main(int argc, char **argv)
{
	const struct kube_store_observer observer = { hear, hear_synced, NULL };
	struct identifier_options options = { 0 };
	uv_signal_t hang_up;
	struct error err;

	if (argc != 2 && argc != 4)
		return 2;
	signal(SIGPIPE, SIG_IGN);
	setvbuf(stdout, NULL, _IOLBF, 0);
	uv_signal_init(uv_default_loop(), &hang_up);
	uv_signal_start(&hang_up, hung_up, SIGHUP);
	options.store = store = kube_store_new(1u << KUBE_POD | KUBE_POD_IDENTITIES, &observer);
	if (!store)
		abort();
	must(identifier_new(uv_default_loop(), &options, &identifier, &err), &err);
	if (argc == 4)
		follow(argv[2], argv[3]);
	offer(argv[1]);
	return uv_run(uv_default_loop(), UV_RUN_DEFAULT);
}
