// SPDX-License-Identifier: Apache-2.0
/* All parts at once, each in its program; printed in the order in which they were asked for. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/checkup/checkup.h"
#include "deploy/install/commands.h"
#include "deploy/install/readiness/trial.h"

static const char usage[] =
	"usage: holdfast-node self-test [network|vm|tpm]... [-o json] [--programs DIRECTORY] [--root DIRECTORY]\n"
	"\n"
	"Tries on this node what its labels promise, as root: a packet is refused, a VM boots, a secret is unsealed. Without a name: all three.\n"
	"Exit code 0: all of it works; 2: something does not: cause, and cure behind the arrow; 3: usage.\n"
	"\n"
	"  --programs DIRECTORY  where Holdfast's programs are; default: beside this one\n"
	"  --root DIRECTORY      in a container: where the node's root file system is mounted; the VM is booted in there, by the node's own\n"
	"                        /opt/holdfast/bin\n"
	"\n"
	"  holdfast-node self-test\n"
	"  holdfast-node self-test network -o json\n";

struct invocation {
	struct trial_options trial;
	bool wanted[PARTS];
	bool json, help, bad;
};

struct run {
	struct part_result results[PARTS];
	const struct invocation *invocation;
};

static void take_part(const char *name, struct invocation *invocation)
{
	enum part part;

	if (part_find(name, &part)) {
		invocation->wanted[part] = true;
		return;
	}
	fprintf(stderr, "holdfast-node: there is no part \"%s\": network, vm or tpm\n", name);
	invocation->bad = true;
}

static struct invocation parse(int argc, char **argv)
{
	static const struct option known[] = {
		{ "programs", required_argument, NULL, 'p' },
		{ "root", required_argument, NULL, 'r' },
		{ "output", required_argument, NULL, 'o' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	struct invocation ret = { 0 };
	int c;

	while ((c = getopt_long(argc, argv, "ho:", known, NULL)) != -1) {
		if (c == 'p')
			ret.trial.programs = optarg;
		else if (c == 'r')
			ret.trial.root = strcmp(optarg, "/") == 0 ? NULL : optarg;
		else if (c == 'o')
			ret.bad |= !program_take_format("holdfast-node", optarg, &ret.json);
		else
			*(c == 'h' ? &ret.help : &ret.bad) = true;
	}
	for (int i = optind; i < argc; i++)
		take_part(argv[i], &ret);
	for (int i = 0; i < PARTS && optind == argc; i++)
		ret.wanted[i] = true;
	return ret;
}

static void on_tested(void *context, enum part part, const struct part_result *result)
{
	struct run *run = context;

	run->results[part] = *result;
}

static void test_all(struct run *run)
{
	uv_loop_t loop;

	uv_loop_init(&loop);
	for (int i = 0; i < PARTS; i++) {
		if (run->invocation->wanted[i] && !trial_start(&loop, (enum part)i, &run->invocation->trial, on_tested, run))
			run->results[i] = part_failed("look at the node's memory", "out of memory");
	}
	uv_run(&loop, UV_RUN_DEFAULT);
	uv_loop_close(&loop);
}

static void print_result(struct checkup *checkup, const struct part_result *result)
{
	if (result->state == PART_PASSED)
		checkup_ok(checkup, "%s", result->cause);
	else
		checkup_fail(checkup, result->cure, "%s", result->cause);
}

static void print_network(struct checkup *checkup)
{
	print_result(checkup, &((const struct run *)checkup->options)->results[PART_NETWORK]);
}

static void print_vm(struct checkup *checkup)
{
	print_result(checkup, &((const struct run *)checkup->options)->results[PART_VM]);
}

static void print_tpm(struct checkup *checkup)
{
	print_result(checkup, &((const struct run *)checkup->options)->results[PART_TPM]);
}

int command_self_test(int argc, char **argv)
{
	static void (*const printers[PARTS])(struct checkup *) = { print_network, print_vm, print_tpm };
	const struct invocation invocation = parse(argc, argv);
	_cleanup_(checkup_clear) struct checkup checkup;
	struct run run = { .invocation = &invocation };
	struct checkup_row rows[PARTS];
	size_t n = 0;

	checkup_init(&checkup);
	if (invocation.help || invocation.bad) {
		fputs(usage, invocation.bad ? stderr : stdout);
		return invocation.bad ? CHECKUP_EXIT_UNKNOWN : EXIT_SUCCESS;
	}
	test_all(&run);
	checkup.options = &run;
	for (int i = 0; i < PARTS; i++) {
		if (invocation.wanted[i])
			rows[n++] = (struct checkup_row){ part_rows[i].name, printers[i], true };
	}
	return checkup_report(&checkup, rows, n, "holdfast-node", invocation.json);
}
