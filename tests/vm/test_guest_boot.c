// SPDX-License-Identifier: Apache-2.0
/*
 * Our guest's image in the real QEMU, on a software CPU: its agent is asked through the virtio-serial port as the shim asks it. Needs root.
 */
#include "tests/unit/common/cmocka_all.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>

#include "common/base/array.h"
#include "common/proto/agent.pb-c.h"
#include "common/proto/message.h"
#include "common/rpc/ttrpc.h"
#include "tests/support/plain_spawn.h"
#include "tests/support/vm_environment.h"

#define PATIENCE_MS (60000 * vm_environment_slowness()) /* a software CPU on a busy machine */
#define MAC "02:00:00:00:00:0a"
#define RESIDENT_MAX_KIB 2048

static char ours[512], witnessed[64];

struct machine {
	struct vm_settings settings;
	uv_loop_t loop;
	uv_timer_t tick;
	struct vmm *vmm;
	struct ttrpc_client *client;
	unsigned ready, gone;
	char why[ERROR_MESSAGE_MAX];
	/* The last answer. */
	bool ended;
	enum rpc_status status;
	char words[512];
	struct buf answer;
};

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* ── A machine ── */

static void on_ready(void *context, int channel)
{
	struct machine *machine = context;
	struct error err;

	machine->ready++;
	if (ttrpc_client_open(&machine->loop, channel, &machine->client, &err) < 0)
		fail_msg("%s", err.message);
}

static void on_gone(void *context, const struct error *why)
{
	struct machine *machine = context;

	machine->gone++;
	snprintf(machine->why, sizeof(machine->why), "%s", why ? why->message : "");
}

static void on_tick(uv_timer_t *timer)
{
}

static void boot(struct machine *machine, const char *guest, const char *parameters, const struct vmm_tap *tap)
{
	static const struct vmm_listener listener = { on_ready, on_gone };
	struct error err;

	*machine = (struct machine){ .answer = BUF_MAX(TTRPC_MESSAGE_MAX) };
	machine->settings = (struct vm_settings){
		.accelerator = vm_environment_accelerator(), .machine = vm_environment_machine(), .guest = guest, .state = witnessed, .kernel_parameters = parameters, .boot_timeout_ms = PATIENCE_MS
	};
	const struct vmm_options options = { .id = "test",
					     .settings = &machine->settings,
					     .size = { 192, 192, 1, 2 },
					     .taps = tap,
					     .n_taps = tap ? 1 : 0,
					     .share = -1,
					     .spawn = plain_spawn };
	uv_loop_init(&machine->loop);
	uv_timer_init(&machine->loop, &machine->tick);
	uv_timer_start(&machine->tick, on_tick, 20, 20);
	if (vmm_start(&machine->loop, &options, &listener, machine, &machine->vmm, &err) < 0)
		fail_msg("%s", err.message);
	for (uint64_t end = now_ms() + PATIENCE_MS; !machine->ready && !machine->gone && now_ms() < end;)
		uv_run(&machine->loop, UV_RUN_ONCE);
	if (!machine->ready)
		fail_msg("QEMU is not ready: %s", machine->why);
}

static void wait_gone(struct machine *machine)
{
	for (uint64_t end = now_ms() + PATIENCE_MS; !machine->gone && now_ms() < end;)
		uv_run(&machine->loop, UV_RUN_ONCE);
	if (!machine->gone)
		fail_msg("the machine is still there");
}

static void clear(struct machine *machine)
{
	ttrpc_client_close(machine->client);
	vmm_free(machine->vmm);
	uv_close((uv_handle_t *)&machine->tick, NULL);
	assert_int_equal(uv_run(&machine->loop, UV_RUN_DEFAULT), 0);
	assert_int_equal(uv_loop_close(&machine->loop), 0);
	buf_free(&machine->answer);
}

static void expect_end(struct machine *machine, const char *words)
{
	wait_gone(machine);
	if (!strstr(machine->why, words))
		fail_msg("\"%s\" is not in: %s", words, machine->why);
	clear(machine);
}

/* ── Its agent ── */

static void on_message(void *context, struct slice message)
{
	struct machine *machine = context;

	buf_slice(&machine->answer, message);
}

