// SPDX-License-Identifier: Apache-2.0
/*
 *	config.json ─→ plan ─→ root and sources into the share ─→ (copies) ─→ (pause container) ─→ CreateContainer
 *
 * What comes before the brackets is done at once, some milliseconds long. Whatever fails, the share is as it was before.
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/base/array.h"
#include "common/base/log.h"
#include "kata-shim/bundle/bundle.h"
#include "kata-shim/vm/jail/ids.h"
#include "kata-shim/vm/sandbox/vm.h"

#define ROOTFS_MAX 16 /* mounts; containerd gives one */
#define SEALED_VOLUMES "/run/holdfast/vol"

/* ── What it has in the share ── */

void container_unshare(struct vm_container *container)
{
	struct share *share = container->vm->host.share;
	struct error ignored;

	while (container->n_shares > 0) {
		_cleanup_free_ char *name = container->shares[--container->n_shares];

		if (share)
			(void)!share_remove(share, name, &ignored);
	}
	free(TAKE_PTR(container->shares));
	container->shares_capacity = 0;
	if (container->mounted && share)
		(void)!share_remove(share, container->id, &ignored);
	container->mounted = false;
}

/* The name is kept first, so that nothing is in the share that nobody would take away. */
static int bind_source(struct vm_container *container, const struct plan_source *source, struct error *err)
{
	unsigned flags = (source->readonly ? SHARE_READ_ONLY : 0) | (source->recursive ? SHARE_RECURSIVE : 0);

	if (!array_room((void **)&container->shares, container->n_shares, &container->shares_capacity, sizeof(char *)))
		return error_nomem(err);
	char *name = strdup(source->name);
	if (!name)
		return error_nomem(err);
	container->shares[container->n_shares++] = name;
	return share_bind(container->vm->host.share, name, source->host, flags, err);
}

static int mount_root(struct vm_container *container, const char *bundle, const struct vm_rootfs *rootfs, size_t n, struct error *err)
{
	struct share_mount mounts[ROOTFS_MAX];
	char directory[PATH_MAX];

	if (n > ROOTFS_MAX)
		return error_set(err, E2BIG, "the root of container %s is made of %zu mounts, and can be of %d", container->id, n,
				 ROOTFS_MAX);
	for (size_t i = 0; i < n; i++)
		mounts[i] =
			(struct share_mount){ rootfs[i].type, rootfs[i].source, rootfs[i].target, rootfs[i].options, rootfs[i].n_options };
	snprintf(directory, sizeof(directory), "%s/rootfs", bundle);
	int r = share_rootfs(container->vm->host.share, container->id, mounts, n, directory, err);
	container->mounted = r == 0;
	return r;
}

/* ── Sources ── */

static int bring(struct vm_container *container, struct plan *plan, struct plan_source *source, struct error *err)
{
	struct plan_seen seen;
	int r = 0;

	if (source->way == PLAN_OPEN) {
		r = container_look(container, source, &seen, err);
		if (r == 0)
			r = plan_settle(plan, source, &seen, err);
	}
	if (r == 0 && source->way == PLAN_COPIED) {
		r = container_copy(container, source->host, source->guest, err);
		if (r == -E2BIG)
			r = plan_share_instead(plan, source, err);
	}
	if (r == 0 && source->way == PLAN_SHARED)
		r = bind_source(container, source, err);
	/* Node agents ask for it and can do without; whoever looks for what is missing finds this. */
	if (r == 0 && source->way == PLAN_SHARED && source->follows)
		log_warn("mountPropagation: HostToContainer: mounts made later on the host are not seen in a VM", "container",
			 container->id, "volume", source->host, "at", source->destination);
	return r < 0 ? error_wrap(err, "mount of %s at %s", source->host, source->destination) : 0;
}

static_assert(PLAN_ID_MAX + 1 == IDS_IN_A_POD, "no container may have an id that its pod has not");

int container_prepare(struct vm_container *container, const char *bundle, const struct vm_rootfs *rootfs, size_t n_rootfs,
		      struct plan *plan, struct error *err)
{
	_cleanup_(buf_free) struct buf config = BUF_MAX(SPEC_BYTES_MAX);
	const struct plan_question question = { container->id, &container->vm->sandbox, SEALED_VOLUMES };
	_cleanup_close_ int fd = -1;

	int r = bundle_open(bundle, &fd, err);
	if (r == 0)
		r = bundle_read_file(fd, "config.json", false, &config, err);
	if (r == 0)
		r = plan_make(buf_view(&config), &question, plan, err);
	if (r == 0)
		r = host_raise_oom_score(&container->vm->host, vm_pid(container->vm), (int)plan->spec->process->oom_score_adj, err);
	if (r == 0)
		r = mount_root(container, bundle, rootfs, n_rootfs, err);
	if (r == 0)
		r = cpus_take(container, plan->cpus, err);
	if (r == 0)
		limits_take(&container->limits, plan->spec->linux_->resources);
	for (size_t i = 0; r == 0 && i < plan->n_sources; i++)
		r = bring(container, plan, &plan->sources[i], err);
	return r;
}

/* ── The guest ── */

