// SPDX-License-Identifier: Apache-2.0
#include "kata-shim/guest/container.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>

#include "common/base/array.h"
#include "common/base/cleanup.h"
#include "common/base/file.h"
#include "common/base/log.h"
#include "common/base/show.h"
#include "kata-shim/guest/cgroup.h"
#include "kata-shim/guest/oom.h"
#include "kata-shim/guest/share_probe.h"

#define AGAIN_MS 100
#define TRIES_MAX 50
#define SETTLE_WAIT_MS 2000
#define END_WAIT_MS 2000 /* for all processes of all containers, at the sandbox's end */

/* ── The table ── */

static void on_closed(uv_handle_t *handle)
{
	struct container *container = handle->data;

	if (--container->handles == 0)
		free(container);
}

int container_new(struct containers *all, const char *id, struct container **ret, struct error *err)
{
	int r = agent_check_id("container_id", id, err);

	if (r < 0)
		return r;
	for (const struct container *other = all->first; other; other = other->next) {
		if (strcmp(other->id, id) == 0)
			return error_set(err, EEXIST, "container %s exists already; it %s", id, container_state_words(other));
	}
	if (all->n >= CONTAINERS_MAX)
		return error_set(err, ENOBUFS, "container %s: the pod has %d containers already", id, CONTAINERS_MAX);
	struct container *container = calloc(1, sizeof(*container));
	char *name = strdup(id);
	if (!container || !name) {
		free(container);
		free(name);
		return error_nomem(err);
	}
	*container = (struct container){ .all = all, .next = all->first, .id = name, .mounts = -1, .watch = -1 };
	uv_timer_init(all->agent->loop, &container->timer);
	uv_timer_init(all->agent->loop, &container->again);
	container->timer.data = container->again.data = container;
	container->handles = 2;
	all->first = container;
	all->n++;
	*ret = container;
	return 0;
}

static void take_out(struct container *container)
{
	struct container **at = &container->all->first;

	while (*at != container)
		at = &(*at)->next;
	*at = container->next;
	container->all->n--;
	if (container->all->pids_holder == container)
		container->all->pids_holder = NULL;
}

static void cancel(struct ttrpc_call *call, const struct container *container)
{
	struct error err;

	error_set(&err, ECANCELED, "container %s is gone", container->id);
	if (call)
		ttrpc_call_fail(call, &err);
}

static void free_exec(struct process *process)
{
	if (process->crun)
		crun_abandon(process->crun);
	cancel(process->making, process->container);
	process_free(process);
}

void container_free(struct container *container)
{
	take_out(container);
	oom_unwatch(container);
	for (struct process *exec = container->execs, *next; exec; exec = next) {
		next = exec->next;
		free_exec(exec);
	}
	process_free(container->first);
	if (container->crun)
		crun_abandon(container->crun);
	cancel(container->call, container);
	if (container->removal)
		agent_answer_empty(container->removal, 0, NULL);
	if (container->settling)
		children_forget(container->all->agent->children, container->settling);
	cleanup_close(&container->mounts);
	sub_paths_clear(&container->sub_paths);
	free(container->id);
	uv_close((uv_handle_t *)&container->timer, on_closed);
	uv_close((uv_handle_t *)&container->again, on_closed);
}

int container_find(struct containers *all, const char *id, struct container **ret, struct error *err)
{
	for (struct container *container = all->first; container; container = container->next) {
		if (strcmp(container->id, id) != 0)
			continue;
		if (container->state == CONTAINER_REMOVING)
			return error_set(err, ENOENT, "container %s is being removed", id);
		*ret = container;
		return 0;
	}
	return error_set(err, ENOENT, "there is no container \"%s\"", SHOW(slice_string(id)));
}

const char *container_state_words(const struct container *container)
{
	switch (container->state) {
	case CONTAINER_CREATING:
		return "is being created";
	case CONTAINER_CREATED:
		return "has not been started";
	case CONTAINER_STARTING:
		return "is being started";
	case CONTAINER_RUNNING:
		return "is running";
	case CONTAINER_STOPPED:
		return "has ended";
	case CONTAINER_REMOVING:
		return "is being removed";
	}
	return "";
}

/* ── Its processes ── */

static struct process *find_exec(const struct container *container, const char *id)
{
	struct process *exec = container->execs;

	while (exec && strcmp(exec->id, id) != 0)
		exec = exec->next;
	return exec;
}