static void on_end(void *context, enum rpc_status status, const char *words)
{
	struct machine *machine = context;

	machine->ended = true;
	machine->status = status;
	snprintf(machine->words, sizeof(machine->words), "%s", words);
}

static void ask(struct machine *machine, const char *service, const char *method, const ProtobufCMessage *message)
{
	const struct ttrpc_receiver receiver = { on_message, on_end, machine };
	_cleanup_(buf_free) struct buf bytes = BUF_MAX(TTRPC_MESSAGE_MAX);
	struct ttrpc_client_call *call;
	struct error err;

	message_write(message, &bytes);
	buf_clear(&machine->answer);
	machine->ended = false;
	const struct ttrpc_request request = {
		.service = service, .method = method, .message = buf_view(&bytes), .timeout_ms = PATIENCE_MS
	};
	if (ttrpc_client_call(machine->client, &request, &receiver, &call, &err) < 0)
		fail_msg("%s: %s", method, err.message);
	while (!machine->ended)
		uv_run(&machine->loop, UV_RUN_ONCE);
	if (machine->status != RPC_OK && machine->gone)
		fail_msg("%s: %s", method, machine->why);
}

static void expect_ok(struct machine *machine, const char *service, const char *method, const ProtobufCMessage *message)
{
	ask(machine, service, method, message);
	if (machine->status != RPC_OK)
		fail_msg("%s: %s %s", method, rpc_status_name(machine->status), machine->words);
}

static void check(struct machine *machine)
{
	_cleanup_(message_freep) Agent__HealthCheckResponse *answer = NULL;
	Agent__CheckRequest request = AGENT__CHECK_REQUEST__INIT;
	struct error err;

	expect_ok(machine, "grpc.Health", "Check", &request.base);
	assert_int_equal(message_read(&agent__health_check_response__descriptor, buf_view(&machine->answer), &answer, &err), 0);
	assert_int_equal(answer->status, AGENT__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVING);
}

static void update_interface(struct machine *machine, const char *mac)
{
	Agent__IPAddress address = AGENT__IPADDRESS__INIT, *at = &address;
	Agent__Interface interface = AGENT__INTERFACE__INIT;
	Agent__UpdateInterfaceRequest request = AGENT__UPDATE_INTERFACE_REQUEST__INIT;

	address.address = (char *)"10.0.0.5";
	address.mask = (char *)"24";
	interface.name = interface.device = (char *)"pod0";
	interface.hw_addr = (char *)mac;
	interface.mtu = 1400;
	interface.ip_addresses = &at;
	interface.n_ip_addresses = 1;
	request.interface = &interface;
	ask(machine, "grpc.AgentService", "UpdateInterface", &request.base);
}

static void update_routes(struct machine *machine)
{
	Agent__Route route = AGENT__ROUTE__INIT, *at = &route;
	Agent__Routes routes = AGENT__ROUTES__INIT;
	Agent__UpdateRoutesRequest request = AGENT__UPDATE_ROUTES_REQUEST__INIT;

	route.gateway = (char *)"10.0.0.1";
	route.device = (char *)"pod0";
	routes.routes = &at;
	routes.n_routes = 1;
	request.routes = &routes;
	expect_ok(machine, "grpc.AgentService", "UpdateRoutes", &request.base);
}

static void create_sandbox(struct machine *machine)
{
	static char *options[] = { (char *)"noexec", (char *)"nosuid", (char *)"nodev", (char *)"mode=1777", (char *)"size=65536k" };
	static char *dns[] = { (char *)"nameserver 10.96.0.10" };
	Agent__Storage shm = AGENT__STORAGE__INIT, *at = &shm;
	Agent__CreateSandboxRequest request = AGENT__CREATE_SANDBOX_REQUEST__INIT;

	shm.driver = (char *)"ephemeral";
	shm.source = (char *)"shm";
	shm.fstype = (char *)"tmpfs";
	shm.options = options;
	shm.n_options = ELEMENTS_OF(options);
	shm.mount_point = (char *)"/run/kata-containers/sandbox/shm";
	request.hostname = (char *)"pod-1";
	request.sandbox_id = (char *)"sandbox-1";
	request.dns = dns;
	request.n_dns = 1;
	request.storages = &at;
	request.n_storages = 1;
	expect_ok(machine, "grpc.AgentService", "CreateSandbox", &request.base);
}

