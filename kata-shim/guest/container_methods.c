// SPDX-License-Identifier: Apache-2.0
#include <errno.h>

#include "common/base/array.h"
#include "kata-shim/guest/cgroup.h"
#include "kata-shim/guest/container.h"
#include "kata-shim/guest/crun_config.h"
#include "kata-shim/guest/oom.h"
#include "kata-shim/guest/stats.h"
#include "kata-shim/guest/storage.h"
#include "kata-shim/guest/sysctl.h"

static struct containers *containers_of(void *agent)
{
	return ((struct agent *)agent)->containers;
}

static void fail(struct ttrpc_call *call, int r, const struct error *err)
{
	if (r < 0)
		ttrpc_call_fail(call, err);
}

/* ── CreateContainer ── */

/* crun has it, or has left something of it. */
static void on_created(void *context, int r, pid_t pid, const struct error *crun_err)
{
	struct container *container = context;
	struct error err = *crun_err;

	container->crun = NULL;
	sub_paths_clear(&container->sub_paths);
	if (r == 0)
		container_hold_mounts(container, pid);
	if (r == 0)
		r = process_settle(container->first, pid, &err);
	if (r == 0 && container->state == CONTAINER_REMOVING)
		r = error_set(&err, ECANCELED, "it was removed while it was created");
	if (r < 0) {
		error_wrap(&err, "container %s", container->id);
		container->failure = err;
		container_remove(container);
		return;
	}
	container->state = CONTAINER_CREATED;
	oom_watch(container);
	agent_answer_empty(TAKE_PTR(container->call), 0, NULL);
}

struct pids_path {
	char text[32];
};

/* The first container whose processes are shared has the namespace that the others join: containerd's pause. */
static int choose_pids(struct container *container, struct pids_path *ret, struct error *err)
{
	struct containers *all = container->all;

	ret->text[0] = 0;
	if (!all->pids_holder) {
		all->pids_holder = container;
		return 0;
	}
	const struct process *holder = all->pids_holder->first;
	if (!holder || holder->state != PROCESS_RUNNING)
		return error_set(err, ESTALE, "container %s, whose processes it is to share, %s", all->pids_holder->id,
				 container_state_words(all->pids_holder));
	container->joins_pids = true;
	snprintf(ret->text, sizeof(ret->text), "/proc/%d/ns/pid", (int)holder->pid);
	return 0;
}

static int write_config(const struct container *container, const struct pids_path *pids, const Oci__Spec *spec, struct buf *out,
			struct error *err)
{
	char cgroup[132];
	const struct crun_world world = {
		.cgroup = cgroup,
		.ipc = GUEST_NS_IPC,
		.uts = GUEST_NS_UTS,
		.pids = pids->text[0] ? pids->text : NULL,
		.any_device = !container->all->agent->init,
	};

	snprintf(cgroup, sizeof(cgroup), "/%s", container->id);
	int r = crun_write_config(spec, &world, out, err);
	return r < 0 ? r : buf_check(out, "crun's configuration", err);
}

static int prepare(struct container *container, const Agent__CreateContainerRequest *message, struct buf *config, struct error *err)
{
	struct pids_path pids = { "" };

	if (message->exec_id[0] && strcmp(message->exec_id, message->container_id) != 0)
		return error_set(err, EINVAL, "exec_id has to be the container's id");
	int r = message->sandbox_pidns ? choose_pids(container, &pids, err) : 0;
	if (r == 0)
		r = write_config(container, &pids, message->oci, config, err);
	if (r == 0)
		r = sysctl_set_all(message->oci->linux_->sysctl, message->oci->linux_->n_sysctl, err);
	if (r == 0)
		r = storages_mount(message->storages, message->n_storages, &container->sub_paths, err);
	if (r == 0)
		r = process_new(container->all->agent, container, container->id, message->oci->process->terminal, &container->first, err);
	return r;
}

