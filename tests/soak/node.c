// SPDX-License-Identifier: Apache-2.0
#include "tests/soak/node.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#include "cni-plugin/plugin/client.h"
#include "cni-plugin/plugin/cni.h"
#include "common/base/file.h"
#include "common/json/json.h"

#define CONFIG_PATH_HERE "/run/soak.yaml"
#define CERTIFICATE_PATH "/run/soak.crt"
#define KEY_PATH "/run/soak.key"
#define LOG_PATH "/run/soak.log"
#define PATIENCE_MS 45000
#define OUTPUT_MAX (4 * 1024 * 1024)

void node_use_all_cpus(void)
{
	cpu_set_t all;

	CPU_ZERO(&all);
	for (int i = 0; i < 64; i++)
		CPU_SET(i, &all);
	sched_setaffinity(0, sizeof(all), &all);
}

static void pause_ms(unsigned ms)
{
	const struct timespec pause = { .tv_nsec = (long)ms * 1000000 };

	nanosleep(&pause, NULL);
}

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* ── the place ── */

static int make_mounts(struct error *err)
{
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("tmpfs", "/run", "tmpfs", 0, "mode=755") < 0 || mount("tmpfs", "/var/lib", "tmpfs", 0, NULL) < 0 ||
	    mkdir("/run/netns", 0755) < 0)
		return error_errno(err, errno, "cannot make the node's own mounts");
	return 0;
}

static int write_config(const struct node *node, struct error *err)
{
	_cleanup_(buf_free) struct buf kubeconfig = BUF_MAX(4096);
	_cleanup_(buf_free) struct buf config = BUF_MAX(4096);

	buf_printf(&kubeconfig, "{apiVersion: v1, kind: Config, current-context: c, contexts: [{name: c, context: {cluster: c, user: u}}],"
				" users: [{name: u, user: {}}], clusters: [{name: c, cluster: {server: ");
	if (node->tls_port)
		buf_printf(&kubeconfig, "\"https://127.0.0.1:%u\", certificate-authority: " CERTIFICATE_PATH "}}]}\n", node->tls_port);
	else
		buf_printf(&kubeconfig, "\"http://127.0.0.1:%u\"}}]}\n", api_port(node->api));
	buf_printf(&config, "network: {nodeName: " NODE_NAME ", podWait: %ums, source: {kubeconfig: /run/kubeconfig}}\n", node->wait_ms);
	int r = file_write_atomic("/run/kubeconfig", buf_view(&kubeconfig), 0600, err);
	return r == 0 ? file_write_atomic(CONFIG_PATH_HERE, buf_view(&config), 0600, err) : r;
}

int node_new(size_t n_pods, unsigned wait_ms, struct node **ret, struct error *err)
{
	_cleanup_(node_freep) struct node *node = calloc(1, sizeof(*node));

	if (!node)
		return error_nomem(err);
	node->wait_ms = wait_ms;
	int r = make_mounts(err);
	if (r == 0)
		r = fabric_new(FABRIC_ROUTED, n_pods, &node->fabric, err);
	if (r == 0)
		r = fabric_enter(node->fabric, FABRIC_NODE, err);
	if (r == 0)
		r = api_start(&node->api, err);
	if (node->fabric)
		fabric_leave(node->fabric);
	if (r == 0)
		r = write_config(node, err);
	if (r == 0)
		*ret = TAKE_PTR(node);
	return r;
}

int node_use_tls(struct node *node, struct error *err)
{
	static const char make[] = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=soak"
				   " -addext subjectAltName=IP:127.0.0.1 -keyout " KEY_PATH " -out " CERTIFICATE_PATH " 2>/dev/null";

	if (system(make) != 0)
		return error_set(err, EIO, "openssl makes no certificate");
	int r = fabric_enter(node->fabric, FABRIC_NODE, err);
	if (r == 0)
		r = api_tls_start(node->api, CERTIFICATE_PATH, KEY_PATH, &node->tls_port, err);
	fabric_leave(node->fabric);
	return r == 0 ? write_config(node, err) : r;
}

void node_free(struct node *node)
{
	struct error ignored;

	if (!node)
		return;
	if (node->agent)
		(void)!node_agent_end(node, SIGTERM, &ignored);
	api_stop(node->api);
	fabric_free(node->fabric);
	free(node);
}

/* ── the agent ── */

const char *node_build_directory(void)
{
	const char *build = getenv("HOLDFAST_BUILD");

	return build ? build : "build/dev";
}

static void exec_agent(void)
{
	char path[256];
	int log = open(LOG_PATH, O_WRONLY | O_CREAT | O_APPEND, 0600);

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	node_use_all_cpus();
	snprintf(path, sizeof(path), "%s/bin/holdfast-net", node_build_directory());
	if (dup2(log, STDOUT_FILENO) < 0 || dup2(log, STDERR_FILENO) < 0)
		_exit(127);
	execl(path, path, "agent", "--config", CONFIG_PATH_HERE, NULL);
	_exit(127);
}

int node_agent_start(struct node *node, struct error *err)
{
	int r = fabric_enter(node->fabric, FABRIC_NODE, err);

	if (r < 0)
		return r;
	pid_t pid = fork();
	if (pid == 0)
		exec_agent();
	fabric_leave(node->fabric);
	if (pid < 0)
		return error_errno(err, errno, "cannot start the agent");
	node->agent = pid;
	return 0;
}

/* The end of the agent's log, for who must find out why. */
static int died(struct node *node, struct error *err)
{
	_cleanup_(buf_free) struct buf log = BUF_MAX(64 * 1024 * 1024);
	struct error ignored;

	node->agent = 0;
	(void)!file_read(LOG_PATH, &log, &ignored);
	return error_set(err, ESRCH, "the agent has ended by itself; its log ends: %s", buf_text(&log) + (log.n > 400 ? log.n - 400 : 0));
}

