// SPDX-License-Identifier: Apache-2.0
/* What every daemon finds when it starts. */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/timex.h>
#include <time.h>

#include "common/base/cleanup.h"
#include "common/checkup/checkup.h"

#define STATE_BYTES_MIN (16ull * 1024 * 1024)
#define WRITTEN INT64_C(1767225600) /* 2026-01-01: this program is younger */

static void look_at(struct checkup *checkup, const char *shown, const char *path, const char *consequence)
{
	struct stat status;
	struct statvfs system;

	if (stat(path, &status) < 0)
		checkup_ok(checkup, "%s is not there yet; it will be made", shown);
	else if (!S_ISDIR(status.st_mode) || status.st_uid != 0 || (status.st_mode & 022))
		checkup_fail(checkup, "chown root and chmod 700 it", "%s is no directory that root alone can write", shown);
	else if (statvfs(path, &system) < 0)
		checkup_fail(checkup, "look at its file system", "%s cannot be looked at: %s", shown, strerror(errno));
	else if (system.f_flag & ST_RDONLY)
		checkup_fail(checkup, "mount it to be written, or name another place in holdfast.yaml", "%s is on a read-only file system",
			     shown);
	else if ((unsigned long long)system.f_bavail * (unsigned long long)system.f_frsize < STATE_BYTES_MIN)
		checkup_fail(checkup, "make room", "%s has less than %llu MiB free: %s", shown, STATE_BYTES_MIN >> 20, consequence);
	else
		checkup_ok(checkup, "%s can be written", shown);
}

void checkup_directory(struct checkup *checkup, const char *shown, const char *consequence)
{
	_cleanup_free_ char *path = checkup_path(checkup, shown);

	if (path)
		look_at(checkup, shown, path, consequence);
	else
		checkup->lost = true;
}

void checkup_clock(struct checkup *checkup)
{
	struct timex clock = { 0 };
	int state = adjtimex(&clock);

	if (time(NULL) < WRITTEN)
		checkup_fail(checkup, "set the clock: timedatectl set-ntp true, or date -s",
			     "the clock says a time before this program was written: the API "
			     "server's certificate will be refused as not valid yet");
	else if (state == TIME_ERROR)
		checkup_warn(checkup, "let chrony or systemd-timesyncd run",
			     "the clock is not synchronised: events and logs of this node may lie");
	else
		checkup_ok(checkup, "the clock is synchronised");
}
