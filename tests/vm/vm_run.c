// SPDX-License-Identifier: Apache-2.0
/*
 * To look at a VM by hand, without containerd: boots one, runs a shell's command in a container of it, and ends as that does.
 *
 *	vm_run [--network] [--no-log] [--confined] COMMAND [COMMAND in a second container …]
 *
 * The root's files are busybox'. $HOLDFAST_GUEST: the guest's directory.
 */
#include <stdio.h>
#include <signal.h>
#include <string.h>

#include "common/base/log.h"
#include "tests/vm/machine.h"

static void print(const struct buf *text, FILE *to)
{
	fwrite(text->p, 1, text->n, to);
}

static int run(struct machine *machine, const char *script, int i)
{
	char id[16];

	snprintf(id, sizeof(id), "ctr%d", i);
	if (machine_create(machine, id, script, NULL) < 0 || machine_start(machine, id, "") < 0) {
		fprintf(stderr, "vm_run: %s\n", machine->err.message);
		return 125;
	}
	uint32_t status = machine_wait(machine, id, "");
	print(&machine_process(machine, id, "")->out_text, stdout);
	print(&machine_process(machine, id, "")->err_text, stderr);
	if (machine_remove(machine, id, "") < 0)
		fprintf(stderr, "vm_run: %s\n", machine->err.message);
	return (int)status;
}

int main(int argc, char **argv)
{
	static struct machine machine;
	bool network = false, log = true, confined = false;
	int at = 1, status = 125;

	for (; at < argc && argv[at][0] == '-'; at++) {
		network = network || strcmp(argv[at], "--network") == 0;
		confined = confined || strcmp(argv[at], "--confined") == 0;
		log = log && strcmp(argv[at], "--no-log") != 0;
	}
	signal(SIGPIPE, SIG_IGN);
	log_setup(log ? LOG_LEVEL_DEBUG : LOG_LEVEL_WARN, LOG_FORMAT_LOGFMT);
	if (confined)
		machine_confine();
	machine_prepare(&machine, network);
	if (machine_boot(&machine) < 0)
		fprintf(stderr, "vm_run: %s\n", machine.err.message);
	else
		for (int i = at; i < argc; i++)
			status = run(&machine, argv[i], i);
	if (machine.n_lost)
		fprintf(stderr, "vm_run: lost: %s\n", machine.lost);
	if (machine_stop(&machine) < 0)
		fprintf(stderr, "vm_run: %s\n", machine.err.message);
	machine_clear(&machine);
	return status;
}