static bool has_died(const struct node *node)
{
	return waitpid(node->agent, NULL, WNOHANG) == node->agent;
}

int node_agent_end(struct node *node, int signal, struct error *err)
{
	int status;

	kill(node->agent, signal);
	if (waitpid(node->agent, &status, 0) < 0)
		return error_errno(err, errno, "cannot wait for the agent");
	node->agent = 0;
	bool good = WIFSIGNALED(status) ? WTERMSIG(status) == signal : WEXITSTATUS(status) == 0;
	return good ? 0 : error_set(err, EIO, "the agent ended with status %x after signal %d", (unsigned)status, signal);
}

static int ask(const char *verb, const char *arguments, const char *input, struct buf *out, uint32_t *ret_code, struct error *err)
{
	const struct slice fields[WIRE_FIELD_COUNT] = {
		[WIRE_VERB] = slice_string(verb),
		[WIRE_ARGS] = slice_string(arguments),
		[WIRE_PATH] = slice_string("/"),
		[WIRE_INPUT] = slice_string(input),
	};

	return client_ask(CNI_DEFAULT_SOCKET, fields, PATIENCE_MS, out, ret_code, err);
}

int node_wait_ready(struct node *node, struct error *err)
{
	uint64_t end = now_ms() + PATIENCE_MS;
	uint32_t code = 1;

	for (;;) {
		_cleanup_(buf_free) struct buf out = BUF_MAX(OUTPUT_MAX);
		int r = ask("STATUS", "", "{\"cniVersion\":\"1.1.0\",\"name\":\"soak\",\"type\":\"holdfast\"}", &out, &code, err);
		if (r == 0 && code == 0)
			return 0;
		if (has_died(node))
			return died(node, err);
		if (now_ms() > end)
			return error_set(err, ETIMEDOUT, "the agent does not become ready: %s", r < 0 ? err->message : buf_text(&out));
		pause_ms(2);
	}
}

static int read_status(struct node *node, cJSON **ret, struct error *err)
{
	_cleanup_(buf_free) struct buf out = BUF_MAX(OUTPUT_MAX);
	uint32_t code;

	int r = ask("status", "OUTPUT=json", "", &out, &code, err);
	if (r < 0)
		return has_died(node) ? died(node, err) : r;
	*ret = cJSON_Parse(buf_text(&out));
	return *ret ? 0 : error_set(err, EPROTO, "status is no JSON: %.200s", buf_text(&out));
}

static const cJSON *member(const cJSON *status, const char *section, const char *key)
{
	return cJSON_GetObjectItemCaseSensitive(cJSON_GetObjectItemCaseSensitive(status, section), key);
}

int node_number(struct node *node, const char *section, const char *key, double *ret, struct error *err)
{
	_cleanup_(json_freep) cJSON *status = NULL;

	int r = read_status(node, &status, err);
	if (r < 0)
		return r;
	if (!cJSON_IsNumber(member(status, section, key)))
		return error_set(err, EPROTO, "status has no number %s.%s", section, key);
	*ret = member(status, section, key)->valuedouble;
	return 0;
}

static bool has_all(struct node *node, const cJSON *status)
{
	static const struct {
		const char *name;
		enum kube_kind kind;
	} rows[] = { { "pods", KUBE_POD }, { "namespaces", KUBE_NAMESPACE }, { "policies", KUBE_NETWORK_POLICY } };

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const cJSON *number = member(status, "cluster", rows[i].name);
		if (!cJSON_IsNumber(number) || (size_t)number->valuedouble != api_count(node->api, rows[i].kind))
			return false;
	}
	return cJSON_IsTrue(member(status, "source", "connected")) && cJSON_IsTrue(member(status, "kernel", "inForce"));
}

/* Counts say that an object came, not that it changed: so each kind gets a mark of its own, behind what was sent before it. */
static int put_marks(struct node *node, bool present, struct error *err)
{
	static const char marks[] =
		"{kind: Pod, apiVersion: v1, metadata: {namespace: mark, name: mark, uid: mark}, spec: {containers: []}}\n"
		"---\n{kind: Namespace, apiVersion: v1, metadata: {name: mark}}\n"
		"---\n{kind: NetworkPolicy, apiVersion: networking.k8s.io/v1, metadata: {namespace: mark, name: mark},"
		" spec: {podSelector: {}}}\n";

	if (present)
		return api_put(node->api, slice_string(marks), err);
	api_remove(node->api, KUBE_POD, "mark", "mark");
	api_remove(node->api, KUBE_NAMESPACE, "", "mark");
	api_remove(node->api, KUBE_NETWORK_POLICY, "mark", "mark");
	return 0;
}

/* The second answer comes in a later turn of the agent's loop: what the first one counted has been applied by then. */
static int wait_for_all(struct node *node, struct error *err)
{
	uint64_t end = now_ms() + PATIENCE_MS;

	for (int seen = 0; seen < 2;) {
		_cleanup_(json_freep) cJSON *status = NULL;
		int r = read_status(node, &status, err);
		if (r < 0)
			return r;
		seen = has_all(node, status) ? seen + 1 : 0;
		if (now_ms() > end) {
			_cleanup_free_ char *text = cJSON_PrintUnformatted(status);
			return error_set(err, ETIMEDOUT, "the agent does not get there: %.400s", text ? text : "");
		}
		if (!seen)
			pause_ms(1);
	}
	return 0;
}

int node_settle(struct node *node, struct error *err)
{
	int r = put_marks(node, true, err);

	if (r == 0)
		r = wait_for_all(node, err);
	if (r == 0)
		r = put_marks(node, false, err);
	return r == 0 ? wait_for_all(node, err) : r;
}
