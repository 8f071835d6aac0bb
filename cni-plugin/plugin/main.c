// SPDX-License-Identifier: Apache-2.0
/*
 * The CNI executable. It decides nothing about traffic: it checks what the runtime gave it, asks the agent and prints the answer.
 * It is static and needs no configuration file, library or name service, so it starts in well under a millisecond on any host.
 *
 * What happens when the agent is not there is decided here, and it is the one thing that must never be wrong: ADD fails, so the pod is
 * not started and nothing opens; DEL succeeds, because a runtime stops at the first error and would leak the other plugins' state
 * (the agent finds out by itself that the pod is gone).
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include "cni-plugin/plugin/cni.h"
#include "cni-plugin/plugin/client.h"
#include "common/base/file.h"

#define OUTPUT_MAX (2 * CNI_INPUT_MAX) /* the answer to ADD is a part of the input */

static void print(const struct buf *out)
{
	for (size_t done = 0; done < out->n;) {
		ssize_t n = write(STDOUT_FILENO, out->p + done, out->n - done);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return;
		done += (size_t)n;
	}
}

/* libcni reads errors from stdout. */
static int fail(struct slice input, enum cni_code code, const char *message)
{
	_cleanup_(buf_free) struct buf out = BUF_MAX(16 * 1024);

	cni_print_error(&out, cni_config_version_text(input), code, message);
	print(&out);
	return EXIT_FAILURE;
}

static int introduce(void)
{
	printf("CNI holdfast plugin v" HOLDFAST_VERSION ": isolates pods by their NetworkPolicies\n"
	       "CNI protocol versions supported: 0.3.1, 0.4.0, 1.0.0, 1.1.0\n\n"
	       "It is run by a container runtime, chained after the plugin that makes the pod's interface:\n"
	       "  { \"type\": \"holdfast\" }   as the last of \"plugins\" in /etc/cni/net.d/*.conflist\n"
	       "To see what it does on this node: holdfast-net status\n");
	return EXIT_SUCCESS;
}

static int read_input(struct buf *input, struct error *err)
{
	if (isatty(STDIN_FILENO))
		return error_set(err, EIO, "stdin is a terminal: the runtime gives the network configuration there");
	int r = file_read_fd(STDIN_FILENO, "network configuration on stdin", input, err);
	if (r < 0)
		err->code = EIO;
	return r;
}

static int answer_version(struct slice input)
{
	_cleanup_(buf_free) struct buf out = BUF_MAX(4096);

	cni_print_versions(&out, cni_config_version_text(input));
	print(&out);
	return EXIT_SUCCESS;
}

static int without_agent(enum cni_verb verb, const char *socket, struct slice input, const struct error *why)
{
	const char *consequence = verb == CNI_ADD ? "; the pod is not started, the last rules stay in the kernel" : "";
	struct error err;

	if (why->code == EBUSY)
		error_set(&err, EAGAIN, "the Holdfast agent did not take the request: %s%s", why->message, consequence);
	else
		error_set(&err, EAGAIN,
			  "the Holdfast agent does not answer on %s (%s): is the holdfast-net pod running on this node? kubectl -n "
			  "holdfast-system get pods%s",
			  socket, why->message, consequence);
	if (verb == CNI_DEL) {
		fprintf(stderr, "holdfast: %s; it will notice by itself that the pod is gone\n", err.message);
		return EXIT_SUCCESS;
	}
	return fail(input, verb == CNI_STATUS ? CNI_UNAVAILABLE : CNI_TRY_LATER, err.message);
}

static int ask_agent(const struct cni_environment *environment, enum cni_verb verb, const char *socket, struct slice input)
{
	_cleanup_(buf_free) struct buf output = BUF_MAX(OUTPUT_MAX);
	const struct slice fields[WIRE_FIELD_COUNT] = {
		[WIRE_VERB] = slice_string(environment->command),
		[WIRE_CONTAINER_ID] = slice_string(environment->container_id),
		[WIRE_NETNS] = slice_string(environment->netns),
		[WIRE_IFNAME] = slice_string(environment->ifname),
		[WIRE_ARGS] = slice_string(environment->args),
		[WIRE_PATH] = slice_string(environment->path),
		[WIRE_INPUT] = input,
	};
	uint32_t exit_code;
	struct error err;

	int r = client_ask(socket, fields, cni_verb_timeout_ms(verb), &output, &exit_code, &err);
	if (r == -E2BIG || r == -EINVAL)
		return fail(input, CNI_BAD_ENVIRONMENT, err.message);
	if (r < 0)
		return without_agent(verb, socket, input, &err);
	if (verb == CNI_DEL && exit_code != 0) {
		fprintf(stderr, "holdfast: the agent refused DEL: %s", buf_text(&output));
		return EXIT_SUCCESS;
	}
	print(&output);
	return (int)exit_code;
}

/* The input is read before anything is refused, because an error repeats its cniVersion. */
static int run(const struct cni_environment *environment)
{
	_cleanup_(buf_free) struct buf input = BUF_MAX(CNI_INPUT_MAX);
	char socket[sizeof(((struct sockaddr_un *)0)->sun_path)] = CNI_DEFAULT_SOCKET;
	struct error err, input_err;
	struct cni_config config;
	enum cni_verb verb;

	int input_r = read_input(&input, &input_err);
	if (cni_environment_check(environment, &verb, &err) < 0)
		return fail(buf_view(&input), cni_code_of(&err), err.message);
	if (verb == CNI_VERSION)
		return answer_version(buf_view(&input));
	if (input_r < 0)
		return fail(buf_view(&input), cni_code_of(&input_err), input_err.message);
	if (cni_config_read(buf_view(&input), verb, &config, &err) < 0)
		return fail(buf_view(&input), cni_code_of(&err), err.message);
	if (config.agent_socket.n > 0)
		snprintf(socket, sizeof(socket), SLICE_FORMAT, SLICE_ARGS(config.agent_socket));
	return ask_agent(environment, verb, socket, buf_view(&input));
}

static const char *variable(const char *name)
{
	const char *value = getenv(name);

	return value ? value : "";
}

int main(void)
{
	const struct cni_environment environment = {
		.command = variable("CNI_COMMAND"),
		.container_id = variable("CNI_CONTAINERID"),
		.netns = variable("CNI_NETNS"),
		.ifname = variable("CNI_IFNAME"),
		.args = variable("CNI_ARGS"),
		.path = variable("CNI_PATH"),
	};

	if (!*environment.command && isatty(STDIN_FILENO))
		return introduce();
	return run(&environment);
}
