// SPDX-License-Identifier: Apache-2.0
/* Plaintext is on a tmpfs and in locked memory; neither may come to a disk. What the kernel can is found out by asking it for it. */
#include <errno.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>

#include "common/base/cleanup.h"
#include "device-plugin/check/checks.h"
#include "device-plugin/daemon/confine.h"

/* A file system that is made and never mounted. 0, or a positive errno. */
static int try_tmpfs_without_swap(void)
{
	_cleanup_close_ int fd = fsopen("tmpfs", FSOPEN_CLOEXEC);

	if (fd < 0 || fsconfig(fd, FSCONFIG_SET_FLAG, "noswap", NULL, 0) < 0 || fsconfig(fd, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return errno;
	return 0;
}

void check_volumes(struct checkup *checkup)
{
	int code = try_tmpfs_without_swap();

	if (code == 0)
		checkup_ok(checkup, "secrets lie on a tmpfs that the kernel never swaps");
	else if (code == EPERM)
		checkup_warn(checkup, "run this as root", "cannot find out whether this kernel has a tmpfs that is never swapped");
	else
		checkup_ok(checkup,
			   "this kernel has no tmpfs without swap (%s; Linux 6.4 has): secrets lie on ramfs, which is never swapped either",
			   strerror(code));
}

static bool swap_is_on(const struct checkup *checkup)
{
	_cleanup_(buf_free) struct buf text = BUF_MAX(64 * 1024);

	if (!checkup_read(checkup, "/proc/swaps", &text))
		return false;
	const char *rest = strchr(buf_text(&text), '\n'); /* behind the line of titles */
	return rest && rest[1];
}

/* The device that the kernel resumes from; "0:0": it does not. */
static bool hibernation_is_set_up(const struct checkup *checkup)
{
	_cleanup_(buf_free) struct buf resume = BUF_MAX(64);

	return checkup_read(checkup, "/sys/power/resume", &resume) && strncmp(buf_text(&resume), "0:0", 3) != 0;
}

void check_swap(struct checkup *checkup)
{
	if (!swap_is_on(checkup))
		checkup_ok(checkup, "there is no swap");
	else if (hibernation_is_set_up(checkup))
		checkup_warn(checkup, "systemctl mask hibernate.target hybrid-sleep.target suspend-then-hibernate.target",
			     "this machine can hibernate: the image of its memory on the disk would have the secrets in it");
	else
		checkup_ok(checkup, "swap is on; neither the secrets' volumes nor the daemon's locked memory go there");
}

/* As far as this process tells: the daemon may have been started with other limits. */
void check_locked_memory(struct checkup *checkup)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_MEMLOCK, &limit) == 0 && limit.rlim_max < CONFINE_LOCKED_MEMORY)
		checkup_warn(checkup, "LimitMEMLOCK=8M in its unit, or ulimit -l 8192",
			     "only %llu KiB of memory may be locked here: the daemon needs %llu MiB for keys, and does not start with less",
			     (unsigned long long)limit.rlim_max >> 10, (unsigned long long)CONFINE_LOCKED_MEMORY >> 20);
	else
		checkup_ok(checkup, "%llu MiB of memory for keys may be locked", (unsigned long long)CONFINE_LOCKED_MEMORY >> 20);
}