static int begin_create(struct container *container, const struct buf *config, struct ttrpc_call *call, struct error *err)
{
	const struct process_console console = process_console(container->first);
	const bool terminal = container->first->terminal;
	const char *const args[] = { "create",
				     "--bundle=" GUEST_STATE,
				     "--config=" CRUN_INPUT,
				     "--pid-file=" CRUN_PID_FILE,
				     terminal ? "--console-socket" : container->id,
				     terminal ? console.path : NULL,
				     container->id,
				     NULL };
	const struct crun_command command = { args, buf_view(config), process_stdio(container->first) };

	return container_command(container, &command, on_created, call, err);
}

static int create(struct agent *agent, const Agent__CreateContainerRequest *message, struct ttrpc_call *call, struct error *err)
{
	_cleanup_(buf_free) struct buf config = BUF_MAX(CRUN_JSON_MAX);
	struct container *container;

	if (!agent->sandbox.made)
		return error_set(err, ESTALE, "container %s: there is no sandbox; CreateSandbox comes first", message->container_id);
	int r = container_new(agent->containers, message->container_id, &container, err);
	if (r < 0)
		return r;
	r = prepare(container, message, &config, err);
	if (r < 0)
		error_wrap(err, "container %s", container->id);
	else
		r = begin_create(container, &config, call, err);
	if (r < 0)
		container_free(container);
	return r;
}

static void handle_create(void *agent, struct ttrpc_call *call, struct slice request)
{
	_cleanup_(message_freep) Agent__CreateContainerRequest *message = NULL;
	struct error err;

	int r = message_read(&agent__create_container_request__descriptor, request, &message, &err);
	fail(call, r < 0 ? r : create(agent, message, call, &err), &err);
}

/* ── StartContainer ── */

static void on_started(void *context, int r, pid_t pid, const struct error *crun_err)
{
	struct container *container = context;
	struct error err = *crun_err;

	container->crun = NULL;
	if (container->state == CONTAINER_STARTING)
		container->state = r == 0 ? CONTAINER_RUNNING : CONTAINER_CREATED;
	if (r < 0)
		error_wrap(&err, "container %s", container->id);
	agent_answer_empty(TAKE_PTR(container->call), r, &err);
	if (container->state == CONTAINER_REMOVING)
		container_remove(container);
}

static int start(struct agent *agent, const char *id, struct ttrpc_call *call, struct error *err)
{
	struct container *container;

	int r = container_find(agent->containers, id, &container, err);
	if (r < 0)
		return r;
	const char *const args[] = { "start", container->id, NULL };
	const struct crun_command command = { .args = args };
	if (container->state != CONTAINER_CREATED)
		return error_set(err, ESTALE, "container %s cannot be started: it %s", id, container_state_words(container));
	r = container_command(container, &command, on_started, call, err);
	if (r == 0)
		container->state = CONTAINER_STARTING;
	return r;
}

static void handle_start(void *agent, struct ttrpc_call *call, struct slice request)
{
	_cleanup_(message_freep) Agent__StartContainerRequest *message = NULL;
	struct error err;

	int r = message_read(&agent__start_container_request__descriptor, request, &message, &err);
	fail(call, r < 0 ? r : start(agent, message->container_id, call, &err), &err);
}

/* ── PauseContainer, ResumeContainer, UpdateContainer ── */

static int order(struct agent *agent, const char *id, const char *verb, const char *option, struct slice input, struct ttrpc_call *call,
		 struct error *err)
{
	struct container *container;

	int r = container_find(agent->containers, id, &container, err);
	if (r < 0)
		return r;
	const char *const args[] = { verb, option ? option : container->id, option ? container->id : NULL, NULL };
	const struct crun_command command = { .args = args, .input = input };
	if (container->state == CONTAINER_CREATING || container->state == CONTAINER_STOPPED)
		return error_set(err, ESTALE, "container %s cannot do %s: it %s", id, verb, container_state_words(container));
	return container_command(container, &command, NULL, call, err);
}

