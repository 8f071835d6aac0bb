// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/common/cmocka_all.h"

#include "tests/tpm/serving.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/array.h"
#include "common/base/file.h"
#include "common/proto/message.h"
#include "common/proto/podresources.pb-c.h"
#include "device-plugin/plugin/device.h"

#define WAIT_S 60 /* for what takes milliseconds: a machine that is slow fails nothing */
#define FILE_MAX (1024 * 1024)

void serving_isolate(void)
{
	software_tpm_isolate();
	assert_return_code(unshare(CLONE_NEWNS), errno);
	assert_return_code(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), errno);
	signal(SIGPIPE, SIG_IGN);
}

static void run(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void run(const char *format, ...)
{
	char command[2048];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(command, sizeof(command), format, arguments);
	va_end(arguments);
	if (system(command) != 0)
		fail_msg("failed: %s", command);
}

static const char *program(void)
{
	static char path[512];
	const char *build = getenv("HOLDFAST_BUILD");

	snprintf(path, sizeof(path), "%s/bin/holdfast-tpm", build ? build : ".");
	return path;
}

static void write_file(const struct serving *serving, const char *name, const char *text)
{
	char path[256];
	struct error err;

	snprintf(path, sizeof(path), "%s/%s", serving->directory, name);
	if (file_write_atomic(path, slice_string(text), 0600, &err) < 0)
		fail_msg("%s", err.message);
}

/* ── waiting ── */

static void on_tick(uv_timer_t *timer)
{
}

static void print_log(const struct serving *serving)
{
	char command[256];

	snprintf(command, sizeof(command), "sed 's/^/# /' %s/log", serving->directory);
	(void)!system(command);
}

void serving_turn(struct serving *serving, uint64_t began_ns, const char *what)
{
	uv_run(&serving->loop, UV_RUN_ONCE);
	if (uv_hrtime() - began_ns < (uint64_t)WAIT_S * 1000000000)
		return;
	print_log(serving);
	fail_msg("waited %d s for %s", WAIT_S, what);
}

/* ── kubelet ── */

static void end_hanging(void *context, struct grpc_call *call)
{
	grpc_call_finish(call, RPC_CANCELLED, NULL);
}

static void list_pod_resources(void *context, struct grpc_call *call, struct slice request)
{
	struct serving *serving = context;
	_cleanup_(buf_free) struct buf out = BUF_MAX(FILE_MAX);
	static struct rows {
		char *id;
		Podresources__ContainerDevices devices, *devices_list;
		Podresources__ContainerResources container, *containers;
		Podresources__PodResources pod;
	} rows[ELEMENTS_OF(serving->devices)];
	Podresources__PodResources *pods[ELEMENTS_OF(serving->devices)];
	Podresources__ListResponse response = PODRESOURCES__LIST_RESPONSE__INIT;

	if (serving->kubelet_hangs) {
		serving->n_hanging++;
		grpc_call_on_gone(call, end_hanging, NULL);
		return;
	}
	for (size_t i = 0; i < serving->n_devices; i++) {
		const struct serving_device *device = &serving->devices[i];
		struct rows *row = &rows[i];
		podresources__container_devices__init(&row->devices);
		podresources__container_resources__init(&row->container);
		podresources__pod_resources__init(&row->pod);
		row->id = (char *)device->device;
		row->devices.resource_name = (char *)device->resource;
		row->devices.device_ids = &row->id;
		row->devices.n_device_ids = 1;
		row->devices_list = &row->devices;
		row->container.name = (char *)device->container;
		row->container.devices = &row->devices_list;
		row->container.n_devices = 1;
		row->containers = &row->container;
		row->pod.name = (char *)device->pod;
		row->pod.namespace_ = (char *)device->namespace;
		row->pod.containers = &row->containers;
		row->pod.n_containers = 1;
		pods[i] = &row->pod;
	}
	response.pod_resources = pods;
	response.n_pod_resources = serving->n_devices;
	message_write(&response.base, &out);
	grpc_call_answer(call, buf_view(&out));
}

static const struct grpc_method pod_resources_methods[] = { { "/v1.PodResourcesLister/List", list_pod_resources } };

static void start_kubelet(struct serving *serving)
{
	const struct grpc_service service = { pod_resources_methods, ELEMENTS_OF(pod_resources_methods), serving };
	char path[128];
	struct error err;

	snprintf(path, sizeof(path), "%s/kubelet/device-plugins", serving->directory);
	serving->kubelet = fake_kubelet_start(&serving->loop, path);
	snprintf(path, sizeof(path), "%s/kubelet/pod-resources/kubelet.sock", serving->directory);
	if (grpc_server_start(&serving->loop, path, 0, &service, &serving->pod_resources, &err) < 0)
		fail_msg("%s", err.message);
}

static void stop_kubelet(struct serving *serving)
{
	fake_kubelet_stop(serving->kubelet);
	grpc_server_stop(TAKE_PTR(serving->pod_resources));
}

void serving_restart_kubelet(struct serving *serving)
{
	stop_kubelet(serving);
	fake_kubelet_free(serving->kubelet);
	start_kubelet(serving);
}

static void write_checkpoint(const struct serving *serving)
{
	_cleanup_(buf_free) struct buf text = BUF_MAX(FILE_MAX);

	buf_string(&text, "{\"Data\":{\"PodDeviceEntries\":[");
	for (size_t i = 0; i < serving->n_devices; i++) {
		const struct serving_device *device = &serving->devices[i];
		buf_printf(&text,
			   "%s{\"PodUID\":\"%s\",\"ContainerName\":\"%s\",\"ResourceName\":\"%s\",\"DeviceIDs\":{\"-1\":[\"%s\"]},"
			   "\"AllocResp\":\"\"}",
			   i ? "," : "", device->uid, device->container, device->resource, device->device);
	}
	buf_string(&text, "],\"RegisteredDevices\":{}},\"Checksum\":0}");
	write_file(serving, "kubelet/device-plugins/kubelet_internal_checkpoint", buf_text(&text));
}

const char *serving_give(struct serving *serving, const char *namespace, const char *pod, const char *secret, unsigned slot)
{
	struct serving_device *device = &serving->devices[serving->n_devices++];
	struct device_hash hash;
	struct error err;

	assert_true(serving->n_devices <= ELEMENTS_OF(serving->devices));
	assert_int_equal(device_hash(secret, &hash, &err), 0);
	snprintf(device->device, sizeof(device->device), "%s", device_id(&hash, slot).text);
	snprintf(device->namespace, sizeof(device->namespace), "%s", namespace);
	snprintf(device->pod, sizeof(device->pod), "%s", pod);
	snprintf(device->uid, sizeof(device->uid), "uid-%s", pod);
	snprintf(device->container, sizeof(device->container), "main");
	snprintf(device->resource, sizeof(device->resource), DEVICE_DOMAIN "/%s", secret);
	run("mkdir -p %s/kubelet/pods/uid-%s", serving->directory, pod);
	write_checkpoint(serving);
	return device->device;
}

void serving_take(struct serving *serving, const char *pod)
{
	for (size_t i = serving->n_devices; i-- > 0;) {
		if (strcmp(serving->devices[i].pod, pod) == 0)
			serving->devices[i] = serving->devices[--serving->n_devices];
	}
	write_checkpoint(serving);
	run("rm -rf %s/kubelet/pods/uid-%s", serving->directory, pod);
}

/* ── objects ── */

void serving_pod(struct serving *serving, const char *namespace, const char *name, const char *account, const char *secrets)
{
	_cleanup_(buf_free) struct buf text = BUF_MAX(FILE_MAX);
	char file[200];

	buf_printf(&text,
		   "{\"kind\":\"Pod\",\"apiVersion\":\"v1\",\"metadata\":{\"namespace\":\"%s\",\"name\":\"%s\",\"uid\":\"uid-%s\","
		   "\"labels\":{\"app\":\"%s\"},\"annotations\":{%s%s%s}},\"spec\":{\"nodeName\":\"" SERVING_NODE
		   "\",\"serviceAccountName\":\"%s\","
		   "\"containers\":[{\"name\":\"main\"}]},\"status\":{\"phase\":\"Running\"}}\n",
		   namespace, name, name, name, secrets ? "\"holdfast/secrets\":\"" : "", secrets ? secrets : "", secrets ? "\"" : "",
		   account);
	snprintf(file, sizeof(file), "manifests/pod-%s-%s.json", namespace, name);
	write_file(serving, file, buf_text(&text));
}

void serving_seal(struct serving *serving, const char *name, const char *content, const char *options)
{
	write_file(serving, "content", content);
	run("cd %s && %s seal %s --node-key node.yaml --from-file value=content %s >sealed 2>seal.log && mv sealed "
	    "manifests/secret-%s.yaml",
	    serving->directory, program(), name, options, name);
}

void serving_delete(struct serving *serving, const char *file)
{
	run("rm %s/manifests/%s", serving->directory, file);
}

/* ── the daemon ── */

#define KUBECONFIG                                                                                                                         \
	"{\"current-context\": \"c\", \"contexts\": [{\"name\": \"c\", \"context\": {\"cluster\": \"c\", \"user\": \"u\"}}],\n"            \
	"\"clusters\": [{\"name\": \"c\", \"cluster\": {\"server\": \"https://127.0.0.1:9\", \"insecure-skip-tls-verify\": true}}],\n"     \
	"\"users\": [{\"name\": \"u\", \"user\": {\"token\": \"t\"}}]}\n"

static void write_config(const struct serving *serving)
{
	_cleanup_(buf_free) struct buf text = BUF_MAX(FILE_MAX);
	const char *at = serving->directory;

	write_file(serving, "kubeconfig", KUBECONFIG);
	buf_printf(&text, "secrets:\n  nodeName: " SERVING_NODE "\n  source:\n    %s: %s/%s\n",
		   serving->no_api_server ? "kubeconfig" : "directory", at, serving->no_api_server ? "kubeconfig" : "manifests");
	buf_printf(&text,
		   "  tcti: \"%s\"\n  stateDir: %s/state\n  volumes: %s/vol\n  kubeletDir: %s/kubelet\n  sandboxes: %s/sandboxes\n"
		   "  socket: %s/tpm.sock\n  metricsAddress: \"off\"\n  healthInterval: %s\n  healthyAfter: %s\n%s",
		   serving->tcti, at, at, at, at, at, serving->health_interval, serving->healthy_after,
		   serving->extra ? serving->extra : "");
	write_file(serving, "holdfast.yaml", buf_text(&text));
}

void serving_start(struct serving *serving)
{
	char path[128];

	write_config(serving);
	snprintf(path, sizeof(path), "%s/log", serving->directory);
	serving->daemon = fork();
	assert_return_code(serving->daemon, errno);
	if (serving->daemon > 0)
		return;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	int fd = open(path, O_WRONLY | O_CREAT | O_APPEND, 0600);
	dup2(fd, 2);
	snprintf(path, sizeof(path), "%s/holdfast.yaml", serving->directory);
	execl(program(), "holdfast-tpm", "serve", "--config", path, "--log-level=debug", NULL);
	_exit(127);
}

void serving_end(struct serving *serving, int number)
{
	int status;

	if (serving->daemon == 0)
		return;
	kill(serving->daemon, number);
	assert_int_equal(waitpid(serving->daemon, &status, 0), serving->daemon);
	serving->daemon = 0;
	SERVING_WAIT(serving, fake_kubelet_count_connected(serving->kubelet) == 0);
	if (number == SIGTERM && (!WIFEXITED(status) || WEXITSTATUS(status) != 0)) {
		print_log(serving);
		fail_msg("the daemon ended with status %d", status);
	}
}

void serving_make(struct serving *serving)
{
	*serving = (struct serving){ .directory = "/tmp/holdfast-serve.XXXXXX", .health_interval = "1s", .healthy_after = "0s" };
	assert_non_null(mkdtemp(serving->directory));
	run("cd %s && mkdir -p manifests sandboxes kubelet/device-plugins kubelet/pod-resources kubelet/pods && chmod 700 sandboxes",
	    serving->directory);
	assert_int_equal(uv_loop_init(&serving->loop), 0);
	uv_timer_init(&serving->loop, &serving->tick);
	uv_timer_start(&serving->tick, on_tick, 5, 5);
	software_tpm_make(&serving->tpm);
	serving->tcti = serving->tpm.tcti;
	run("%s node-key --node " SERVING_NODE " --tcti %s --state-dir %s/state > %s/node.yaml", program(), serving->tpm.tcti,
	    serving->directory, serving->directory);
	start_kubelet(serving);
}

void serving_remove(struct serving *serving)
{
	serving_end(serving, SIGTERM);
	stop_kubelet(serving);
	uv_close((uv_handle_t *)&serving->tick, NULL);
	uv_run(&serving->loop, UV_RUN_DEFAULT);
	fake_kubelet_free(serving->kubelet);
	assert_int_equal(uv_loop_close(&serving->loop), 0);
	software_tpm_remove(&serving->tpm);
	run("umount %s/vol 2>/dev/null; rm -rf %s", serving->directory, serving->directory);
}

/* ── the command line ── */

pid_t serving_command_begin(struct serving *serving, const char *arguments)
{
	char command[1024];

	snprintf(command, sizeof(command), "exec %s %s --socket %s/tpm.sock >%s/output-$$ 2>&1", program(), arguments, serving->directory,
		 serving->directory);
	pid_t child = fork();
	assert_return_code(child, errno);
	if (child > 0)
		return child;
	execl("/bin/sh", "sh", "-c", command, NULL);
	_exit(127);
}

int serving_command_end(struct serving *serving, pid_t command, struct buf *out)
{
	char path[128];
	struct error err;
	int status;

	SERVING_WAIT(serving, waitpid(command, &status, WNOHANG) == command);
	snprintf(path, sizeof(path), "%s/output-%d", serving->directory, (int)command);
	if (file_read(path, out, &err) < 0)
		fail_msg("%s", err.message);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

int serving_command(struct serving *serving, const char *arguments, struct buf *out)
{
	return serving_command_end(serving, serving_command_begin(serving, arguments), out);
}

/* ── what is there ── */

struct fake_resource *serving_find_resource(struct serving *serving, const char *secret)
{
	char name[96];

	snprintf(name, sizeof(name), DEVICE_DOMAIN "/%s", secret);
	return fake_kubelet_find(serving->kubelet, name);
}

static bool is_offered(struct serving *serving, const char *secret, unsigned n_healthy)
{
	const struct fake_resource *resource = serving_find_resource(serving, secret);

	return resource && resource->connected && resource->n_healthy == n_healthy;
}

struct fake_resource *serving_wait_offered(struct serving *serving, const char *secret, unsigned n_healthy)
{
	SERVING_WAIT(serving, is_offered(serving, secret, n_healthy));
	return serving_find_resource(serving, secret);
}

struct fake_answer serving_start_container(struct serving *serving, const char *secret, const char *device)
{
	const struct fake_answer *answer = fake_kubelet_start_container(serving_find_resource(serving, secret), &device, 1);

	SERVING_WAIT(serving, answer->ended);
	return *answer;
}

void serving_hands_out(struct serving *serving, const char *secret, const char *device)
{
	struct fake_answer answer = serving_start_container(serving, secret, device);

	if (answer.status != RPC_OK)
		fail_msg("%s", answer.words);
}

void serving_refuses(struct serving *serving, const char *secret, const char *device, const char *words)
{
	struct fake_answer answer = serving_start_container(serving, secret, device);

	if (answer.status == RPC_OK || !strstr(answer.words, words))
		fail_msg("status %d: \"%s\", and not \"%s\"", answer.status, answer.words, words);
}

char *serving_read(const struct serving *serving, const char *secret, const char *device, const char *file)
{
	_cleanup_(buf_free) struct buf text = BUF_MAX(FILE_MAX);
	char path[512];
	struct error err;

	snprintf(path, sizeof(path), "%s/vol/%s/kubernetes.io~secret/%s/%s", serving->directory, device, secret, file);
	return file_read(path, &text, &err) == 0 ? buf_take_text(&text) : NULL;
}

void serving_reads(const struct serving *serving, const char *secret, const char *device, const char *file, const char *content)
{
	_cleanup_free_ char *text = serving_read(serving, secret, device, file);

	if (content ? !text || strcmp(text, content) != 0 : text != NULL)
		fail_msg("%s is \"%s\"", file, text ? text : "not there");
}

static bool reads(const struct serving *serving, const char *secret, const char *device, const char *file, const char *content)
{
	_cleanup_free_ char *text = serving_read(serving, secret, device, file);

	return content ? text && strcmp(text, content) == 0 : !text;
}

void serving_wait_reads(struct serving *serving, const char *secret, const char *device, const char *file, const char *content)
{
	SERVING_WAIT(serving, reads(serving, secret, device, file, content));
}

static bool log_has(const struct serving *serving, const char *text)
{
	_cleanup_(buf_free) struct buf log = BUF_MAX(64 * FILE_MAX);
	char path[128];
	struct error err;

	snprintf(path, sizeof(path), "%s/log", serving->directory);
	return file_read(path, &log, &err) == 0 && strstr(buf_text(&log), text);
}

void serving_wait_log(struct serving *serving, const char *text)
{
	SERVING_WAIT(serving, log_has(serving, text));
}
