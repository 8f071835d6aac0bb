// SPDX-License-Identifier: Apache-2.0
/*
 * As /init of a VM the agent makes the machine, serves its host and powers off: when DestroySandbox asks for it, when its host is gone, or
 * when it cannot go on, and then the console's last line says why. With --listen it touches nothing of the machine.
 */
#include <errno.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>

#include "common/base/file.h"
#include "common/base/log.h"
#include "common/base/program.h"
#include "kata-shim/guest/channel.h"
#include "kata-shim/guest/container.h"
#include "kata-shim/guest/copy.h"
#include "kata-shim/guest/forward.h"
#include "kata-shim/guest/machine.h"
#include "kata-shim/guest/services.h"

#define LARGE (64 * 1024) /* bytes that are mapped */

static const char usage[] =
	"usage: holdfast-guest --listen SOCKET\n\n"
	"The agent in a VM's guest, where it is /init. With --listen it serves a unix socket, for tests: in mount, pid,\n"
	"network, uts and ipc namespaces of its own, with a tmpfs on /run.\n";

static int agent_init(struct agent *agent, struct error *err)
{
	signal(SIGPIPE, SIG_IGN);
	/* A message of megabytes goes back to the guest when it is done with: glibc would raise its own threshold with the first. */
	mallopt(M_MMAP_THRESHOLD, LARGE);
	mallopt(M_TRIM_THRESHOLD, 2 * LARGE);
	/* So that a container's first process becomes ours when `crun create` ends, also where we are not process 1. */
	if (prctl(PR_SET_CHILD_SUBREAPER, 1) < 0)
		return error_errno(err, errno, "cannot become the reaper of orphans");
	agent->loop = uv_default_loop();
	agent->copies = copies_new();
	agent->forwards = forwards_new(agent->loop);
	if (!agent->copies || !agent->forwards)
		return error_nomem(err);
	int r = children_new(agent->loop, &agent->children, err);
	return r < 0 ? r : containers_new(agent, &agent->containers, err);
}

static void agent_free(struct agent *agent)
{
	channel_close();
	ttrpc_server_stop(agent->server);
	uv_run(agent->loop, UV_RUN_NOWAIT); /* calls that wait for a container are over before it is */
	containers_free(agent->containers);
	copies_free(agent->copies);
	forwards_free(agent->forwards);
	children_free(agent->children);
	uv_run(agent->loop, UV_RUN_DEFAULT);
	sandbox_unmake(&agent->sandbox);
}

/* ── On a host, for tests ── */

static int listen_on(struct agent *agent, const char *path, struct error *err)
{
	int r = agent_init(agent, err);

	if (r == 0)
		r = ttrpc_server_start(agent->loop, path, getuid(), services_of(agent), &agent->server, err);
	if (r < 0)
		return r;
	log_info("serving", "socket", path);
	uv_run(agent->loop, UV_RUN_DEFAULT);
	agent_free(agent);
	return 0;
}

/* ── In a VM ── */

static struct error loss;

static void on_lost(void *context, const struct error *why)
{
	struct agent *agent = context;

	loss = *why;
	error_wrap(&loss, "the host is gone");
	uv_stop(agent->loop);
}

static int read_channel(enum channel *ret, struct error *err)
{
	_cleanup_(buf_free) struct buf line = BUF_MAX(4096);
	int r = file_read("/proc/cmdline", &line, err);

	return r < 0 ? r : channel_read(buf_view(&line), ret, err);
}

static int serve_host(struct agent *agent, struct error *err)
{
	enum channel channel;

	int r = machine_open_console(err);
	if (r == 0)
		r = machine_mount(err);
	if (r == 0)
		r = read_channel(&channel, err);
	if (r == 0)
		r = machine_load_modules(err);
	if (r == 0)
		r = agent_init(agent, err);
	if (r == 0)
		r = ttrpc_server_new(agent->loop, services_of(agent), &agent->server, err);
	if (r == 0)
		r = channel_serve(channel, agent, on_lost, err);
	if (r < 0)
		return r;
	/* The console's first line: what comes to nothing after it has come to nothing in the guest. */
	log_info("the guest's agent serves its host", "version", HOLDFAST_VERSION, "channel", channel == CHANNEL_PORT ? "port" : "vsock");
	uv_run(agent->loop, UV_RUN_DEFAULT);
	agent_free(agent);
	*err = loss;
	return loss.code ? -loss.code : 0;
}

static _Noreturn void run_machine(struct agent *agent)
{
	struct error err = {};

	agent->init = true;
	if (serve_host(agent, &err) < 0)
		log_error("the guest's agent cannot go on: power off", "error", err.message);
	machine_power_off();
}

int main(int argc, char **argv)
{
	struct agent agent = {};
	struct error err = {};

	/* The kernel hands unknown parameters on. */
	if (getpid() == 1 && strcmp(argv[0], "/init") == 0)
		run_machine(&agent);
	if (argc != 3 || strcmp(argv[1], "--listen") != 0) {
		fputs(usage, stderr);
		return EXIT_USAGE;
	}
	if (listen_on(&agent, argv[2], &err) < 0) {
		log_error("cannot go on", "error", err.message);
		return EXIT_FAILURE;
	}
	return EXIT_SUCCESS;
}
