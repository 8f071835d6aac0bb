// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>

#include "common/base/log.h"
#include "common/base/program.h"
#include "kata-shim/guest/container.h"
#include "kata-shim/guest/copy.h"
#include "kata-shim/guest/services.h"

static const char usage[] = "usage: holdfast-guest --listen SOCKET\n\n"
			    "The agent in a VM's guest, where it is /init and needs no arguments. With --listen it serves a unix socket, for tests:\n"
			    "in mount, pid, network, uts and ipc namespaces of its own, with a tmpfs on /run.\n";

static int agent_init(struct agent *agent, struct error *err)
{
	signal(SIGPIPE, SIG_IGN);
	/* So that a container's first process becomes ours when `crun create` ends, also where we are not process 1. */
	if (prctl(PR_SET_CHILD_SUBREAPER, 1) < 0)
		return error_errno(err, errno, "cannot become the reaper of orphans");
	agent->loop = uv_default_loop();
	agent->copies = copies_new();
	if (!agent->copies)
		return error_nomem(err);
	int r = children_new(agent->loop, &agent->children, err);
	return r < 0 ? r : containers_new(agent, &agent->containers, err);
}

static void agent_free(struct agent *agent)
{
	ttrpc_server_stop(agent->server);
	containers_free(agent->containers);
	copies_free(agent->copies);
	children_free(agent->children);
	uv_run(agent->loop, UV_RUN_DEFAULT);
}

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

int main(int argc, char **argv)
{
	struct agent agent = {};
	struct error err = {};

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