int container_find_process(struct containers *all, const char *id, const char *exec_id, struct process **ret, struct error *err)
{
	struct container *container;

	int r = container_find(all, id, &container, err);
	if (r < 0)
		return r;
	struct process *process = strcmp(exec_id, id) == 0 ? container->first : find_exec(container, exec_id);
	if (!process)
		return error_set(err, ENOENT, "container %s has no process \"%s\"", id, SHOW(slice_string(exec_id)));
	*ret = process;
	return 0;
}

int container_add_exec(struct container *container, const char *exec_id, bool terminal, struct process **ret, struct error *err)
{
	int r = agent_check_id("exec_id", exec_id, err);

	if (r < 0)
		return error_wrap(err, "container %s", container->id);
	struct process *same = strcmp(exec_id, container->id) == 0 ? container->first : find_exec(container, exec_id);
	if (same && (!same->waited || same == container->first))
		return error_set(err, EEXIST, "container %s has a process %s already", container->id, exec_id);
	if (same)
		container_forget(container, same);
	if (container->n_execs >= CONTAINER_EXECS_MAX)
		return error_set(err, ENOBUFS, "container %s has %d executed processes that nobody has waited for", container->id,
				 CONTAINER_EXECS_MAX);
	struct process *process;
	r = process_new(container->all->agent, container, exec_id, terminal, &process, err);
	if (r < 0)
		return error_wrap(err, "container %s", container->id);
	process->next = container->execs;
	container->execs = process;
	container->n_execs++;
	*ret = process;
	return 0;
}

void container_forget(struct container *container, struct process *process)
{
	struct process **at = &container->execs;

	while (*at && *at != process)
		at = &(*at)->next;
	if (!*at)
		return;
	*at = process->next;
	container->n_execs--;
	free_exec(process);
}

/* ── Commands ── */

static void on_command_ended(void *context, int r, pid_t pid, const struct error *err)
{
	struct container *container = context;
	struct error told = *err;

	container->crun = NULL;
	if (r < 0)
		error_wrap(&told, "container %s", container->id);
	agent_answer_empty(TAKE_PTR(container->call), r, &told);
	if (container->state == CONTAINER_REMOVING)
		container_remove(container);
}

int container_command(struct container *container, const struct crun_command *command, crun_ended *ended, struct ttrpc_call *call,
		      struct error *err)
{
	if (container->crun)
		return error_set(err, ESTALE, "container %s: another call about it is not answered yet", container->id);
	struct crun_command timed = *command;
	timed.left_ms = call ? ttrpc_call_left_ms(call) : 0;
	int r = crun_start(container->all->agent, &timed, ended ? ended : on_command_ended, container, &container->crun, err);
	if (r < 0)
		return error_wrap(err, "container %s", container->id);
	container->call = call;
	return 0;
}

/* ── Its mounts ── */

void container_hold_mounts(struct container *container, pid_t pid)
{
	char path[32];

	snprintf(path, sizeof(path), "/proc/%d/ns/mnt", (int)pid);
	container->mounts = open(path, O_RDONLY | O_CLOEXEC);
	if (container->mounts < 0)
		log_warn("cannot hold a container's mounts", "container", container->id, "error", strerror(errno));
}

static void on_settled(void *context, pid_t pid, int status)
{
	struct container *container = context;

	container->settling = 0;
	container_free(container);
}

/* A share that hangs holds up nobody; the mounts stay held. */
static void on_unsettled(uv_timer_t *timer)
{
	struct container *container = timer->data;

	if (container->removal)
		agent_answer_empty(TAKE_PTR(container->removal), 0, NULL);
}

/* When none of its processes is left. */
static void let_go(struct container *container)
{
	if (container->mounts < 0 || !share_settle(container->all->agent, on_settled, container, &container->settling))
		container_free(container);
	else
		uv_timer_start(&container->again, on_unsettled, SETTLE_WAIT_MS, 0);
}

/* ── Its end ── */

static void kill_all(struct container *container)
{
	struct error err;

	if (cgroup_signal(container->id, SIGKILL, &err) < 0)
		log_warn("cannot kill a container", "container", container->id, "error", err.message);
	if (container->first && container->first->state == PROCESS_RUNNING)
		kill(container->first->pid, SIGKILL);
}

static void on_again(uv_timer_t *timer)
{
	container_remove(timer->data);
}

/*
 * Nobody tells of the end of a process that crun was killed before it told of: it is in the cgroup, has been killed, and needs a moment. The
 * next RemoveContainer tries again, too.
 */
static void fail_removal(struct container *container, struct error *err)
{
	if (container->tries++ < TRIES_MAX) {
		uv_timer_start(&container->again, on_again, AGAIN_MS, 0);
		return;
	}
	container->tries = 0;
	error_wrap(err, "container %s", container->id);
	if (container->removal)
		ttrpc_call_fail(TAKE_PTR(container->removal), err);
	else
		log_error("a container is left behind", "error", err->message);
}

