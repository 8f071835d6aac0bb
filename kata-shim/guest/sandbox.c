// SPDX-License-Identifier: Apache-2.0
#include "kata-shim/guest/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "common/base/array.h"
#include "common/base/file.h"
#include "common/base/show.h"
#include "kata-shim/guest/agent.h"
#include "kata-shim/guest/network.h"
#include "kata-shim/guest/storage.h"

#define DNS_LINE_MAX 1024

static const struct pin {
	const char *from, *path;
	int type;
} pins[] = {
	{ "/proc/self/ns/ipc", GUEST_NS_IPC, CLONE_NEWIPC },
	{ "/proc/self/ns/uts", GUEST_NS_UTS, CLONE_NEWUTS },
};
#define ALL_PINS (CLONE_NEWIPC | CLONE_NEWUTS)

/* ── Namespaces ── */

static int pin(const struct pin *pin, struct error *err)
{
	_cleanup_close_ int fd = open(pin->path, O_WRONLY | O_CREAT | O_CLOEXEC, 0444);

	if (fd < 0)
		return error_errno(err, errno, "cannot make %s", pin->path);
	if (mount(pin->from, pin->path, NULL, MS_BIND, NULL) < 0)
		return error_errno(err, errno, "cannot mount the namespace on %s", pin->path);
	return 0;
}

static void unpin_all(void)
{
	for (size_t i = 0; i < ELEMENTS_OF(pins); i++) {
		umount2(pins[i].path, MNT_DETACH);
		unlink(pins[i].path);
	}
}

/* In new namespaces: they are named, and held. */
static int fill_namespaces(const char *hostname, struct error *err)
{
	int r = 0;

	if (*hostname && sethostname(hostname, strlen(hostname)) < 0)
		return error_errno(err, errno, "cannot set the host name \"%s\"", hostname);
	for (size_t i = 0; r == 0 && i < ELEMENTS_OF(pins); i++)
		r = pin(&pins[i], err);
	return r;
}

/* The agent has one thread, which goes there and comes back. */
static int make_namespaces(const char *hostname, struct error *err)
{
	int own[ELEMENTS_OF(pins)], r = 0;
	size_t n = 0;

	for (; n < ELEMENTS_OF(pins) && (own[n] = open(pins[n].from, O_RDONLY | O_CLOEXEC)) >= 0; n++)
		;
	if (n < ELEMENTS_OF(pins))
		r = error_errno(err, errno, "cannot open %s", pins[n].from);
	else if (unshare(ALL_PINS) < 0)
		r = error_errno(err, errno, "cannot make the sandbox's namespaces");
	else
		r = fill_namespaces(hostname, err);
	for (size_t i = 0; i < n; i++) {
		if (setns(own[i], pins[i].type) < 0)
			r = error_errno(err, errno, "cannot go back to the agent's namespaces");
		close(own[i]);
	}
	return r;
}

/* ── resolv.conf ── */

static int write_resolv_conf(char *const *lines, size_t n, struct error *err)
{
	_cleanup_(buf_free) struct buf text = BUF_MAX(SANDBOX_DNS_MAX * (DNS_LINE_MAX + 1));

	if (n > SANDBOX_DNS_MAX)
		return error_set(err, EINVAL, "resolv.conf has %zu lines: at most %d are taken", n, SANDBOX_DNS_MAX);
	for (size_t i = 0; i < n; i++) {
		if (strlen(lines[i]) > DNS_LINE_MAX || strchr(lines[i], '\n'))
			return error_set(err, EINVAL, "line %zu of resolv.conf \"%s\" is none", i + 1, SHOW(slice_string(lines[i])));
		buf_printf(&text, "%s\n", lines[i]);
	}
	int r = buf_check(&text, "resolv.conf", err);
	return r < 0 ? r : file_write_atomic(GUEST_RESOLV_CONF, buf_view(&text), 0644, err);
}

/* ── All of it ── */

static int read_names(const Agent__CreateSandboxRequest *request, struct sandbox *ret, struct error *err)
{
	int r = *request->sandbox_id ? agent_check_id("sandbox", request->sandbox_id, err) : 0;

	if (r < 0)
		return r;
	if (strlen(request->hostname) > SANDBOX_HOSTNAME_MAX)
		return error_set(err, EINVAL, "host name \"%s\" is longer than %d bytes", SHOW(slice_string(request->hostname)),
				 SANDBOX_HOSTNAME_MAX);
	snprintf(ret->id, sizeof(ret->id), "%s", *request->sandbox_id ? request->sandbox_id : "sandbox");
	snprintf(ret->hostname, sizeof(ret->hostname), "%s", request->hostname);
	ret->shared_pids = request->sandbox_pidns;
	return 0;
}

static int make_directories(struct error *err)
{
	static const char *const paths[] = { GUEST_SHARED, GUEST_SANDBOX, GUEST_STATE "/ns" };
	int r = 0;

	for (size_t i = 0; r == 0 && i < ELEMENTS_OF(paths); i++)
		r = file_make_directory(paths[i], 0755, err);
	return r;
}

int sandbox_make(struct sandbox *sandbox, const Agent__CreateSandboxRequest *request, struct error *err)
{
	struct sandbox made = { .made = true };

	if (sandbox->made)
		return error_set(err, EEXIST, "the guest has a sandbox already: %s", sandbox->id);
	int r = read_names(request, &made, err);
	if (r == 0)
		r = make_directories(err);
	if (r == 0)
		r = write_resolv_conf(request->dns, request->n_dns, err);
	if (r == 0)
		r = network_loopback_up(err);
	if (r == 0)
		r = storages_mount(request->storages, request->n_storages, NULL, err);
	if (r == 0)
		r = make_namespaces(made.hostname, err);
	if (r < 0) {
		sandbox_unmake(&made);
		return error_wrap(err, "sandbox");
	}
	*sandbox = made;
	return 0;
}

void sandbox_unmake(struct sandbox *sandbox)
{
	if (!sandbox->made)
		return;
	unpin_all();
	storages_unmount();
	unlink(GUEST_RESOLV_CONF);
	*sandbox = (struct sandbox){};
}
