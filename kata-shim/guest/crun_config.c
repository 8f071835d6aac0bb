// SPDX-License-Identifier: Apache-2.0
/*
 * Text is written straight from the message, without a tree: the agent is to stay below 2 MiB. What crun itself refuses with good words
 * (an unknown capability, rlimit, mount option, seccomp action) is left to it; checked here is what it would misread.
 */
#include "kata-shim/guest/crun_config.h"

#include <errno.h>
#include <inttypes.h>

#include "common/base/array.h"
#include "common/base/show.h"

static void write_strings(struct buf *out, const char *key, char *const *items, size_t n)
{
	buf_json_key(out, key);
	buf_byte(out, '[');
	for (size_t i = 0; i < n; i++) {
		if (i > 0)
			buf_byte(out, ',');
		buf_json_string(out, slice_string(items[i]));
	}
	buf_byte(out, ']');
}

static void write_signed(struct buf *out, const char *key, int64_t value)
{
	buf_json_key(out, key);
	buf_printf(out, "%" PRId64, value);
}

static void open_member(struct buf *out, const char *key, char bracket)
{
	buf_json_key(out, key);
	buf_byte(out, (uint8_t)bracket);
}

/* ── The process ── */

static int check_process(const Oci__Process *process, struct error *err)
{
	if (!process)
		return error_set(err, EINVAL, "process is missing");
	if (process->n_args == 0 || !process->args[0][0])
		return error_set(err, EINVAL, "process.args is empty: there is nothing to run");
	if (process->cwd[0] && process->cwd[0] != '/')
		return error_set(err, EINVAL, "process.cwd \"%s\" does not begin with /", SHOW(slice_string(process->cwd)));
	if (!process->capabilities)
		return error_set(err, EINVAL, "process.capabilities is missing: an empty one is no capability");
	if (process->oom_score_adj < -1000 || process->oom_score_adj > 1000)
		return error_set(err, EINVAL, "process.oom_score_adj %" PRId64 " is not from -1000 to 1000", process->oom_score_adj);
	return 0;
}

static void write_user(struct buf *out, const Oci__User *user)
{
	open_member(out, "user", '{');
	buf_json_number(out, "uid", user ? user->uid : 0);
	buf_json_number(out, "gid", user ? user->gid : 0);
	open_member(out, "additionalGids", '[');
	for (size_t i = 0; user && i < user->n_additional_gids; i++)
		buf_printf(out, i > 0 ? ",%" PRIu32 : "%" PRIu32, user->additional_gids[i]);
	buf_string(out, "]}");
}

static void write_capabilities(struct buf *out, const Oci__LinuxCapabilities *caps)
{
	open_member(out, "capabilities", '{');
	write_strings(out, "bounding", caps->bounding, caps->n_bounding);
	write_strings(out, "effective", caps->effective, caps->n_effective);
	write_strings(out, "inheritable", caps->inheritable, caps->n_inheritable);
	write_strings(out, "permitted", caps->permitted, caps->n_permitted);
	write_strings(out, "ambient", caps->ambient, caps->n_ambient);
	buf_byte(out, '}');
}

static void write_rlimits(struct buf *out, const Oci__Process *process)
{
	open_member(out, "rlimits", '[');
	for (size_t i = 0; i < process->n_rlimits; i++) {
		const Oci__POSIXRlimit *limit = process->rlimits[i];

		buf_json_element(out, '{');
		buf_json_member(out, "type", limit->type);
		buf_json_number(out, "hard", limit->hard);
		buf_json_number(out, "soft", limit->soft);
		buf_byte(out, '}');
	}
	buf_byte(out, ']');
}

int crun_write_process(const Oci__Process *process, struct buf *out, struct error *err)
{
	int r = check_process(process, err);

	if (r < 0)
		return r;
	buf_byte(out, '{');
	buf_json_bool(out, "terminal", process->terminal);
	if (process->terminal && process->console_size) {
		open_member(out, "consoleSize", '{');
		buf_json_number(out, "height", process->console_size->height);
		buf_json_number(out, "width", process->console_size->width);
		buf_byte(out, '}');
	}
	write_user(out, process->user);
	write_strings(out, "args", process->args, process->n_args);
	write_strings(out, "env", process->env, process->n_env);
	buf_json_member(out, "cwd", process->cwd[0] ? process->cwd : "/");
	write_capabilities(out, process->capabilities);
	write_rlimits(out, process);
	buf_json_bool(out, "noNewPrivileges", process->no_new_privileges);
	write_signed(out, "oomScoreAdj", process->oom_score_adj);
	buf_byte(out, '}');
	return 0;
}

/* ── Resources ── */

static int write_memory(struct buf *out, const Oci__LinuxMemory *memory, struct error *err)
{
	if (!memory)
		return 0;
	if (memory->disable_oom_killer)
		return error_set(err, EINVAL, "resources.memory.disable_oom_killer: cgroup v2 cannot");
	if (memory->limit > 0 && memory->swap > 0 && memory->swap < memory->limit)
		return error_set(err, EINVAL, "resources.memory.swap %" PRId64 " is below the limit of %" PRId64 ": it is the sum of both",
				 memory->swap, memory->limit);
	open_member(out, "memory", '{');
	if (memory->limit)
		write_signed(out, "limit", memory->limit);
	if (memory->reservation > 0)
		write_signed(out, "reservation", memory->reservation);
	/* crun takes one only beside a limit, from which it counts. */
	if (memory->swap < 0 || (memory->swap > 0 && memory->limit > 0))
		write_signed(out, "swap", memory->swap);
	buf_byte(out, '}');
	return 0;
}