/* A message as large as they come. */
static void copy_large_file(struct machine *machine)
{
	static uint8_t content[4000 * 1000];
	Agent__CopyFileRequest request = AGENT__COPY_FILE_REQUEST__INIT;

	request.path = (char *)"/run/kata-containers/shared/containers/copies/large";
	request.file_mode = 0100644;
	request.file_size = sizeof(content);
	request.data = (ProtobufCBinaryData){ sizeof(content), content };
	expect_ok(machine, "grpc.AgentService", "CopyFile", &request.base);
}

static void end_sandbox(struct machine *machine)
{
	Agent__Empty empty = AGENT__EMPTY__INIT;

	expect_ok(machine, "grpc.AgentService", "DestroySandbox", &empty.base);
	expect_end(machine, "the guest has switched itself off");
}

/* In a network namespace of this program's own. */
static int open_tap(void)
{
	struct ifreq request = { .ifr_name = "tap0", .ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR };
	int fd = unshare(CLONE_NEWNET) < 0 ? -1 : open("/dev/net/tun", O_RDWR | O_CLOEXEC);

	if (fd < 0 || ioctl(fd, TUNSETIFF, &request) < 0)
		fail_msg("cannot make a tap: %s", strerror(errno));
	assert_int_equal(system("ip link set tap0 up && ip addr add 10.0.0.1/24 dev tap0"), 0);
	return fd;
}

/* ── What is promised ── */

static void a_guest_boots_is_set_up_answers_a_ping_and_is_switched_off(void **state)
{
	_cleanup_close_ int fd = open_tap();
	const struct vmm_tap tap = { fd, MAC };
	struct machine machine;

	boot(&machine, ours, NULL, &tap);
	check(&machine);
	update_interface(&machine, "02:00:00:00:00:ff");
	assert_int_equal(machine.status, RPC_UNKNOWN);
	assert_non_null(
		strstr(machine.words, "interface \"pod0\": the guest has no network card with the address 02:00:00:00:00:ff; there are:"));
	update_interface(&machine, MAC);
	if (machine.status != RPC_OK)
		fail_msg("UpdateInterface: %s", machine.words);
	update_routes(&machine);
	create_sandbox(&machine);
	assert_int_equal(system("ping -c 1 -W 10 10.0.0.5 >/dev/null"), 0);
	end_sandbox(&machine);
}

static void a_guest_says_what_it_is_and_switches_its_cpus_on(void **state)
{
	Agent__GuestDetailsRequest ask_details = AGENT__GUEST_DETAILS_REQUEST__INIT;
	Agent__OnlineCPUMemRequest online = AGENT__ONLINE_CPUMEM_REQUEST__INIT;
	_cleanup_(message_freep) Agent__GuestDetailsResponse *details = NULL;
	struct machine machine;
	struct error err;

	boot(&machine, ours, NULL, NULL);
	ask_details.mem_block_size = true;
	expect_ok(&machine, "grpc.AgentService", "GetGuestDetails", &ask_details.base);
	assert_int_equal(message_read(&agent__guest_details_response__descriptor, buf_view(&machine.answer), &details, &err), 0);
	assert_true(details->agent_details->init_daemon);
	assert_true(details->agent_details->supports_seccomp);
	assert_int_equal(details->mem_block_size_bytes, 128 * 1024 * 1024);
	online.nb_cpus = 2;
	online.cpu_only = true;
	expect_ok(&machine, "grpc.AgentService", "OnlineCPUMem", &online.base);
	expect_ok(&machine, "grpc.AgentService", "OnlineCPUMem", &online.base); /* they are */
	online.nb_cpus = 3;
	ask(&machine, "grpc.AgentService", "OnlineCPUMem", &online.base);
	assert_string_equal(machine.words, "the guest has 2 CPUs, and 3 are to be on");
	end_sandbox(&machine);
}

