// SPDX-License-Identifier: Apache-2.0
/*
 * `-info`: what the handler's runtime can do, for kubelet. It has no pod, so only what depends on the handler alone decides whom to ask. A
 * VM has none of what runc says of user namespaces and recursive read-only mounts, and claims nothing.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/buf.h"
#include "common/base/file.h"
#include "kata-shim/cli/call.h"

#define NAME "io.containerd.holdfast.v2"

/* containerd.types.RuntimeInfo { string name = 1; RuntimeVersion version = 2 { string version = 1; } }; each length is below 128. */
static int answer(struct error *err)
{
	_cleanup_(buf_free) struct buf out = BUF_MAX(256);
	const size_t n = strlen(HOLDFAST_VERSION);

	buf_printf(&out, "\n%c%s", (int)strlen(NAME), NAME);
	buf_printf(&out, "\x12%c\n%c%s", (int)n + 2, (int)n, HOLDFAST_VERSION);
	int r = buf_check(&out, "answer", err);
	return r < 0 ? r : file_write_fd(STDOUT_FILENO, buf_view(&out), "standard output", err);
}

/* containerd says -info and no more; it is our parent. */
static const char *find_containerd(char room[static PATH_MAX])
{
	char link[64];

	snprintf(link, sizeof(link), "/proc/%d/exe", (int)getppid());
	const ssize_t n = readlink(link, room, PATH_MAX - 1);
	if (n < 0)
		return NULL;
	room[n] = 0;
	return room;
}

int call_info(const struct call *given, struct error *err)
{
	struct call asked = *given;
	char containerd[PATH_MAX];
	_cleanup_(settings_clear) struct settings settings = {};
	const struct route_question question = { given->handler, NULL };
	struct decision decision = {};
	struct route route;

	int r = settings_load(&settings, err);
	if (r == 0)
		r = route_decide(&settings.rules, &question, &route, err);
	if (r < 0)
		return r;
	decision.backend = route.backend;
	if (decision.backend == BACKEND_VM)
		return answer(err);
	if (!asked.arguments.containerd)
		asked.arguments.containerd = find_containerd(containerd);
	r = follow_find_shim(&asked, &settings, &decision, err);
	return r < 0 ? r : follow_run(&asked, &decision, err);
}