static int write_cpu(struct buf *out, const Oci__LinuxCPU *cpu, struct error *err)
{
	if (!cpu)
		return 0;
	if (cpu->realtime_runtime || cpu->realtime_period)
		return error_set(err, EINVAL, "resources.cpu.realtime: cgroup v2 cannot");
	open_member(out, "cpu", '{');
	if (cpu->shares)
		buf_json_number(out, "shares", cpu->shares);
	if (cpu->quota)
		write_signed(out, "quota", cpu->quota);
	if (cpu->period)
		buf_json_number(out, "period", cpu->period);
	else if (cpu->quota < 0)
		buf_json_number(out, "period", 100000); /* the kernel's; without one crun leaves the quota as it is */
	buf_byte(out, '}');
	return 0;
}

static void write_huge_pages(struct buf *out, const Oci__LinuxResources *resources)
{
	open_member(out, "hugepageLimits", '[');
	for (size_t i = 0; i < resources->n_hugepage_limits; i++) {
		const Oci__LinuxHugepageLimit *limit = resources->hugepage_limits[i];

		if (limit->limit == 0)
			continue; /* containerd says so of each size that the host has; the guest has no such pages */
		buf_json_element(out, '{');
		buf_json_member(out, "pageSize", limit->pagesize);
		buf_json_number(out, "limit", limit->limit);
		buf_byte(out, '}');
	}
	buf_byte(out, ']');
}

static int write_limits(struct buf *out, const Oci__LinuxResources *resources, struct error *err)
{
	int r = write_memory(out, resources->memory, err);

	if (r == 0)
		r = write_cpu(out, resources->cpu, err);
	if (r < 0)
		return r;
	if (resources->pids && resources->pids->limit) {
		open_member(out, "pids", '{');
		write_signed(out, "limit", resources->pids->limit);
		buf_byte(out, '}');
	}
	write_huge_pages(out, resources);
	return 0;
}

int crun_write_resources(const Oci__LinuxResources *resources, struct buf *out, struct error *err)
{
	if (!resources)
		return error_set(err, EINVAL, "resources are missing");
	buf_byte(out, '{');
	int r = write_limits(out, resources, err);
	buf_byte(out, '}');
	return r;
}

/* ── The rest of it ── */

bool crun_has_namespace(const Oci__Spec *spec, const char *type)
{
	for (size_t i = 0; spec->linux_ && i < spec->linux_->n_namespaces; i++) {
		if (strcmp(spec->linux_->namespaces[i]->type, type) == 0)
			return true;
	}
	return false;
}

static void write_namespace(struct buf *out, const char *type, const char *path)
{
	buf_json_element(out, '{');
	buf_json_member(out, "type", type);
	if (path)
		buf_json_member(out, "path", path);
	buf_byte(out, '}');
}

static void write_mappings(struct buf *out, const char *key, Oci__LinuxIDMapping *const *mappings, size_t n)
{
	open_member(out, key, '[');
	for (size_t i = 0; i < n; i++) {
		buf_json_element(out, '{');
		buf_json_number(out, "containerID", mappings[i]->container_id);
		buf_json_number(out, "hostID", mappings[i]->host_id);
		buf_json_number(out, "size", mappings[i]->size);
		buf_byte(out, '}');
	}
	buf_byte(out, ']');
}

static int write_namespaces(struct buf *out, const Oci__Spec *spec, const struct crun_world *world, struct error *err)
{
	static const char *const known[] = { "mount", "pid", "ipc", "uts", "user", "network", "cgroup" };
	const Oci__Linux *of = spec->linux_;

	for (size_t i = 0; i < of->n_namespaces; i++) {
		size_t k = 0;
		while (k < ELEMENTS_OF(known) && strcmp(known[k], of->namespaces[i]->type) != 0)
			k++;
		if (k == ELEMENTS_OF(known))
			return error_set(err, EINVAL, "linux.namespaces: \"%s\" cannot be had here",
					 SHOW(slice_string(of->namespaces[i]->type)));
	}
	open_member(out, "namespaces", '[');
	write_namespace(out, "mount", NULL);
	write_namespace(out, "cgroup", NULL);
	write_namespace(out, "pid", world->pids);
	write_namespace(out, "ipc", world->ipc);
	write_namespace(out, "uts", world->uts);
	if (crun_has_namespace(spec, "user"))
		write_namespace(out, "user", NULL);
	buf_byte(out, ']');
	if (crun_has_namespace(spec, "user")) {
		write_mappings(out, "uidMappings", of->uid_mappings, of->n_uid_mappings);
		write_mappings(out, "gidMappings", of->gid_mappings, of->n_gid_mappings);
	}
	return 0;
}

