// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/common/cmocka_all.h"

#include "tests/tpm/software_tpm.h"

#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static unsigned next_port = 2321;

void software_tpm_isolate(void)
{
	struct ifreq request = { .ifr_name = "lo", .ifr_flags = IFF_UP };

	if (unshare(CLONE_NEWNET) < 0) {
		puts("# needs root: cannot make a network namespace");
		exit(77);
	}
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	assert_int_equal(ioctl(fd, SIOCSIFFLAGS, &request), 0);
	close(fd);
	setenv("TSS2_LOG", "all+none", 0); /* the errors we cause are the tests' to print */
}

static void run(const char *command)
{
	if (system(command) != 0)
		fail_msg("failed: %s", command);
}

static void make_state(const char *directory)
{
	char command[256];

	snprintf(command, sizeof(command), "swtpm_setup --tpm2 --tpmstate %s --create-ek-cert --logfile %s/setup.log >/dev/null 2>&1",
		 directory, directory);
	run(command);
}

static void make_directory(struct software_tpm *tpm)
{
	*tpm = (struct software_tpm){ .directory = "/tmp/holdfast-tpm.XXXXXX" };
	assert_non_null(mkdtemp(tpm->directory));
}

/* Manufacturing one takes a second or two. */
static char first[64];

static void remove_first(void)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -rf %s", first);
	if (system(command) != 0)
		fprintf(stderr, "cannot remove %s\n", first);
}

static void make_first(void)
{
	if (*first)
		return;
	snprintf(first, sizeof(first), "/tmp/holdfast-tpm.XXXXXX");
	assert_non_null(mkdtemp(first));
	make_state(first);
	atexit(remove_first);
}

void software_tpm_make(struct software_tpm *tpm)
{
	char command[256];

	make_first();
	make_directory(tpm);
	snprintf(command, sizeof(command), "cp -a %s/. %s", first, tpm->directory);
	run(command);
	software_tpm_start(tpm);
}

void software_tpm_make_other(struct software_tpm *tpm)
{
	make_directory(tpm);
	make_state(tpm->directory);
	software_tpm_start(tpm);
}

/* Asked of the kernel: a connection would be the one that swtpm serves. */
static bool listens(unsigned port)
{
	FILE *table = fopen("/proc/thread-self/net/tcp", "r");
	char line[256], wanted[64];
	bool found = false;

	assert_non_null(table);
	snprintf(wanted, sizeof(wanted), "0100007F:%04X 00000000:0000 0A", port);
	while (!found && fgets(line, sizeof(line), table))
		found = strstr(line, wanted) != NULL;
	fclose(table);
	return found;
}

void software_tpm_start_at(struct software_tpm *tpm, unsigned port)
{
	char server[64], control[64], state[80];

	tpm->port = port;
	snprintf(server, sizeof(server), "type=tcp,port=%u,bindaddr=127.0.0.1", tpm->port);
	snprintf(control, sizeof(control), "type=tcp,port=%u,bindaddr=127.0.0.1", tpm->port + 1);
	snprintf(state, sizeof(state), "dir=%s", tpm->directory);
	snprintf(tpm->tcti, sizeof(tpm->tcti), "swtpm:host=127.0.0.1,port=%u", tpm->port);
	tpm->pid = fork();
	if (tpm->pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(STDOUT_FILENO);
		execlp("swtpm", "swtpm", "socket", "--tpm2", "--tpmstate", state, "--server", server, "--ctrl", control, "--flags",
		       "not-need-init", NULL);
		_exit(127);
	}
	for (int i = 0; i < 10000 && !(listens(port) && listens(port + 1)); i++)
		usleep(1000);
	assert_true(listens(port) && listens(port + 1));
}

/* Another port each time: the last one may still be in TIME_WAIT. */
void software_tpm_start(struct software_tpm *tpm)
{
	software_tpm_start_at(tpm, next_port);
	next_port += 2;
}

void software_tpm_kill(struct software_tpm *tpm)
{
	kill(tpm->pid, SIGKILL);
	waitpid(tpm->pid, NULL, 0);
	tpm->pid = 0;
}

void software_tpm_hang(struct software_tpm *tpm)
{
	assert_int_equal(kill(tpm->pid, SIGSTOP), 0);
}

void software_tpm_resume(struct software_tpm *tpm)
{
	assert_int_equal(kill(tpm->pid, SIGCONT), 0);
}

void software_tpm_remove(struct software_tpm *tpm)
{
	char command[128];

	if (tpm->pid)
		software_tpm_kill(tpm);
	snprintf(command, sizeof(command), "rm -rf %s", tpm->directory);
	run(command);
}

void software_tpm_tool(const struct software_tpm *tpm, const char *command, char *out, size_t size)
{
	setenv("TPM2TOOLS_TCTI", tpm->tcti, 1);
	FILE *pipe = popen(command, "r");
	assert_non_null(pipe);
	size_t n = fread(out, 1, size - 1, pipe);
	out[n] = 0;
	if (pclose(pipe) != 0)
		fail_msg("failed: %s\n%s", command, out);
}

static unsigned count(const struct software_tpm *tpm, const char *what)
{
	char command[64], out[4096];
	unsigned n = 0;

	snprintf(command, sizeof(command), "tpm2_getcap %s", what);
	software_tpm_tool(tpm, command, out, sizeof(out));
	for (const char *at = out; (at = strstr(at, "0x")); at++)
		n++;
	return n;
}

unsigned software_tpm_loaded(const struct software_tpm *tpm)
{
	return count(tpm, "handles-transient") + count(tpm, "handles-loaded-session");
}
