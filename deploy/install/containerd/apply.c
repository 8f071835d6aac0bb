// SPDX-License-Identifier: Apache-2.0
#include "deploy/install/containerd/apply.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>

#include "common/base/file.h"
#include "common/base/show.h"
#include "deploy/install/host/host.h"

#define PROC_STAT_MAX 4096 /* bytes: 52 numbers and a name of 64 */
#define MODE_NEW 0644      /* as containerd's packages have it */

static int parse_version(const char *text, struct containerd_site *ret, struct error *err)
{
	if (sscanf(text + (*text == 'v'), "%u.%u.%u", &ret->major, &ret->minor, &ret->patch) == 3 && (ret->major >= 2 || ret->minor >= 6))
		return 0;
	return error_set(err, EINVAL,
			 "\"%s\" is no version of containerd that Holdfast knows: 1.6 and later, as `containerd --version` says it",
			 SHOW(slice_string(text)));
}

static int read_extras(const char *root, struct containerd_site *site, struct error *err)
{
	char drop_in[PATH_MAX];
	const char *const paths[CONTAINERD_EXTRAS] = {
		[CONTAINERD_TEMPLATE_V2] = site->layout->template_v2,
		[CONTAINERD_TEMPLATE_V3] = site->layout->template_v3,
		[CONTAINERD_DROP_IN] = drop_in,
	};
	bool found;
	int r = 0;

	containerd_drop_in(site->layout, drop_in);
	for (size_t i = 0; r == 0 && i < CONTAINERD_EXTRAS; i++) {
		if (paths[i])
			r = containerd_file_read(root, paths[i], &site->extras[i], &found, err);
	}
	return r;
}

int containerd_site_read(const char *root, const struct containerd_layout *layout, const char *config, const char *version,
			 struct containerd_layout *ret_layout, struct containerd_site *ret, struct error *err)
{
	*ret_layout = *(layout ? layout : containerd_layout_of(root));
	if (config)
		ret_layout->config = config;
	*ret = (struct containerd_site){ .layout = ret_layout };
	int r = parse_version(version, ret, err);
	r = r < 0 ? r : containerd_files_read(root, ret_layout->config, &ret->files, err);
	return r < 0 ? r : read_extras(root, ret, err);
}

void containerd_site_clear(struct containerd_site *site)
{
	containerd_files_clear(&site->files);
	for (size_t i = 0; i < CONTAINERD_EXTRAS; i++)
		containerd_file_clear(&site->extras[i]);
}

/* Of the host's path; a link (as on NixOS) is followed, so that it stays one. */
static int real_path(const char *root, const char *path, char ret[static PATH_MAX], struct error *err)
{
	char whole[PATH_MAX];

	int r = containerd_host_path(root, path, whole, err);
	if (r < 0)
		return r;
	if (*root || !realpath(whole, ret)) /* below a root it has been followed */
		memcpy(ret, whole, sizeof(whole));
	return 0;
}

static int make_folder_of(const char *path, struct error *err)
{
	char folder[PATH_MAX];

	snprintf(folder, sizeof(folder), "%.*s", (int)(strrchr(path, '/') - path), path);
	return file_make_directory(folder, 0755, err);
}

/* If nobody has put anything else there. */
static void remove_folder_of(char path[static PATH_MAX])
{
	char *name = strstr(path, "/conf.d/" CONTAINERD_DROP_IN_NAME);

	if (name) {
		name[strlen("/conf.d")] = 0;
		rmdir(path);
	}
}

static int remove_file(char path[static PATH_MAX], struct error *err)
{
	int r = host_remove(path, err);
	if (r == 0)
		remove_folder_of(path);
	return r;
}

void containerd_tidy(const char *root, const char *path)
{
	char real[PATH_MAX], temporary[PATH_MAX];

	if (real_path(root, path, real, NULL) < 0 || host_new_name(real, temporary, NULL) < 0)
		return;
	unlink(temporary);
	if (access(real, F_OK) < 0)
		remove_folder_of(real);
}

static int apply_change(const char *root, const struct containerd_change *change, struct error *err)
{
	char path[PATH_MAX];
	struct stat stat_now;

	int r = real_path(root, change->path, path, err);
	if (r < 0)
		return r;
	if (!change->text)
		return remove_file(path, err);
	const struct stat *like = stat(path, &stat_now) == 0 ? &stat_now : NULL;
	r = make_folder_of(path, err);
	r = r < 0 ? r : host_prepare(path, slice_string(change->text), MODE_NEW, like, err);
	return r < 0 ? r : host_commit(path, err);
}

int containerd_plan_apply(const char *root, const struct containerd_plan *plan, struct error *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < plan->n; i++)
		r = apply_change(root, &plan->changes[i], err);
	return r;
}

static int64_t ns(struct timespec time)
{
	return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

/*
 * When a process was started, in nanoseconds since 1970, to a tick (10 ms); 0: it cannot be seen. Field 22 of /proc/<pid>/stat (proc(5))
 * counts from boot.
 */
static int64_t started(pid_t pid)
{
	_cleanup_(buf_free) struct buf text = BUF_MAX(PROC_STAT_MAX);
	unsigned long long ticks;
	struct timespec real, boot;
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	const char *rest = file_read(path, &text, NULL) == 0 ? strrchr(buf_text(&text), ')') : NULL;
	if (!rest || sscanf(rest, ") %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d %llu", &ticks) != 1)
		return 0;
	clock_gettime(CLOCK_REALTIME, &real);
	clock_gettime(CLOCK_BOOTTIME, &boot);
	return ns(real) - ns(boot) + (int64_t)ticks * (1000000000 / sysconf(_SC_CLK_TCK));
}

/* The process that listens on `socket_path`; 0: nobody does. */
static pid_t listener(const char *root, const char *socket_path)
{
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	char path[PATH_MAX];
	struct ucred peer;
	socklen_t n = sizeof(peer);

	if (containerd_host_path(root, socket_path, path, NULL) < 0 || strlen(path) >= sizeof(address.sun_path))
		return 0;
	memcpy(address.sun_path, path, strlen(path));
	if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ||
	    getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &n) < 0)
		return 0;
	return peer.pid;
}

bool containerd_is_behind(const char *root, const struct containerd_site *site)
{
	pid_t pid = listener(root, site->layout->socket);
	int64_t since = pid > 0 ? started(pid) : 0;

	for (size_t i = 0; since && i < site->files.n; i++) {
		char path[PATH_MAX];
		struct stat file;

		if (real_path(root, site->files.items[i].path, path, NULL) == 0 && stat(path, &file) == 0 && ns(file.st_mtim) >= since)
			return true;
	}
	return false;
}

int containerd_socket(const char *root, const struct containerd_site *site, char ret[static PATH_MAX], struct error *err)
{
	return containerd_host_path(root, site->layout->socket, ret, err);
}

/* Not its process: a container does not see the node's. Not a time that is compared: clocks are set. */
void containerd_run(const char *socket, char *ret, size_t size)
{
	struct stat file;

	*ret = 0;
	if (stat(socket, &file) == 0)
		snprintf(ret, size, "%ju:%jd.%09ld", (uintmax_t)file.st_ino, (intmax_t)file.st_mtim.tv_sec, file.st_mtim.tv_nsec);
}