void container_ask(struct vm_container *container, const struct plan *plan, struct agent_call *call, agent_done *done)
{
	Agent__CreateContainerRequest request = AGENT__CREATE_CONTAINER_REQUEST__INIT;
	_cleanup_free_ Agent__Storage **storages = calloc(2 * plan->n_sources + 1, sizeof(*storages));

	for (size_t i = 0; storages && i < plan->n_sources; i++) {
		if (plan->sources[i].way == PLAN_MEMORY)
			storages[request.n_storages++] = plan->sources[i].storage;
		if (plan->sources[i].sub_path)
			storages[request.n_storages++] = plan->sources[i].sub_path;
	}
	request.container_id = request.exec_id = container->id;
	request.storages = storages;
	request.oci = plan->spec;
	request.sandbox_pidns = plan->shares_processes;
	agent_call(container->vm->agent, call, AGENT_CREATE_CONTAINER, &request, done);
}

/* ── Its life ── */

void container_free(struct vm_container *container)
{
	if (!container)
		return;
	while (container->execs) {
		struct vm_process *process = container->execs;

		container->execs = process->next;
		process_clear(process);
		free(process);
	}
	process_clear(&container->first);
	container_free_copies(container);
	container_unshare(container);
	if (container->plan)
		plan_clear(container->plan);
	free(container->plan);
	free(container->cpus);
	free(container);
}

struct vm_container *container_new(struct vm *vm, const char *id)
{
	struct vm_container *container = calloc(1, sizeof(*container));

	if (!container)
		return NULL;
	container->vm = vm;
	container->first.container = container;
	container->first.wait.context = &container->first;
	memcpy(container->id, id, strlen(id) + 1);
	return container;
}

static void unlink_container(struct vm_container *container)
{
	struct vm_container **at = &container->vm->containers;

	while (*at && *at != container)
		at = &(*at)->next;
	if (*at)
		*at = container->next;
}

/* ── vm_create ── */

static void end(struct op *op, const struct error *err)
{
	struct vm_container *container = op->container;

	container->creating = false;
	if (container->plan)
		plan_clear(container->plan);
	free(TAKE_PTR(container->plan));
	if (err) {
		unlink_container(container);
		container_free(container);
		cpus_follow(op->vm);
	} else {
		container->in_guest = true;
	}
	op_end_later(op, err);
}

static void on_created(struct agent_call *call, const struct error *err, const void *answer)
{
	end(call->context, err);
}

static void ask(struct op *op)
{
	container_ask(op->container, op->container->plan, &op->call, on_created);
}

static void ask_with_pause(struct op *op)
{
	if (op->container->plan->shares_processes)
		pause_need(op->vm, op, ask, end);
	else
		ask(op);
}

/*
 * A path of another's namespace of processes is the pod's, if all have one. Else it is a single container's (kubectl debug --target), which
 * the agent's protocol has no word for.
 */
static int check_processes(struct vm_container *container, struct error *err)
{
	const struct vm *vm = container->vm;

	container->shares_processes = container->plan->shares_processes;
	for (const struct vm_container *other = vm->containers; other && container->shares_processes; other = other->next) {
		if (other != container && !other->shares_processes && !vm_is_own(vm, other->id))
			return error_set(
				err, EOPNOTSUPP,
				"container %s is to see the processes of another one, and those of this pod, as %s, are apart in the VM: "
				"leave out --target of kubectl debug, or set shareProcessNamespace: true in the pod",
				container->id, other->id);
	}
	return 0;
}

static int prepare(struct vm_container *container, const char *bundle, const struct vm_rootfs *rootfs, size_t n_rootfs,
		   const struct vm_stdio *stdio, struct error *err)
{
	if (vm_is_own(container->vm, container->id) && container->vm->sandbox.pod.kind != SPEC_ALONE)
		return pause_keep(container->vm, rootfs, n_rootfs, err);
	container->plan = calloc(1, sizeof(*container->plan));
	if (!container->plan)
		return error_nomem(err);
	int r = stdio_open(container->vm->loop, stdio, &container->first.stdio, err);
	if (r == 0)
		r = container_prepare(container, bundle, rootfs, n_rootfs, container->plan, err);
	return r < 0 ? r : check_processes(container, err);
}

static int add_container(struct vm *vm, const char *id, struct vm_container **ret, struct error *err)
{
	struct vm_container *container;
	struct error ignored;

	int r = vm_check(vm, err);
	if (r == 0)
		r = spec_check_id("container", id, err);
	if (r < 0)
		return r;
	if (vm_find_container(vm, id, &container, &ignored) == 0)
		return error_set(err, EEXIST, "the VM has a container %s already", id);
	container = container_new(vm, id);
	if (!container)
		return error_nomem(err);
	container->next = vm->containers;
	vm->containers = container;
	*ret = container;
	return 0;
}

void vm_create(struct vm *vm, const char *id, const char *bundle, const struct vm_rootfs *rootfs, size_t n_rootfs,
	       const struct vm_stdio *stdio, vm_done *done, void *context)
{
	struct vm_container *container;
	struct error err;
	struct op *op;

	int r = add_container(vm, id, &container, &err);
	if (r < 0) {
		op_answer(vm, done, context, &err);
		return;
	}
	r = prepare(container, bundle, rootfs, n_rootfs, stdio, &err);
	op = op_new(vm, done, context);
	if (r < 0 || !op) {
		unlink_container(container);
		container_free(container);
		cpus_follow(vm);
		if (op)
			op_end_later(op, &err);
		return;
	}
	op->container = container;
	container->creating = container->plan != NULL;
	if (!container->plan)
		op_end_later(op, NULL);
	else
		container_await_copies(container, op, ask_with_pause, end);
}