static void handle_pause(void *agent, struct ttrpc_call *call, struct slice request)
{
	_cleanup_(message_freep) Agent__PauseContainerRequest *message = NULL;
	struct error err;

	int r = message_read(&agent__pause_container_request__descriptor, request, &message, &err);
	fail(call, r < 0 ? r : order(agent, message->container_id, "pause", NULL, slice_string(""), call, &err), &err);
}

static void handle_resume(void *agent, struct ttrpc_call *call, struct slice request)
{
	_cleanup_(message_freep) Agent__ResumeContainerRequest *message = NULL;
	struct error err;

	int r = message_read(&agent__resume_container_request__descriptor, request, &message, &err);
	fail(call, r < 0 ? r : order(agent, message->container_id, "resume", NULL, slice_string(""), call, &err), &err);
}

static void handle_update(void *agent, struct ttrpc_call *call, struct slice request)
{
	_cleanup_(message_freep) Agent__UpdateContainerRequest *message = NULL;
	_cleanup_(buf_free) struct buf resources = BUF_MAX(CRUN_JSON_MAX);
	struct error err;

	int r = message_read(&agent__update_container_request__descriptor, request, &message, &err);
	if (r == 0)
		r = crun_write_resources(message->resources, &resources, &err);
	if (r == 0)
		r = buf_check(&resources, "resources", &err);
	if (r == 0)
		r = order(agent, message->container_id, "update", "--resources=" CRUN_INPUT, buf_view(&resources), call, &err);
	fail(call, r, &err);
}

/* ── RemoveContainer ── */

static void on_removal_gone(void *context, struct ttrpc_call *call)
{
	struct container *container = context;

	container->removal = NULL;
	ttrpc_call_finish(call, RPC_CANCELLED, NULL);
}

static void on_removal_late(uv_timer_t *timer)
{
	struct container *container = timer->data;
	struct ttrpc_call *call = TAKE_PTR(container->removal);
	struct error err;

	if (!call)
		return;
	error_set(&err, ETIMEDOUT, "container %s: its processes were killed and have not ended yet; its first is %d of the guest",
		  container->id, container->first ? (int)container->first->pid : 0);
	ttrpc_call_fail(call, &err);
}

static int find_for_removal(struct containers *all, const char *id, struct container **ret, struct error *err)
{
	struct container *container = all->first;

	while (container && strcmp(container->id, id) != 0)
		container = container->next;
	if (!container || container->state != CONTAINER_REMOVING)
		return container_find(all, id, ret, err);
	if (container->removal)
		return error_set(err, EBUSY, "container %s is being removed already", id);
	*ret = container;
	return 0;
}

static void handle_remove(void *agent, struct ttrpc_call *call, struct slice request)
{
	_cleanup_(message_freep) Agent__RemoveContainerRequest *message = NULL;
	struct container *container;
	struct error err;

	int r = message_read(&agent__remove_container_request__descriptor, request, &message, &err);
	if (r == 0)
		r = find_for_removal(containers_of(agent), message->container_id, &container, &err);
	if (r < 0) {
		ttrpc_call_fail(call, &err);
		return;
	}
	container->removal = call;
	ttrpc_call_on_gone(call, on_removal_gone, container);
	if (message->timeout > 0)
		uv_timer_start(&container->timer, on_removal_late, (uint64_t)message->timeout * 1000, 0);
	container_remove(container);
}

static const struct ttrpc_method rows[] = {
	{ "CreateContainer", handle_create }, { "StartContainer", handle_start },   { "PauseContainer", handle_pause },
	{ "ResumeContainer", handle_resume }, { "UpdateContainer", handle_update }, { "RemoveContainer", handle_remove },
	{ "StatsContainer", stats_handle },   { "GetOOMEvent", oom_handle_get },
};
const struct method_rows container_methods = { rows, ELEMENTS_OF(rows) };
