// SPDX-License-Identifier: Apache-2.0
/*
 * What the DaemonSet runs in the place of all else when Holdfast is to go (`kubectl holdfast uninstall`): uninstalls, which a pod in a VM or
 * a containerd that does not answer may hold up, takes back what the API server was told, and is then ready. An edge node whose API server
 * takes no word of it (KubeEdge's MetaServer) was never told anything.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/array.h"
#include "common/base/log.h"
#include "common/http/endpoint.h"
#include "deploy/install/commands.h"
#include "deploy/install/readiness/readiness.h"

#define AGAIN_MS 3000

static const char usage[] =
	"usage: holdfast-node leave [--policies keep|stop] [--force] [--root DIRECTORY] [--settings FILE] [--readiness LIST]\n"
	"\n"
	"In a container, `holdfast-node uninstall` until it is done, and with --readiness `holdfast-node readiness --withdraw`, too; then it does\n"
	"nothing more, and /readyz on install.healthAddress says so; before, what holds it up. SIGTERM ends it.\n"
	"\n"
	"  --policies, --force   see holdfast-node uninstall --help\n" NODE_OPTIONS_HELP
	"  --readiness LIST    as holdfast-node watch had it, which has told the API server of these: that is taken back\n"
	"\n"
	"  holdfast-node leave --root /host --settings /etc/holdfast/holdfast.yaml --readiness network,vm,tpm --policies stop\n";

struct leaving {
	const struct node_invocation *invocation;
	uv_loop_t loop;
	uv_work_t work;
	uv_timer_t again;
	uv_signal_t signals[2];
	struct http_endpoint *http;
	struct readiness_follower *readiness; /* NULL: the API server was told nothing */
	struct node_reporter reporter;
	bool at_work, gone, ending;
	int result;
	struct error error;
	char why[ERROR_MESSAGE_MAX]; /* it is not gone yet */
};

/* ── In the worker thread ── */

static void work(uv_work_t *request)
{
	struct leaving *leaving = request->data;
	const struct node_invocation *invocation = leaving->invocation;
	struct node node;

	int r = node_open_locked(&invocation->options, "leave", false, &node, &leaving->error);
	r = r < 0 ? r : node_uninstall(&node, invocation->policies, invocation->force, &leaving->error);
	node_close(&node);
	leaving->result = r;
}

/* ── On the loop ── */

static void close_all(struct leaving *leaving)
{
	uv_close((uv_handle_t *)&leaving->again, NULL);
	http_endpoint_stop(leaving->http, NULL, NULL);
	readiness_stop(leaving->readiness, NULL, NULL);
	for (size_t i = 0; i < ELEMENTS_OF(leaving->signals); i++)
		uv_close((uv_handle_t *)&leaving->signals[i], NULL);
}

static void say(struct leaving *leaving)
{
	if (leaving->result == 0)
		log_info("nothing of Holdfast is on this node any more");
	else if (strcmp(leaving->why, leaving->error.message) != 0)
		log_warn("cannot leave this node yet", "reason", leaving->error.message);
	snprintf(leaving->why, sizeof(leaving->why), "%s", leaving->result == 0 ? "" : leaving->error.message);
}

static void worked(uv_work_t *request, int status)
{
	struct leaving *leaving = request->data;

	leaving->at_work = false;
	leaving->gone = leaving->result == 0;
	say(leaving);
	if (leaving->gone)
		uv_timer_stop(&leaving->again);
	if (leaving->ending)
		close_all(leaving);
}

static void on_again(uv_timer_t *timer)
{
	struct leaving *leaving = timer->data;

	if (leaving->at_work)
		return;
	leaving->at_work = true;
	uv_queue_work(&leaving->loop, &leaving->work, work, worked);
}

static bool is_ready(void *context, struct buf *why)
{
	const struct leaving *leaving = context;
	const bool told = !leaving->readiness || readiness_is_told(leaving->readiness);

	if (!leaving->gone)
		buf_printf(why, "%s\n", *leaving->why ? leaving->why : "it is being uninstalled");
	if (!told)
		buf_printf(why, "the API server was not told yet: %s\n", readiness_problem(leaving->readiness));
	return leaving->gone && told;
}

static void on_signal(uv_signal_t *handle, int number)
{
	struct leaving *leaving = handle->data;

	if (leaving->ending)
		return;
	leaving->ending = true;
	uv_timer_stop(&leaving->again);
	if (!leaving->at_work)
		close_all(leaving);
}

/* ── Begin ── */

static int start_readiness(struct leaving *leaving, struct error *err)
{
	struct readiness_options options = { 0 };

	if (!leaving->invocation->readiness)
		return 0;
	int r = node_prepare_report(&leaving->invocation->options, &leaving->reporter, &options, err);
	r = r < 0 ? r : readiness_start(&leaving->loop, &options, &leaving->readiness, err);
	if (r == 0)
		readiness_withdraw(leaving->readiness);
	return r;
}

static int start_http(struct leaving *leaving, struct error *err)
{
	const struct http_handlers handlers = { .ready = is_ready, .context = leaving };
	struct node node;
	bool broken;

	int r = node_open(&leaving->invocation->options, &node, &broken, err);
	r = r < 0 ? r : http_endpoint_start(&leaving->loop, node.settings.health_address, &handlers, &leaving->http, err);
	node_close(&node);
	return r;
}

static void start_handles(struct leaving *leaving)
{
	static const int numbers[] = { SIGTERM, SIGINT };

	leaving->work.data = leaving->again.data = leaving;
	uv_timer_init(&leaving->loop, &leaving->again);
	uv_timer_start(&leaving->again, on_again, 0, AGAIN_MS);
	for (size_t i = 0; i < ELEMENTS_OF(leaving->signals); i++) {
		leaving->signals[i].data = leaving;
		uv_signal_init(&leaving->loop, &leaving->signals[i]);
		uv_signal_start(&leaving->signals[i], on_signal, numbers[i]);
	}
}

static int run(const struct node_invocation *invocation)
{
	struct leaving leaving = { .invocation = invocation };
	struct error err;

	uv_loop_init(&leaving.loop);
	int r = start_readiness(&leaving, &err);
	r = r < 0 ? r : start_http(&leaving, &err);
	if (r < 0) {
		log_error("cannot leave this node", "error", err.message);
		return EXIT_FAILURE;
	}
	start_handles(&leaving);
	uv_run(&leaving.loop, UV_RUN_DEFAULT);
	uv_loop_close(&leaving.loop);
	return EXIT_SUCCESS;
}

int command_leave(int argc, char **argv)
{
	struct node_invocation invocation = node_parse(argc, argv, "pFr");

	if (invocation.bad || invocation.help)
		return node_usage(&invocation, usage);
	invocation.options.wait_s = 0; /* what does not go now is tried again; and the alarm of a wait would not reach the worker */
	signal(SIGPIPE, SIG_IGN);
	return run(&invocation);
}
