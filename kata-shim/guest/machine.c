// SPDX-License-Identifier: Apache-2.0
/*
 * The order is that of need: without /dev there is no console, and without a console nobody hears why. Nothing waits: what the kernel makes
 * later (a virtio port) is waited for by who needs it.
 */
#include "kata-shim/guest/machine.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/reboot.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <termios.h>

#include "common/base/array.h"
#include "common/base/file.h"
#include "kata-shim/guest/files.h"

#define MODULES "/modules"
#define FILES_MAX (1 << 20)

struct place {
	const char *path, *type;
	unsigned long flags;
	const char *options;
	mode_t mode;
};

static const struct place dev = { "/dev", "devtmpfs", MS_NOSUID | MS_NOEXEC, "mode=0755", 0755 };

static const struct place places[] = {
	{ "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL, 0555 },
	{ "/sys", "sysfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL, 0555 },
	{ "/sys/fs/cgroup", "cgroup2", MS_NOSUID | MS_NODEV | MS_NOEXEC, "nsdelegate", 0555 },
	{ "/dev/pts", "devpts", MS_NOSUID | MS_NOEXEC, "gid=5,mode=0620,ptmxmode=0666", 0755 },
	{ "/dev/shm", "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=1777", 01777 },
	{ "/run", "tmpfs", MS_NOSUID | MS_NODEV, "mode=0755", 0755 },
	{ "/tmp", "tmpfs", MS_NOSUID | MS_NODEV, "mode=1777", 01777 },
};

static int mount_place(const struct place *place, struct error *err)
{
	if (mkdir(place->path, place->mode) < 0 && errno != EEXIST)
		return error_errno(err, errno, "cannot make %s", place->path);
	if (mount(place->type, place->path, place->type, place->flags, place->options) < 0)
		return error_errno(err, errno, "cannot mount %s on %s", place->type, place->path);
	return 0;
}

int machine_open_console(struct error *err)
{
	int r = mount_place(&dev, err);

	if (r < 0)
		return r;
	int fd = open("/dev/console", O_RDWR | O_NOCTTY | O_NONBLOCK);
	if (fd < 0)
		return error_errno(err, errno, "cannot open /dev/console");
	for (int i = 0; i < 3; i++)
		dup2(fd, i);
	if (fd > 2)
		close(fd);
	return 0;
}

/*
 * pivot_root(2) refuses to leave the root of the initial file system, which is mounted on nothing. A second mount of the same files on top
 * of it can be left, and costs nothing.
 */
static int make_root_ordinary(struct error *err)
{
	if (mkdir("/root", 0700) < 0 && errno != EEXIST)
		return error_errno(err, errno, "cannot make /root");
	if (mount("/", "/root", NULL, MS_BIND | MS_REC, NULL) < 0)
		return error_errno(err, errno, "cannot mount / on /root");
	if (chdir("/root") < 0 || mount(".", "/", NULL, MS_MOVE, NULL) < 0 || chroot(".") < 0 || chdir("/") < 0)
		return error_errno(err, errno, "cannot make a root that containers can leave");
	return 0;
}

/* One that cannot be enabled is one that containers do without: its limits are refused then by who sets them. */
static int enable_controllers(struct error *err)
{
	_cleanup_(buf_free) struct buf text = BUF_MAX(4096);
	char *rest = NULL;

	int r = file_read("/sys/fs/cgroup/cgroup.controllers", &text, err);
	if (r < 0)
		return r;
	buf_byte(&text, '\n');
	r = buf_check(&text, "/sys/fs/cgroup/cgroup.controllers", err);
	if (r < 0)
		return r;
	for (char *name = strtok_r((char *)text.p, " \n", &rest); name; name = strtok_r(NULL, " \n", &rest)) {
		char word[64];

		snprintf(word, sizeof(word), "+%s", name);
		r = file_put("/sys/fs/cgroup/cgroup.subtree_control", word, err);
		if (r < 0)
			return r;
	}
	return 0;
}

/* Addresses are the host's word alone, and nobody else has them: neither routers are listened to nor is anybody asked. */
static int quieten_ipv6(struct error *err)
{
	static const char *const files[] = { "accept_ra", "accept_dad" };
	char path[64];
	int r = 0;

	for (size_t i = 0; r == 0 && i < ELEMENTS_OF(files); i++) {
		snprintf(path, sizeof(path), "/proc/sys/net/ipv6/conf/default/%s", files[i]);
		r = access(path, F_OK) == 0 ? file_put(path, "0", err) : 0; /* ipv6.disable=1 */
	}
	return r;
}

int machine_mount(struct error *err)
{
	const struct rlimit files = { FILES_MAX, FILES_MAX };

	int r = make_root_ordinary(err);
	for (size_t i = 0; r == 0 && i < ELEMENTS_OF(places); i++)
		r = mount_place(&places[i], err);
	if (r < 0)
		return r;
	/* As any distribution's init has it. */
	if (mount(NULL, "/", NULL, MS_REC | MS_SHARED, NULL) < 0)
		return error_errno(err, errno, "cannot share the mounts");
	if (setrlimit(RLIMIT_NOFILE, &files) < 0)
		return error_errno(err, errno, "cannot have %d files open", FILES_MAX);
	r = quieten_ipv6(err);
	return r < 0 ? r : enable_controllers(err);
}

static int load_module(int directory, const char *name, struct error *err)
{
	_cleanup_close_ int fd = openat(directory, name, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return error_errno(err, errno, "cannot open " MODULES "/%s", name);
	if (syscall(SYS_finit_module, fd, "", 0) < 0 && errno != EEXIST)
		return error_errno(err, errno, "cannot load the kernel module " MODULES "/%s: the image was not built for this kernel?",
				   name);
	unlinkat(directory, name, 0);
	return 0;
}

static int is_module(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

int machine_load_modules(struct error *err)
{
	struct dirent **entries = NULL;
	int n = scandir(MODULES, &entries, is_module, alphasort), r = 0;

	if (n < 0)
		return errno == ENOENT ? 0 : error_errno(err, errno, "cannot read " MODULES);
	_cleanup_close_ int directory = open(MODULES, O_PATH | O_DIRECTORY | O_CLOEXEC);
	for (int i = 0; i < n; i++) {
		if (r == 0)
			r = load_module(directory, entries[i]->d_name, err);
		free(entries[i]);
	}
	free(entries);
	return r;
}

void machine_power_off(void)
{
	sync();
	tcdrain(STDERR_FILENO);
	reboot(LINUX_REBOOT_CMD_POWER_OFF);
	_exit(EXIT_FAILURE); /* the kernel panics: that ends the machine, too */
}