static void on_deleted(void *context, int r, pid_t pid, const struct error *crun_err)
{
	struct container *container = context;
	struct error err = *crun_err;

	container->crun = NULL;
	if (r == 0)
		r = cgroup_remove(container->id, &err);
	if (container->failure.code)
		ttrpc_call_fail(TAKE_PTR(container->call), &container->failure);
	container->failure.code = 0;
	if (r < 0)
		fail_removal(container, &err);
	else
		let_go(container);
}

static bool is_busy(const struct container *container)
{
	if (container->crun || container->settling || (container->first && container->first->state == PROCESS_RUNNING))
		return true;
	for (const struct process *exec = container->execs; exec; exec = exec->next) {
		if (exec->crun)
			return true;
	}
	return false;
}

void container_remove(struct container *container)
{
	const char *const args[] = { "delete", "--force", container->id, NULL };
	const struct crun_command command = { .args = args };
	struct error err;

	if (container->state != CONTAINER_REMOVING) {
		container->state = CONTAINER_REMOVING;
		if (container->crun)
			crun_kill(container->crun);
		for (struct process *exec = container->execs; exec; exec = exec->next) {
			if (exec->crun)
				crun_kill(exec->crun);
		}
	}
	kill_all(container);
	if (is_busy(container))
		return;                            /* comes again when that has ended */
	struct ttrpc_call *call = container->call; /* of a container that could not be created */
	if (container_command(container, &command, on_deleted, call, &err) < 0)
		on_deleted(container, -err.code, 0, &err);
}

void container_process_ended(struct container *container, struct process *process)
{
	struct error err;

	oom_check(container);
	if (process != container->first)
		return;
	/* A container's own first process takes all others with it; among another's processes it does not. */
	if (container->joins_pids && cgroup_signal(container->id, SIGKILL, &err) < 0)
		log_warn("cannot kill a container", "container", container->id, "error", err.message);
	if (container->state == CONTAINER_REMOVING)
		container_remove(container);
	else
		container->state = CONTAINER_STOPPED;
}

/* ── All of them ── */

/* What a container gets that asks for nothing else: on a node it is containerd's, which is not limited. */
static void raise_limits(void)
{
	const struct rlimit files = { 1024 * 1024, 1024 * 1024 }, unlimited = { RLIM_INFINITY, RLIM_INFINITY };

	if (setrlimit(RLIMIT_NOFILE, &files) < 0 || setrlimit(RLIMIT_NPROC, &unlimited) < 0)
		log_warn("cannot raise the limits of processes", "error", strerror(errno));
}

int containers_new(struct agent *agent, struct containers **ret, struct error *err)
{
	struct containers *containers = calloc(1, sizeof(*containers));

	if (!containers)
		return error_nomem(err);
	containers->agent = agent;
	int r = oom_new(agent->loop, containers, &containers->oom, err);
	if (r < 0) {
		free(containers);
		return r;
	}
	if (agent->init)
		raise_limits();
	*ret = containers;
	return 0;
}

static bool is_populated(const char *id)
{
	_cleanup_(buf_free) struct buf events = BUF_MAX(CGROUP_FILE_MAX);
	struct error ignored;
	uint64_t populated;

	return cgroup_read(id, "cgroup.events", &events, &ignored) == 0 && cgroup_value(buf_view(&events), "populated", &populated) &&
	       populated;
}

/* The loop does not run any more: who is killed is waited for here, as long as that makes sense. */
static void end_processes(const struct container *container, int *left_ms)
{
	struct error err;

	while (is_populated(container->id) && *left_ms > 0) {
		poll(NULL, 0, 5);
		*left_ms -= 5;
	}
	if (cgroup_remove(container->id, &err) < 0)
		log_warn("a cgroup is left behind", "error", err.message);
}

static int remove_entry(const char *path, const struct stat *about, int flag, struct FTW *where)
{
	remove(path);
	return 0;
}

void containers_free(struct containers *containers)
{
	int left_ms = END_WAIT_MS;

	if (!containers)
		return;
	for (struct container *container = containers->first; container; container = container->next)
		kill_all(container);
	for (struct container *container = containers->first; container; container = container->next)
		end_processes(container, &left_ms);
	if (containers->first)
		share_settle_now();
	while (containers->first)
		container_free(containers->first);
	nftw(CRUN_ROOT, remove_entry, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
	oom_free(containers->oom);
	free(containers);
}
