// SPDX-License-Identifier: Apache-2.0
/*
 *	host_make ─→ vmm_start ─→ ready ─→ Check ─→ UpdateInterface … ─→ UpdateRoutes ─→ AddARPNeighbors ─→ CreateSandbox
 *
 * The network comes before the sandbox, as Kata's runtime does it. The first Check is sent when the guest has just begun to boot and waits
 *in the channel until the agent reads it, so that nothing is polled for.
 */
#include <assert.h>
#include <stdio.h>

#include "common/base/log.h"
#include "kata-shim/vm/sandbox/vm.h"

static void note_phase(struct vm *vm, enum vm_phase phase)
{
	vm->phases[phase] = uv_hrtime();
}

static uint64_t microseconds(const struct vm *vm, enum vm_phase phase)
{
	return (vm->phases[phase] - vm->phases[phase - 1]) / 1000;
}

void vm_boot_times(const struct vm *vm, struct vm_times *ret)
{
	*ret = (struct vm_times){
		.host = microseconds(vm, PHASE_HOST),
		.spawn = microseconds(vm, PHASE_VMM),
		.qemu = microseconds(vm, PHASE_READY),
		.guest = microseconds(vm, PHASE_GUEST),
		.network = microseconds(vm, PHASE_NETWORK),
		.sandbox = microseconds(vm, PHASE_SANDBOX),
	};
}

/* ── The end of booting ── */

/* The pod has all else without it. */
static void open_forwards(struct vm *vm)
{
	struct loopback *loopback = &vm->host.net->loopback;
	struct error err;

	if (loopback->listener >= 0 && forwards_open(vm->loop, vm->agent, TAKE_FD(loopback->listener), TAKE_FD(loopback->steering),
						     &vm->forwards, &err) < 0)
		log_warn("kubectl port-forward does not reach this pod", "error", err.message);
}

void boot_end(struct vm *vm, const struct error *err)
{
	struct op *op = TAKE_PTR(vm->booting);
	struct error why, undoing;

	net_messages_free(TAKE_PTR(vm->network));
	if (!err) {
		vm->state = VM_RUNS;
		note_phase(vm, PHASE_SANDBOX);
		health_start(vm);
		open_forwards(vm);
		op_end(op, NULL);
		return;
	}
	why = *err;
	vm->why = why;
	vm->state = VM_FAILED;
	agent_cancel(&op->call);
	if (vm_take_down(vm, &undoing) < 0)
		log_warn("not all of a VM that did not boot could be undone", "sandbox", vm->id, "error", undoing.message);
	error_wrap(&why, "the VM of sandbox %s does not boot", vm->id);
	op_end_later(op, &why);
}

/* An agent whose connection is lost has taken QEMU along, or will: its reason is better. */
static bool has_failed(struct vm *vm, const struct error *err)
{
	if (!err)
		return false;
	if (err->code == ECONNRESET)
		health_suspect(vm, err);
	else
		boot_end(vm, err);
	return true;
}

/* ── The guest ── */

static void on_sandbox(struct agent_call *call, const struct error *err, const void *answer)
{
	struct vm *vm = ((struct op *)call->context)->vm;

	if (!has_failed(vm, err))
		boot_end(vm, NULL);
}

/* Containers have their resolv.conf from containerd, as a mount; so the guest itself needs no DNS. */
static void create_sandbox(struct vm *vm)
{
	static char *shm_options[] = { (char *)"noexec", (char *)"nosuid", (char *)"nodev", (char *)"mode=1777", (char *)"size=67108864" };
	Agent__CreateSandboxRequest request = AGENT__CREATE_SANDBOX_REQUEST__INIT;
	Agent__Storage share = AGENT__STORAGE__INIT, shm = AGENT__STORAGE__INIT;
	Agent__Storage *storages[] = { &share, &shm };

	share.driver = (char *)"virtio-fs";
	share.source = (char *)"kataShared";
	share.fstype = (char *)"virtiofs";
	share.mount_point = (char *)PLAN_GUEST_SHARED "/";
	shm.driver = (char *)"ephemeral";
	shm.source = (char *)"shm";
	shm.fstype = (char *)"tmpfs";
	shm.mount_point = (char *)PLAN_GUEST_SHM;
	shm.options = shm_options;
	shm.n_options = sizeof(shm_options) / sizeof(shm_options[0]);
	request.hostname = (char *)vm->sandbox.hostname;
	request.sandbox_id = vm->id;
	request.storages = storages;
	request.n_storages = 2;
	agent_call(vm->agent, &vm->booting->call, AGENT_CREATE_SANDBOX, &request, on_sandbox);
}

/* ── The network ── */

static void on_neighbours(struct agent_call *call, const struct error *err, const void *answer)
{
	struct vm *vm = ((struct op *)call->context)->vm;

	if (has_failed(vm, err))
		return;
	note_phase(vm, PHASE_NETWORK);
	create_sandbox(vm);
}

static void on_routes(struct agent_call *call, const struct error *err, const void *answer)
{
	struct vm *vm = ((struct op *)call->context)->vm;
	Agent__AddARPNeighborsRequest request = AGENT__ADD_ARPNEIGHBORS_REQUEST__INIT;

	if (has_failed(vm, err))
		return;
	request.neighbors = &vm->network->neighbours;
	if (vm->network->neighbours.n_arp_neighbors > 0)
		agent_call(vm->agent, call, AGENT_ADD_ARP_NEIGHBORS, &request, on_neighbours);
	else
		on_neighbours(call, NULL, NULL);
}

