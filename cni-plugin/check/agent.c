// SPDX-License-Identifier: Apache-2.0
/* What the agent will find when it starts, looked at with the agent's privileges, and the agent itself. */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cni-plugin/agent/settings.h"
#include "cni-plugin/check/checks.h"
#include "cni-plugin/plugin/client.h"
#include "cni-plugin/plugin/cni.h"
#include "common/base/cleanup.h"
#include "common/sandbox/sandbox.h"

#define TIMEOUT_MS 5000

#define NO_CONFIGURATION "/dev/null" /* and so all defaults */

/* The configuration of the node below the root; the agent can do without a file at the default path. */
static int load_quietly(const struct checkup *checkup, struct settings *ret, struct error *err)
{
	_cleanup_free_ char *path = checkup_path(checkup, checkup->config ? checkup->config : CONFIG_DEFAULT_PATH);

	if (!path)
		return error_nomem(err);
	return settings_load(checkup->config || access(path, F_OK) == 0 ? path : NO_CONFIGURATION, ret, err);
}

/* False: a finding says why. */
static bool load(struct checkup *checkup, struct settings *ret)
{
	struct error err;

	if (load_quietly(checkup, ret, &err) == 0)
		return true;
	checkup_fail(checkup, "see `holdfast-net agent --print-config`; another file: --config FILE", "%s", err.message);
	return false;
}

/* 0, or why a process with the agent's capabilities cannot read it: a positive errno. */
static int cannot_read(const char *path)
{
	struct error err;
	int status;

	pid_t child = fork();
	if (child < 0)
		return errno;
	if (child == 0) {
		if (sandbox_keep_capabilities(0, &err) < 0)
			_exit(err.code);
		_exit(open(path, O_RDONLY | O_CLOEXEC) < 0 ? errno : 0);
	}
	waitpid(child, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : EIO;
}

static void check_readable(struct checkup *checkup, const char *what, const char *path)
{
	_cleanup_free_ char *whole = checkup_path(checkup, path);
	int code = whole ? cannot_read(whole) : ENOMEM;

	if (code == EACCES)
		checkup_fail(checkup, "chown root it and the directories above it, or let others read them",
			     "%s %s is not root's, and the agent gives up the right to pass over that (CAP_DAC_OVERRIDE)", what, path);
	else if (code)
		checkup_fail(checkup, "put it there, or name another in holdfast.yaml", "%s %s cannot be read: %s", what, path,
			     strerror(code));
	else
		checkup_ok(checkup, "%s %s can be read", what, path);
}

void check_configuration(struct checkup *checkup)
{
	_cleanup_(settings_clear) struct settings settings = { 0 };

	if (!load(checkup, &settings))
		return;
	if (settings.kubeconfig)
		check_readable(checkup, "kubeconfig", settings.kubeconfig);
	else if (settings.directory)
		check_readable(checkup, "the directory of manifests", settings.directory);
	else
		checkup_ok(checkup, "the agent follows the API server as a pod of the cluster");
}

void check_directories(struct checkup *checkup)
{
	_cleanup_(settings_clear) struct settings settings = { 0 };
	struct error ignored;

	/* What is wrong with the configuration has been said. */
	if (load_quietly(checkup, &settings, &ignored) < 0)
		return;
	checkup_directory(checkup, settings.state_directory, "no pod can start without its journal entry");
	checkup_directory(checkup, settings.snapshot_directory, "the last objects cannot be kept");
}

static const char *socket_of(const struct checkup *checkup, struct settings *settings)
{
	struct error ignored;

	if (checkup->socket)
		return checkup->socket;
	return load_quietly(checkup, settings, &ignored) == 0 ? settings->socket : CNI_DEFAULT_SOCKET;
}

void check_agent(struct checkup *checkup)
{
	_cleanup_(settings_clear) struct settings settings = { 0 };
	_cleanup_(buf_free) struct buf output = BUF_MAX(WIRE_OUTPUT_MAX);
	const struct slice fields[WIRE_FIELD_COUNT] = {
		[WIRE_VERB] = slice_string("status"),
		[WIRE_ARGS] = slice_string("OUTPUT=json"),
	};
	const char *socket = socket_of(checkup, &settings);
	uint32_t exit_code;
	struct error err;

	if (client_ask(socket, fields, TIMEOUT_MS, &output, &exit_code, &err) < 0)
		checkup_warn(checkup, "start it: kubectl -n holdfast-system get pods -o wide, or holdfast-net agent",
			     "the agent does not answer on %s (%s): no new pod starts, the last rules stay", socket, err.message);
	else if (exit_code != 0 || !strstr(buf_text(&output), "\"ready\":true"))
		checkup_warn(checkup, "holdfast-net status", "the agent answers that it is not ready");
	else
		checkup_ok(checkup, "the agent answers that it is ready");
}
