// SPDX-License-Identifier: Apache-2.0
/* readiness.c as a program of its own: for a container, a person, and an uninstaller. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/array.h"
#include "common/base/log.h"
#include "deploy/install/commands.h"
#include "deploy/install/readiness/readiness.h"

#define POLL_MS 50
#define PATIENCE_MS 20000 /* of --once and --withdraw with the API server, after the last self-test */

static const char usage[] =
	"usage: holdfast-node readiness [--once | --withdraw] [--parts network,vm,tpm] [--node NAME] [--kubeconfig FILE]\n"
	"                               [--api-server URL] [--programs DIRECTORY] [--root DIRECTORY]\n"
	"\n"
	"Tests this node as `holdfast-node self-test` does, again and again, and tells the API server: the labels holdfast/network,\n"
	"holdfast/vm and holdfast/tpm with the value ready where the self-test passed, the condition HoldfastReady with causes and cures, and\n"
	"events at the node when something changes. What fails loses its label within a minute (vm, tpm: two); SIGHUP tests\n"
	"all of it at once.\n"
	"\n"
	"  --once                 test and tell once. Exit code 0: all passed, 2: not, 1: the API server was not told\n"
	"  --withdraw             take labels and condition away\n"
	"  --parts LIST           what this node is to have; the condition is about these. Default: all\n"
	"  --node NAME            default: the environment's NODE_NAME, else the host name\n"
	"  --kubeconfig FILE      default: the pod's service account\n"
	"  --api-server URL       where it is, instead of what these say\n"
	"  --programs, --root     see holdfast-node self-test --help\n"
	"\n"
	"  holdfast-node readiness --once --kubeconfig /etc/kubernetes/kubelet.conf\n";

enum mode { FOLLOW, ONCE, WITHDRAW };

struct invocation {
	struct readiness_options options;
	enum mode mode;
	bool help, bad;
	char node[READINESS_NODE_SIZE];
};

struct running {
	const struct invocation *invocation;
	uv_loop_t loop;
	struct readiness_follower *follower;
	uv_signal_t signals[3];
	uv_timer_t poll;
	uint64_t waiting_ms;
	int exit_code;
	bool ending;
};

/* ── The command line ── */

static void take_parts(char *list, struct invocation *ret)
{
	char *rest = NULL;
	enum part part;

	memset(ret->options.wanted, 0, sizeof(ret->options.wanted));
	for (char *name = strtok_r(list, ",", &rest); name; name = strtok_r(NULL, ",", &rest)) {
		if (part_find(name, &part)) {
			ret->options.wanted[part] = true;
			continue;
		}
		fprintf(stderr, "holdfast-node: there is no part \"%s\": network, vm or tpm\n", name);
		ret->bad = true;
	}
}

static void choose_node(struct invocation *ret)
{
	if (ret->options.node)
		return;
	ret->bad |= readiness_node_name(ret->node, NULL) < 0;
	ret->options.node = ret->node;
}

static void take(struct invocation *ret, int c)
{
	if (c == '1' || c == 'w')
		ret->mode = c == '1' ? ONCE : WITHDRAW;
	else if (c == 'P')
		take_parts(optarg, ret);
	else if (c == 'n')
		ret->options.node = optarg;
	else if (c == 'k')
		ret->options.api.kubeconfig = optarg;
	else if (c == 'a')
		ret->options.api.api_server = optarg;
	else if (c == 'p')
		ret->options.trial.programs = optarg;
	else if (c == 'r')
		ret->options.trial.root = strcmp(optarg, "/") == 0 ? NULL : optarg;
	else
		*(c == 'h' ? &ret->help : &ret->bad) = true;
}