static void update_routes(struct vm *vm)
{
	Agent__UpdateRoutesRequest request = AGENT__UPDATE_ROUTES_REQUEST__INIT;

	request.routes = &vm->network->routes;
	if (vm->network->routes.n_routes > 0)
		agent_call(vm->agent, &vm->booting->call, AGENT_UPDATE_ROUTES, &request, on_routes);
	else
		on_routes(&vm->booting->call, NULL, NULL);
}

static void update_interface(struct vm *vm);

static void on_interface(struct agent_call *call, const struct error *err, const void *answer)
{
	struct vm *vm = ((struct op *)call->context)->vm;

	if (!has_failed(vm, err))
		update_interface(vm);
}

static void update_interface(struct vm *vm)
{
	Agent__UpdateInterfaceRequest request = AGENT__UPDATE_INTERFACE_REQUEST__INIT;

	if (vm->next_interface == vm->network->n_interfaces) {
		update_routes(vm);
		return;
	}
	request.interface = vm->network->interfaces[vm->next_interface++];
	agent_call(vm->agent, &vm->booting->call, AGENT_UPDATE_INTERFACE, &request, on_interface);
}

/* ── The agent ── */

static void on_first_answer(struct agent_call *call, const struct error *err, const void *answer)
{
	struct vm *vm = ((struct op *)call->context)->vm;
	struct error why;

	if (err && err->code == ETIMEDOUT) {
		error_set(&why, ETIMEDOUT, "its guest's agent has not answered within %llu s (sandbox.vm.bootTimeout)",
			  (unsigned long long)vm->settings->boot_timeout_ms / 1000);
		vmm_add_console(vm->vmm, &why);
		err = &why;
	}
	if (has_failed(vm, err))
		return;
	note_phase(vm, PHASE_GUEST);
	vmm_note_guest(vm->vmm);
	health_tell_time(vm);
	int r = net_messages_new(&vm->host.net->network, &vm->network, &why);
	if (r < 0)
		boot_end(vm, &why);
	else
		update_interface(vm);
}

static void on_ready(void *context, int channel)
{
	struct vm *vm = context;
	const Agent__CheckRequest request = AGENT__CHECK_REQUEST__INIT;
	struct error err;

	note_phase(vm, PHASE_READY);
	if (agent_open(vm->loop, channel, &vm->agent, &err) < 0)
		boot_end(vm, &err);
	else
		agent_call_within(vm->agent, &vm->booting->call, AGENT_CHECK, &request, vm->settings->boot_timeout_ms, on_first_answer);
}

/* ── QEMU ── */

static void on_gone(void *context, const struct error *why)
{
	vm_lose(context, why);
}

static const struct vmm_listener vmm_listener = { on_ready, on_gone };

#define MAC_TEXT_MAX 18
static size_t list_taps(const struct net *net, char macs[static NETWORK_LINKS_MAX][MAC_TEXT_MAX], struct vmm_tap *ret)
{
	for (size_t i = 0; i < net->network.n_links; i++) {
		const uint8_t *mac = net->network.links[i].mac;

		snprintf(macs[i], MAC_TEXT_MAX, "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3], mac[4], mac[5]);
		ret[i] = (struct vmm_tap){ net->taps[i], macs[i] };
	}
	return net->network.n_links;
}

static int start_vmm(struct vm *vm, struct error *err)
{
	char macs[NETWORK_LINKS_MAX][MAC_TEXT_MAX];
	struct vmm_tap taps[NETWORK_LINKS_MAX];
	const struct vmm_options options = {
		.id = vm->id,
		.settings = vm->settings,
		.size = vm->size,
		.taps = taps,
		.n_taps = list_taps(vm->host.net, macs, taps),
		.share = vm->host.share_connection,
		.spawn = host_spawn_vmm,
		.spawn_context = &vm->host,
	};
	int r = vmm_start(vm->loop, &options, &vmm_listener, vm, &vm->vmm, err);

	host_release(&vm->host);
	return r;
}

/* ── Its beginning ── */

void vm_open_handles(struct vm *vm)
{
	uv_idle_init(vm->loop, &vm->idle);
	uv_timer_init(vm->loop, &vm->health);
	uv_timer_init(vm->loop, &vm->patience);
	uv_timer_init(vm->loop, &vm->oom_pause);
	vm->idle.data = vm->health.data = vm->patience.data = vm->oom_pause.data = vm;
	vm->check.context = vm->oom.context = vm->pause_call.context = vm;
	vm->n_handles = 4;
}

static int begin(struct vm *vm, struct error *err)
{
	note_phase(vm, PHASE_BEGIN);
	int r = host_make(&vm->host, vm->id, vm->settings, &vm->sandbox, err);
	note_phase(vm, PHASE_HOST);
	if (r == 0)
		r = start_vmm(vm, err);
	note_phase(vm, PHASE_VMM);
	if (r == 0)
		r = health_watch_virtiofsd(vm, err);
	return r == 0 && vm->listener->started ? vm->listener->started(vm->context, err) : r;
}

void vm_boot(struct vm *vm, vm_done *done, void *context)
{
	struct error err;

	assert(vm->state == VM_NEW);
	struct op *op = op_new(vm, done, context);
	if (!op)
		return;
	vm_open_handles(vm);
	vm->state = VM_BOOTING;
	vm->booting = op;
	if (begin(vm, &err) < 0)
		boot_end(vm, &err);
}