static void write_arguments(struct buf *out, const Oci__LinuxSyscall *syscall)
{
	open_member(out, "args", '[');
	for (size_t i = 0; i < syscall->n_args; i++) {
		buf_json_element(out, '{');
		buf_json_number(out, "index", syscall->args[i]->index);
		buf_json_number(out, "value", syscall->args[i]->value);
		buf_json_number(out, "valueTwo", syscall->args[i]->value_two);
		buf_json_member(out, "op", syscall->args[i]->op);
		buf_byte(out, '}');
	}
	buf_byte(out, ']');
}

static void write_seccomp(struct buf *out, const Oci__LinuxSeccomp *seccomp)
{
	open_member(out, "seccomp", '{');
	buf_json_member(out, "defaultAction", seccomp->default_action);
	write_strings(out, "architectures", seccomp->architectures, seccomp->n_architectures);
	write_strings(out, "flags", seccomp->flags, seccomp->n_flags);
	open_member(out, "syscalls", '[');
	for (size_t i = 0; i < seccomp->n_syscalls; i++) {
		const Oci__LinuxSyscall *syscall = seccomp->syscalls[i];

		buf_json_element(out, '{');
		write_strings(out, "names", syscall->names, syscall->n_names);
		buf_json_member(out, "action", syscall->action);
		if (syscall->errno_ret_case == OCI__LINUX_SYSCALL__ERRNO_RET_ERRNORET)
			buf_json_number(out, "errnoRet", syscall->errnoret);
		write_arguments(out, syscall);
		buf_byte(out, '}');
	}
	buf_string(out, "]}");
}

/* Nothing but crun's own nodes, which it always lets through behind this rule. */
static int write_linux_resources(struct buf *out, const Oci__LinuxResources *resources, bool any_device, struct error *err)
{
	open_member(out, "resources", '{');
	buf_json_key(out, "devices");
	buf_string(out, any_device ? "[]" : "[{\"allow\":false,\"access\":\"rwm\"}]");
	int r = resources ? write_limits(out, resources, err) : 0;
	buf_byte(out, '}');
	return r;
}

static int write_linux(struct buf *out, const Oci__Spec *spec, const struct crun_world *world, struct error *err)
{
	const Oci__Linux *of = spec->linux_;

	open_member(out, "linux", '{');
	int r = write_namespaces(out, spec, world, err);
	if (r == 0)
		r = write_linux_resources(out, of->resources, world->any_device, err);
	if (r < 0)
		return r;
	buf_json_member(out, "cgroupsPath", world->cgroup);
	if (of->seccomp)
		write_seccomp(out, of->seccomp);
	if (of->rootfs_propagation[0])
		buf_json_member(out, "rootfsPropagation", of->rootfs_propagation);
	write_strings(out, "maskedPaths", of->masked_paths, of->n_masked_paths);
	write_strings(out, "readonlyPaths", of->readonly_paths, of->n_readonly_paths);
	buf_byte(out, '}');
	return 0;
}

static int write_mounts(struct buf *out, const Oci__Spec *spec, struct error *err)
{
	open_member(out, "mounts", '[');
	for (size_t i = 0; i < spec->n_mounts; i++) {
		const Oci__Mount *mount = spec->mounts[i];

		if (mount->destination[0] != '/')
			return error_set(err, EINVAL, "mounts[%zu].destination \"%s\" does not begin with /", i,
					 SHOW(slice_string(mount->destination)));
		buf_json_element(out, '{');
		buf_json_member(out, "destination", mount->destination);
		if (mount->type[0])
			buf_json_member(out, "type", mount->type);
		if (mount->source[0])
			buf_json_member(out, "source", mount->source);
		write_strings(out, "options", mount->options, mount->n_options);
		buf_byte(out, '}');
	}
	buf_byte(out, ']');
	return 0;
}

static int write_root(struct buf *out, const Oci__Root *root, struct error *err)
{
	if (!root)
		return error_set(err, EINVAL, "root is missing");
	if (root->path[0] != '/')
		return error_set(err, EINVAL, "root.path \"%s\" is not a path of the guest that begins with /",
				 SHOW(slice_string(root->path)));
	open_member(out, "root", '{');
	buf_json_member(out, "path", root->path);
	buf_json_bool(out, "readonly", root->readonly);
	buf_byte(out, '}');
	return 0;
}

int crun_write_config(const Oci__Spec *spec, const struct crun_world *world, struct buf *out, struct error *err)
{
	if (!spec)
		return error_set(err, EINVAL, "the OCI specification is missing");
	if (!spec->linux_)
		return error_set(err, EINVAL, "linux is missing");
	buf_byte(out, '{');
	buf_json_member(out, "ociVersion", "1.0.2"); /* whatever the message's: crun 1.8 knows 1.0 only, and all that is written is in it */
	buf_json_key(out, "process");
	int r = crun_write_process(spec->process, out, err);
	if (r == 0)
		r = write_root(out, spec->root, err);
	if (r == 0)
		r = write_mounts(out, spec, err);
	if (r == 0)
		r = write_linux(out, spec, world, err);
	buf_byte(out, '}');
	return r;
}
