// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/array.h"
#include "common/base/log.h"
#include "common/base/show.h"
#include "deploy/install/commands.h"
#include "deploy/install/readiness/readiness.h"
#include "deploy/install/watch.h"

static const char usage[] =
	"usage: holdfast-node watch [--root DIRECTORY] [--settings FILE] [--from DIRECTORY] [--readiness LIST]\n"
	"\n"
	"Installs as `holdfast-node install` does, and sees to it that it stays so: puts the entry back when somebody rewrites the CNI list,\n"
	"all of it when it has been wiped, and new settings when FILE changes. What fails is tried again. A version to which a person has\n"
	"gone back with `holdfast-node rollback` stays until this program starts again. A version that is refused (holdfast-node install\n"
	"--help) is tried again every ten minutes, and the one before is watched over. SIGHUP installs anew; SIGTERM ends it, with exit code 0.\n"
	"/readyz on install.healthAddress says whether all is as it should be, and why not; /healthz whether this program lives.\n"
	"\n" NODE_OPTIONS_HELP "  --from DIRECTORY    the tree to put there; default: the one that this program is in\n"
	"  --readiness LIST    also test network, vm and tpm, or some of them, and tell the API server: see holdfast-node readiness --help\n"
	"\n"
	"  holdfast-node watch --root /host --settings /etc/holdfast/holdfast.yaml --readiness network,vm,tpm\n";

struct watching {
	uv_loop_t loop;
	uv_signal_t signals[3];
	struct watch *watch;
	struct readiness_follower *readiness;
	struct readiness_options options;
	struct node_reporter reporter;
};

static void test_all(struct watching *watching)
{
	for (int i = 0; watching->readiness && i < PARTS; i++) {
		if (watching->options.wanted[i])
			readiness_test(watching->readiness, (enum part)i);
	}
}

static void on_change(void *context)
{
	test_all(context);
}

/* The pod is not ready, but only who looks into it learns why: so the node's events say it too. */
static void on_refused(void *context, const char *why)
{
	struct watching *watching = context;

	if (watching->readiness)
		readiness_tell(watching->readiness, "VersionRefused", why);
}

static void end(struct watching *watching)
{
	watch_stop(watching->watch);
	readiness_stop(watching->readiness, NULL, NULL);
	watching->readiness = NULL;
	for (size_t i = 0; i < ELEMENTS_OF(watching->signals); i++)
		uv_close((uv_handle_t *)&watching->signals[i], NULL);
}

static void on_signal(uv_signal_t *handle, int number)
{
	struct watching *watching = handle->data;

	if (number != SIGHUP) {
		log_info("ending");
		end(watching);
		return;
	}
	watch_again(watching->watch);
	test_all(watching);
}

static void start_signals(struct watching *watching)
{
	static const int numbers[] = { SIGTERM, SIGINT, SIGHUP };

	for (size_t i = 0; i < ELEMENTS_OF(watching->signals); i++) {
		watching->signals[i].data = watching;
		uv_signal_init(&watching->loop, &watching->signals[i]);
		uv_signal_start(&watching->signals[i], on_signal, numbers[i]);
	}
}

static bool take_parts(struct watching *watching, char *list)
{
	char *rest = NULL;
	enum part part;

	for (char *name = strtok_r(list, ",", &rest); name; name = strtok_r(NULL, ",", &rest)) {
		if (!part_find(name, &part)) {
			fprintf(stderr, "holdfast-node: there is no part \"%s\": network, vm or tpm\n", SHOW(slice_string(name)));
			return false;
		}
		watching->options.wanted[part] = true;
	}
	return true;
}

static int start_readiness(struct watching *watching, const struct node_invocation *invocation, struct error *err)
{
	if (!invocation->readiness)
		return 0;
	watching->options.trial.root = *invocation->options.root ? invocation->options.root : NULL;
	int r = node_prepare_report(&invocation->options, &watching->reporter, &watching->options, err);
	return r < 0 ? r : readiness_start(&watching->loop, &watching->options, &watching->readiness, err);
}

static int run(struct watching *watching, const struct node_invocation *invocation)
{
	const struct watch_options options = { .node = invocation->options, .changed = on_change, .refused = on_refused, .context = watching };
	struct error err;

	uv_loop_init(&watching->loop);
	int r = start_readiness(watching, invocation, &err);
	r = r < 0 ? r : watch_start(&watching->loop, &options, &watching->watch, &err);
	if (r < 0) {
		log_error("cannot watch over this node", "error", err.message);
		return EXIT_FAILURE;
	}
	log_info("watching over this node", "root", *invocation->options.root ? invocation->options.root : "/", "port",
		 LOG_NUMBER(watch_port(watching->watch)));
	start_signals(watching);
	uv_run(&watching->loop, UV_RUN_DEFAULT);
	uv_loop_close(&watching->loop);
	return EXIT_SUCCESS;
}

int command_watch(int argc, char **argv)
{
	struct node_invocation invocation = node_parse(argc, argv, "fr");
	struct watching watching = { 0 };

	invocation.bad |= invocation.readiness && !take_parts(&watching, invocation.readiness);
	if (invocation.bad || invocation.help)
		return node_usage(&invocation, usage);
	invocation.options.wait_s = 0; /* what does not go now is tried again */
	invocation.options.prove = true;
	signal(SIGPIPE, SIG_IGN);
	return run(&watching, &invocation);
}