/* Who would connect is not to be had without /dev/vhost-vsock: that it listens is. */
static void a_guest_listens_on_vsock_if_it_is_told_to(void **state)
{
	struct error console = {};
	struct machine machine;

	boot(&machine, ours, "holdfast.channel=vsock", NULL);
	for (uint64_t end = now_ms() + PATIENCE_MS; !strstr(console.message, "channel=vsock") && !machine.gone && now_ms() < end;) {
		uv_run(&machine.loop, UV_RUN_ONCE);
		error_set(&console, EIO, ".");
		vmm_add_console(machine.vmm, &console);
	}
	if (!strstr(console.message, "the guest's agent serves its host"))
		fail_msg("it says \"%s\"; %s", console.message, machine.why);
	vmm_stop(machine.vmm);
	wait_gone(&machine);
	clear(&machine);
}

static void a_guest_whose_host_is_gone_says_so_and_switches_itself_off(void **state)
{
	struct machine machine;

	boot(&machine, ours, NULL, NULL);
	check(&machine);
	ttrpc_client_close(TAKE_PTR(machine.client));
	expect_end(&machine, "the host is gone");
}

static void a_guest_that_cannot_start_says_why_on_its_console(void **state)
{
	struct machine machine;

	boot(&machine, ours, "holdfast.channel=tcp", NULL);
	expect_end(&machine, "holdfast.channel=tcp: must be port or vsock");
}

/* The last that the witness has said of it, to the line's end: the console may be in the middle of one. */
static unsigned long seen(const struct machine *machine, const char *key)
{
	struct error console;
	const char *at = NULL;

	error_set(&console, EIO, ".");
	vmm_add_console(machine->vmm, &console);
	for (const char *next = strstr(console.message, key); next && strstr(next, " | "); next = strstr(next + 1, key))
		at = next;
	return at ? strtoul(at + strlen(key), NULL, 10) : 0;
}

static void with_a_sandbox_the_agent_has_less_than_2_MiB_resident(void **state)
{
	struct machine machine;

	boot(&machine, witnessed, "rdinit=/guest_witness", NULL);
	check(&machine);
	create_sandbox(&machine);
	copy_large_file(&machine);
	unsigned long look = seen(&machine, "look ");
	for (uint64_t end = now_ms() + PATIENCE_MS; seen(&machine, "look ") < look + 3 && now_ms() < end;)
		uv_run(&machine.loop, UV_RUN_ONCE);
	unsigned long kib = seen(&machine, "Rss:");
	printf("# resident: %lu KiB, of it anonymous: %lu; the guest has %lu of %lu KiB left\n", kib, seen(&machine, "Anonymous:"),
	       seen(&machine, "MemAvailable:"), seen(&machine, "MemTotal:"));
	assert_in_range(kib, 100, RESIDENT_MAX_KIB - 1);
	end_sandbox(&machine);
}

/* ── */

static int set_up(void **state)
{
	const char *given = getenv("HOLDFAST_GUEST"), *build = getenv("HOLDFAST_BUILD");
	char command[512];

	signal(SIGPIPE, SIG_IGN);
	if (!build)
		fail_msg("HOLDFAST_BUILD is not set");
	snprintf(witnessed, sizeof(witnessed), "/tmp/holdfast-guest.XXXXXX");
	if (!mkdtemp(witnessed))
		return -1;
	snprintf(command, sizeof(command), "tests/vm/add_to_guest %s/tests/support/guest_witness %s", build, witnessed);
	if (system(command) != 0)
		return -1;
	snprintf(command, sizeof(command), "kata-shim/guest/build --agent %s/bin/holdfast-guest", build);
	if (given) {
		snprintf(ours, sizeof(ours), "%s", given);
		return 0;
	}
	FILE *pipe = popen(command, "r");
	if (!pipe || !fgets(ours, sizeof(ours), pipe) || pclose(pipe) != 0)
		return -1;
	ours[strcspn(ours, "\n")] = 0;
	return 0;
}

static int tear_down(void **state)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -r %s", witnessed);
	return system(command);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_guest_boots_is_set_up_answers_a_ping_and_is_switched_off),
		cmocka_unit_test(a_guest_says_what_it_is_and_switches_its_cpus_on),
		cmocka_unit_test(a_guest_listens_on_vsock_if_it_is_told_to),
		cmocka_unit_test(a_guest_whose_host_is_gone_says_so_and_switches_itself_off),
		cmocka_unit_test(a_guest_that_cannot_start_says_why_on_its_console),
		cmocka_unit_test(with_a_sandbox_the_agent_has_less_than_2_MiB_resident),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
