// SPDX-License-Identifier: Apache-2.0
/*
 * The order: what says where the rest is (remains), then what can be found by it. Undoing is the same as for a shim that was killed
 * (remains.c), once our own descriptors are closed and our children reaped.
 */
#include "kata-shim/vm/sandbox/host.h"

#include <errno.h>
#include <stdio.h>

#include "common/base/array.h"
#include "common/base/file.h"
#include "common/base/log.h"
#include "kata-shim/vm/sandbox/remains.h"

#define VMM_FILES_MAX 4096
#define OOM_SCORE_FIRST -998 /* as kubelet has it for a pod's pause container; then host_raise_oom_score */
#define VMM_DESCRIPTORS_MAX 64

static int make_directories(struct host *host, struct error *err)
{
	const struct vm_settings *settings = host->settings;

	if (snprintf(host->directory, sizeof(host->directory), "%s/%s", settings->state, host->id) >= (int)sizeof(host->directory))
		return error_set(err, ENAMETOOLONG, "sandbox.vm.state %s is too long", settings->state);
	int r = file_make_directory(settings->state, 0700, err);
	if (r == 0)
		r = ids_take(settings->state, host->id, (uint32_t)settings->ids_first, (uint32_t)settings->ids_count, &host->ids, err);
	return r;
}

static int note_remains(struct host *host, const char *cgroup, const char *network, struct error *err)
{
	struct remains remains;

	int n = snprintf(remains.cgroup, sizeof(remains.cgroup), "%s", cgroup);
	int m = snprintf(remains.network, sizeof(remains.network), "%s", network ? network : "");
	if (n >= PATH_MAX || m >= PATH_MAX)
		return error_set(err, ENAMETOOLONG, "the path of the pod's cgroup or network namespace is too long");
	return remains_write(host->directory, &remains, err);
}

static int start_virtiofsd(struct host *host, struct error *err)
{
	char program[PATH_MAX];

	int r = vm_settings_find_virtiofsd(host->settings, program, err);
	if (r < 0)
		return r;
	const struct virtiofsd virtiofsd = {
		.path = program,
		.cache = VIRTIOFSD_CACHE_AUTO,
		.directory = host->directory,
		.user_namespace = host->user_namespace,
		.cgroup = host->cgroup,
		.oom_score_adj = OOM_SCORE_FIRST,
		.output = log_enabled(LOG_LEVEL_DEBUG) ? STDERR_FILENO : -1,
	};
	return virtiofsd_spawn(&virtiofsd, &host->virtiofsd, &host->share_connection, err);
}

static int start_share(struct host *host, struct error *err)
{
	char directory[PATH_MAX];

	snprintf(directory, sizeof(directory), "%s/share", host->directory);
	return share_new(directory, &host->ids, host->user_namespace, host->virtiofsd.mount_namespace, &host->share, err);
}

/* A kernel that cannot do it is no reason to be without the pod. */
static int join_network(struct host *host, const char *path, struct error *err)
{
	struct error why;

	int r = net_join(path, &host->net, err);
	if (r == 0 && net_listen(host->net, &why) < 0)
		log_warn("kubectl port-forward does not reach this pod", "error", why.message);
	return r;
}

static int make(struct host *host, const struct plan_sandbox *sandbox, struct error *err)
{
	_cleanup_free_ char *path = NULL;

	int r = make_directories(host, err);
	if (r == 0)
		r = cgroup_path(sandbox->cgroups_path, host->id, &path, err);
	if (r == 0)
		r = note_remains(host, path, sandbox->network, err);
	if (r == 0)
		r = cgroup_open(path, true, &host->cgroup, err);
	if (r == 0)
		r = join_network(host, sandbox->network, err);
	if (r == 0)
		r = ids_user_namespace(&host->ids, &host->user_namespace, err);
	if (r == 0)
		r = start_virtiofsd(host, err);
	return r < 0 ? r : start_share(host, err);
}

int host_make(struct host *host, const char *id, const struct vm_settings *settings, const struct plan_sandbox *sandbox, struct error *err)
{
	struct error ignored;

	*host = (struct host){ .settings = settings, .id = id, .user_namespace = -1, .share_connection = -1, .made = true };
	host->virtiofsd = JAIL_PROCESS_NONE;
	int r = make(host, sandbox, err);
	if (r < 0 && host_unmake(host, &ignored) < 0)
		return r;
	return r;
}

void host_release(struct host *host)
{
	if (host->net)
		net_close(host->net);
	if (host->share_connection >= 0)
		close(TAKE_FD(host->share_connection));
}

int host_unmake(struct host *host, struct error *err)
{
	if (!host->made)
		return 0;
	host->made = false;
	host_release(host);
	share_free(TAKE_PTR(host->share));
	jail_end(&host->virtiofsd);
	net_free(TAKE_PTR(host->net));
	cgroup_free(TAKE_PTR(host->cgroup));
	if (host->user_namespace >= 0)
		close(TAKE_FD(host->user_namespace));
	return remains_clear(host->id, host->settings, err);
}

int host_raise_oom_score(const struct host *host, pid_t vmm, int value, struct error *err)
{
	int r = jail_raise_oom_score(vmm, value, err);

	return r == 0 ? jail_raise_oom_score(host->virtiofsd.pid, value, err) : r;
}

/* ── QEMU's jail ── */

/* Its program, and what it reads beside that. */
static size_t list_paths(const char *program, const struct vm_data *data, const char *ret[static VM_DATA_MAX + 1])
{
	ret[0] = program;
	for (size_t i = 0; i < data->n; i++)
		ret[1 + i] = data->paths[i];
	return 1 + data->n;
}

int host_spawn_vmm(void *context, const char *const argv[], const int *fds, size_t n_fds, pid_t *ret_pid, int *ret_pidfd, struct error *err)
{
	const struct host *host = context;
	struct jail_descriptor descriptors[VMM_DESCRIPTORS_MAX];
	struct jail_process process = JAIL_PROCESS_NONE;
	const char *paths[VM_DATA_MAX + 1];
	struct vm_data data;

	if (n_fds > VMM_DESCRIPTORS_MAX)
		return error_set(err, E2BIG, "QEMU has %zu descriptors, and at most %d can be given", n_fds, VMM_DESCRIPTORS_MAX);
	for (size_t i = 0; i < n_fds; i++)
		descriptors[i] = (struct jail_descriptor){ fds[i], (int)i };
	vm_settings_find_data(argv[0], &data);
	const struct jail jail = {
		.arguments = argv,
		.paths = paths,
		.n_paths = list_paths(argv[0], &data, paths),
		.proc = true,
		.devices = (const char *const[]){ "/dev/kvm" },
		.n_devices = host->settings->accelerator == VM_KVM,
		.root = host->directory,
		.descriptors = descriptors,
		.n_descriptors = n_fds,
		.output = -1,
		.network_namespace = host->net->namespace,
		.id = host->ids.vmm,
		.user_namespace = -1,
		.cgroup = host->cgroup,
		.oom_score_adj = OOM_SCORE_FIRST,
		.open_files = VMM_FILES_MAX,
	};
	int r = jail_spawn(&jail, &process, err);
	if (r < 0)
		return r;
	if (process.mount_namespace >= 0)
		close(process.mount_namespace);
	*ret_pid = process.pid;
	*ret_pidfd = process.pidfd;
	return 0;
}
