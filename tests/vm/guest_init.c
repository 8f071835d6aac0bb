// SPDX-License-Identifier: Apache-2.0
/*
 * A guest's process 1 that does one thing, which `mode=` on the kernel's command line says; in place of the agent, in a kernel and with
 * modules that are those of our guest. Where Kata's agent is there, it becomes that.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tests/vm/guest_kata.h"

static void make_place(const char *type, const char *path)
{
	mkdir(path, 0755);
	mount(type, path, type, 0, NULL);
}

/* /modules/list has their paths, in order. */
static void load_modules(void)
{
	FILE *list = fopen("/modules/list", "r");
	char path[256];

	while (list && fscanf(list, "%255s", path) == 1) {
		const int fd = open(path, O_RDONLY);
		if (fd < 0 || syscall(SYS_finit_module, fd, "", 0) < 0)
			perror(path);
		close(fd);
	}
}

static void say_first_line(const char *path)
{
	FILE *file = fopen(path, "r");
	char line[128] = "";

	if (file && fgets(line, sizeof(line), file))
		printf("guest: %s: %s", path, line);
	if (file)
		fclose(file);
}

static void tick(void)
{
	for (unsigned i = 0;; i++) {
		printf("guest: tick %u\n", i);
		usleep(20 * 1000);
	}
}

static void flood(void)
{
	for (;;)
		puts("guest: a line that is written again and again, as fast as it can be \033[31m");
}

static void show_memory(void)
{
	for (;;) {
		say_first_line("/proc/meminfo");
		usleep(50 * 1000);
	}
}

static void show_cpus(void)
{
	FILE *online;

	say_first_line("/sys/devices/system/cpu/online");
	online = fopen("/sys/devices/system/cpu/cpu1/online", "w");
	if (online) {
		fputs("1", online);
		fclose(online);
	}
	say_first_line("/sys/devices/system/cpu/online");
}

int main(void)
{
	const char *mode = getenv("mode");

	mode = mode ? mode : "sleep";
	setlinebuf(stdout);
	make_place("devtmpfs", "/dev");
	make_place("proc", "/proc");
	make_place("sysfs", "/sys");
	load_modules();
	if (access(GUEST_KATA, X_OK) == 0)
		guest_become_kata();
	printf("guest: %s\n", mode);
	if (strcmp(mode, "panic") == 0)
		return 7;
	if (strcmp(mode, "off") == 0)
		reboot(RB_POWER_OFF);
	if (strcmp(mode, "restart") == 0)
		reboot(RB_AUTOBOOT);
	if (strcmp(mode, "tick") == 0)
		tick();
	if (strcmp(mode, "flood") == 0)
		flood();
	if (strcmp(mode, "memory") == 0)
		show_memory();
	if (strcmp(mode, "cpus") == 0)
		show_cpus();
	for (;;)
		pause();
}