static void parse(int argc, char **argv, struct invocation *ret)
{
	static const struct option known[] = {
		{ "once", no_argument, NULL, '1' },
		{ "withdraw", no_argument, NULL, 'w' },
		{ "parts", required_argument, NULL, 'P' },
		{ "node", required_argument, NULL, 'n' },
		{ "kubeconfig", required_argument, NULL, 'k' },
		{ "api-server", required_argument, NULL, 'a' },
		{ "programs", required_argument, NULL, 'p' },
		{ "root", required_argument, NULL, 'r' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	int c;

	for (int i = 0; i < PARTS; i++)
		ret->options.wanted[i] = true;
	while ((c = getopt_long(argc, argv, "h", known, NULL)) != -1)
		take(ret, c);
	ret->bad |= optind != argc;
	ret->options.api.in_cluster = !ret->options.api.kubeconfig;
	choose_node(ret);
}

/* ── Running ── */

static void end(struct running *running)
{
	if (running->ending)
		return;
	running->ending = true;
	readiness_stop(running->follower, NULL, NULL);
	uv_close((uv_handle_t *)&running->poll, NULL);
	for (size_t i = 0; i < ELEMENTS_OF(running->signals); i++)
		uv_close((uv_handle_t *)&running->signals[i], NULL);
}

static void on_signal(uv_signal_t *signal, int number)
{
	struct running *running = signal->data;

	if (number != SIGHUP) {
		end(running);
		return;
	}
	for (int i = 0; i < PARTS; i++)
		readiness_test(running->follower, (enum part)i);
}

static bool is_tested(const struct running *running)
{
	for (int i = 0; i < PARTS; i++) {
		if (running->invocation->options.wanted[i] && readiness_results(running->follower)[i].state == PART_UNTESTED)
			return false;
	}
	return true;
}

static void on_poll(uv_timer_t *poll)
{
	struct running *running = poll->data;
	const bool withdraws = running->invocation->mode == WITHDRAW;

	if (readiness_is_told(running->follower)) {
		running->exit_code = withdraws || readiness_is_good(running->follower) ? EXIT_SUCCESS : 2;
		end(running);
		return;
	}
	if (withdraws || is_tested(running))
		running->waiting_ms += POLL_MS;
	if (running->waiting_ms < PATIENCE_MS)
		return;
	const char *problem = readiness_problem(running->follower);
	fprintf(stderr, "holdfast-node: the API server was not told: %s\n", *problem ? problem : "it does not answer");
	running->exit_code = EXIT_FAILURE;
	end(running);
}

static void start_handles(struct running *running)
{
	static const int numbers[] = { SIGTERM, SIGINT, SIGHUP };

	uv_timer_init(&running->loop, &running->poll);
	running->poll.data = running;
	if (running->invocation->mode != FOLLOW)
		uv_timer_start(&running->poll, on_poll, POLL_MS, POLL_MS);
	for (size_t i = 0; i < ELEMENTS_OF(running->signals); i++) {
		running->signals[i].data = running;
		uv_signal_init(&running->loop, &running->signals[i]);
		uv_signal_start(&running->signals[i], on_signal, numbers[i]);
	}
}

static int run(const struct invocation *invocation)
{
	struct running running = { .invocation = invocation };
	struct error err;

	uv_loop_init(&running.loop);
	if (readiness_start(&running.loop, &invocation->options, &running.follower, &err) < 0) {
		fprintf(stderr, "holdfast-node: %s\n", err.message);
		return EXIT_FAILURE;
	}
	start_handles(&running);
	if (invocation->mode == WITHDRAW)
		readiness_withdraw(running.follower);
	uv_run(&running.loop, UV_RUN_DEFAULT);
	uv_loop_close(&running.loop);
	return running.exit_code;
}

int command_readiness(int argc, char **argv)
{
	struct invocation invocation = { 0 };

	parse(argc, argv, &invocation);
	if (invocation.help || invocation.bad) {
		fputs(usage, invocation.bad ? stderr : stdout);
		return invocation.bad ? EXIT_USAGE : EXIT_SUCCESS;
	}
	signal(SIGPIPE, SIG_IGN);
	return run(&invocation);
}
