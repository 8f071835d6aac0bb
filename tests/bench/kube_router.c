// SPDX-License-Identifier: Apache-2.0
#include "tests/bench/kube_router.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define SCRIPT TEST_DATA "/bench/kube_router.py"

bool kube_router_is_here(void)
{
	return system(SCRIPT " --check") == 0;
}

static void exec_script(int output, unsigned n_selecting, unsigned n_others)
{
	char selecting[16], others[16];

	snprintf(selecting, sizeof(selecting), "%u", n_selecting);
	snprintf(others, sizeof(others), "%u", n_others);
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (dup2(output, STDOUT_FILENO) >= 0)
		execl(SCRIPT, SCRIPT, selecting, others, NULL);
	_exit(127);
}

static int wait_until_ready(int input, struct kube_router *router, struct error *err)
{
	FILE *file = fdopen(input, "r");

	if (!file) {
		cleanup_close(&input);
		return error_nomem(err);
	}
	int n = fscanf(file, "ready %lf", &router->event_ms);
	fclose(file);
	return n == 1 ? 0 : error_set(err, EIO, "kube-router did not become ready; " SCRIPT " said above why");
}

static int start_script(struct fabric *fabric, int output, unsigned n_selecting, unsigned n_others, pid_t *ret, struct error *err)
{
	int r = fabric_enter(fabric, FABRIC_NODE, err);

	if (r < 0)
		return r;
	pid_t script = fork();
	if (script == 0)
		exec_script(output, n_selecting, n_others);
	fabric_leave(fabric);
	if (script < 0)
		return error_errno(err, errno, "cannot start " SCRIPT);
	*ret = script;
	return 0;
}

int kube_router_start(struct fabric *fabric, unsigned n_selecting, unsigned n_others, struct kube_router *ret, struct error *err)
{
	_cleanup_(kube_router_end) struct kube_router router = { 0 };
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) < 0)
		return error_errno(err, errno, "cannot make a pipe");
	_cleanup_close_ int input = ends[0];
	int r = start_script(fabric, ends[1], n_selecting, n_others, &router.script, err);
	cleanup_close(&ends[1]);
	if (r == 0)
		r = wait_until_ready(TAKE_FD(input), &router, err);
	if (r < 0)
		return r;
	*ret = router;
	router.script = 0;
	return 0;
}

void kube_router_end(struct kube_router *router)
{
	if (router->script <= 0)
		return;
	kill(router->script, SIGTERM);
	(void)waitpid(router->script, NULL, 0);
	router->script = 0;
}
