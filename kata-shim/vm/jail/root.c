// SPDX-License-Identifier: Apache-2.0
/*
 * A tmpfs with nothing in it but places for mounts:
 *
 *	/lib → usr/lib, /usr/lib, /lib64 …   the host's, read-only: the program is linked with some of it
 *	/opt/holdfast/lib                    the same, of the programs in the image holdfast-vm
 *	/usr/bin/qemu-system-x86_64 …        what is named
 *	/dev/null, urandom, …                nodes in the tmpfs
 *	/proc                                of the new pid namespace
 *	/share, /mnt                         see root.h
 *
 * It is made before the user namespace is entered. So the mount namespace belongs to the host's root: whatever the program becomes in its
 * own user namespace, it can change no mount.
 */
#include "kata-shim/vm/jail/root.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "common/base/array.h"
#include "common/base/cleanup.h"

#define READ_ONLY (MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV)

#define OPEN_TRIES 128 /* each a few microseconds; whoever renames for longer than all of them keeps the pod from starting */

static const char *const library_paths[] = { "/usr/lib", "/usr/lib64", "/lib", "/lib64", "/etc/ld.so.cache" };
#define OWN_LIBRARIES "/opt/holdfast/lib"

/* Paths below the new root, so without their first '/'. */
static const char *below(const char *path)
{
	return path + strspn(path, "/");
}

/*
 * As the program will see it: no link leads out of `root`. Where something is renamed or mounted anywhere on the host meanwhile, the
 * kernel does not say so of a ".." (of a link such as lib64 → ../lib) and wants to be asked again: EAGAIN, openat2(2).
 */
static int open_below(int root, const char *path)
{
	const struct open_how how = { .flags = O_PATH | O_CLOEXEC, .resolve = RESOLVE_IN_ROOT };
	int fd;

	for (int i = 0; i < OPEN_TRIES; i++) {
		fd = (int)syscall(SYS_openat2, root, *below(path) ? below(path) : ".", &how, sizeof(how));
		if (fd >= 0 || errno != EAGAIN)
			break;
	}
	return fd;
}

static int mount_id(int fd, uint64_t *ret, struct error *err)
{
	struct statx at;

	if (statx(fd, "", AT_EMPTY_PATH, STATX_MNT_ID, &at) < 0)
		return error_errno(err, errno, "cannot tell a mount");
	*ret = at.stx_mnt_id;
	return 0;
}

/* All directories on the way to `path`. Links on the way are ours: /lib. */
static int make_parents(int root, const char *path, struct error *err)
{
	char part[PATH_MAX];

	for (const char *end = strchr(below(path), '/'); end; end = strchr(end + 1, '/')) {
		snprintf(part, sizeof(part), "%.*s", (int)(end - below(path)), below(path));
		if (mkdirat(root, part, 0755) < 0 && errno != EEXIST)
			return error_errno(err, errno, "cannot make its place");
	}
	return 0;
}

static int make_place(int root, const char *path, mode_t kind, struct error *err)
{
	int r = make_parents(root, path, err);

	if (r < 0)
		return r;
	if (S_ISDIR(kind))
		r = mkdirat(root, below(path), 0755);
	else
		r = mknodat(root, below(path), S_IFREG | 0444, 0);
	if (r < 0 && errno != EEXIST)
		return error_errno(err, errno, "cannot make its place");
	return 0;
}

static int attach(int root, const char *path, int tree, uint64_t attributes, struct error *err)
{
	struct mount_attr set = { .attr_set = attributes, .propagation = MS_PRIVATE };

	if (mount_setattr(tree, "", AT_EMPTY_PATH, &set, sizeof(set)) < 0)
		return error_errno(err, errno, "cannot make it read-only");
	_cleanup_close_ int place = open_below(root, path);
	if (place < 0 || move_mount(tree, "", place, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0)
		return error_errno(err, errno, "cannot mount it");
	return 0;
}

/* What is there already is there by the mount of a directory above it. */
static int is_covered(int root, const char *path, bool *ret, struct error *err)
{
	uint64_t own = 0, there = 0;

	_cleanup_close_ int place = open_below(root, path);
	*ret = false;
	if (place < 0)
		return errno == EAGAIN ? error_errno(err, errno, "cannot look at its place") : 0;
	int r = mount_id(root, &own, err);
	if (r == 0)
		r = mount_id(place, &there, err);
	*ret = own != there;
	return r;
}

static int open_copy(const char *path, int *ret_tree, struct error *err)
{
	int tree = open_tree(AT_FDCWD, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);

	if (tree < 0)
		return error_errno(err, errno, "cannot open it");
	*ret_tree = tree;
	return 0;
}

static int bring(int root, int tree, const char *path, uint64_t attributes, struct error *err)
{
	struct stat kind;

	if (fstat(tree, &kind) < 0)
		return error_errno(err, errno, "cannot look at it");
	int r = make_place(root, path, kind.st_mode, err);
	return r == 0 ? attach(root, path, tree, attributes, err) : r;
}

static int bring_path(int root, const char *path, struct error *err)
{
	_cleanup_close_ int tree = -1;
	bool covered;

	int r = is_covered(root, path, &covered, err);
	if (r < 0 || covered)
		return r;
	r = open_copy(path, &tree, err);
	return r == 0 ? bring(root, tree, path, READ_ONLY, err) : r;
}

/* /lib is a link on most hosts, and then it is one in here. */
static int bring_library(int root, const char *path, struct error *err)
{
	char to[PATH_MAX];
	ssize_t n = readlink(path, to, sizeof(to) - 1);

	if (n < 0)
		return errno == ENOENT ? 0 : bring_path(root, path, err);
	to[n] = '\0';
	if (symlinkat(below(to), root, below(path)) < 0)
		return error_errno(err, errno, "cannot make the link");
	return 0;
}

/* A link to a version's directory, which is in here under the link's name. */
static int bring_own_libraries(int root, struct error *err)
{
	int r = access(OWN_LIBRARIES, F_OK) < 0 ? 0 : bring_path(root, OWN_LIBRARIES, err);

	return r < 0 ? error_wrap(err, OWN_LIBRARIES) : 0;
}

static int bring_all(int root, const struct jail *jail, struct error *err)
{
	for (size_t i = 0; i < ELEMENTS_OF(library_paths); i++) {
		int r = bring_library(root, library_paths[i], err);
		if (r < 0)
			return error_wrap(err, "%s", library_paths[i]);
	}
	int r = bring_own_libraries(root, err);
	for (size_t i = 0; r == 0 && i < jail->n_paths; i++) {
		r = bring_path(root, jail->paths[i], err);
		if (r < 0)
			return error_wrap(err, "%s", jail->paths[i]);
	}
	return r;
}

static int make_node(int root, const char *path, mode_t mode, dev_t device, uint32_t owner, struct error *err)
{
	int r = make_parents(root, path, err);

	if (r < 0)
		return r;
	if (mknodat(root, below(path), S_IFCHR | mode, device) < 0 || fchmodat(root, below(path), mode, 0) < 0 ||
	    fchownat(root, below(path), owner, owner, AT_SYMLINK_NOFOLLOW) < 0)
		return error_errno(err, errno, "cannot make the device node %s", path);
	return 0;
}

static int make_device(int root, const char *path, uint32_t owner, struct error *err)
{
	struct stat device;

	if (stat(path, &device) < 0)
		return error_errno(err, errno, "cannot find device %s", path);
	if (!S_ISCHR(device.st_mode))
		return error_set(err, ENODEV, "%s is no character device", path);
	return make_node(root, path, 0600, device.st_rdev, owner, err);
}

static int make_devices(int root, const struct jail *jail, struct error *err)
{
	int r = make_node(root, "/dev/null", 0666, makedev(1, 3), 0, err);

	if (r == 0)
		r = make_node(root, "/dev/urandom", 0444, makedev(1, 9), 0, err);
	for (size_t i = 0; r == 0 && i < jail->n_devices; i++)
		r = make_device(root, jail->devices[i], jail->id, err);
	return r;
}

static int make_places(int root, const struct jail *jail, struct error *err)
{
	int r = make_place(root, ROOT_SCRATCH, S_IFDIR, err);

	return r == 0 && jail->proc ? make_place(root, "/proc", S_IFDIR, err) : r;
}

/* The old root is mounted on top of the new one for a moment (pivot_root(2)). */
static int go_in(int root, struct error *err)
{
	if (fchdir(root) < 0 || syscall(SYS_pivot_root, ".", ".") < 0)
		return error_errno(err, errno, "cannot make the new root ours");
	if (umount2(".", MNT_DETACH) < 0 || chdir("/") < 0)
		return error_errno(err, errno, "cannot leave the host's root");
	return 0;
}

static int finish(const struct jail *jail, struct error *err)
{
	const unsigned long quiet = MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC;
	struct mount_attr read_only = { .attr_set = MOUNT_ATTR_RDONLY };

	if (jail->proc && mount("proc", "/proc", "proc", quiet, jail->proc_all ? "hidepid=2" : "hidepid=2,subset=pid") < 0)
		return error_errno(err, errno, "cannot mount /proc of its pid namespace");
	if (mount_setattr(AT_FDCWD, "/", 0, &read_only, sizeof(read_only)) < 0)
		return error_errno(err, errno, "cannot make the new root read-only");
	return 0;
}

static int start(const char *directory, int *ret_root, struct error *err)
{
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return error_errno(err, errno, "cannot part from the host's mounts");
	if (mount("jail", directory, "tmpfs", MS_NOSUID | MS_NOEXEC, "size=64k,nr_inodes=512,mode=755") < 0)
		return error_errno(err, errno, "cannot mount a tmpfs at %s", directory);
	int root = open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (root < 0)
		return error_errno(err, errno, "cannot open %s", directory);
	*ret_root = root;
	return 0;
}

int root_enter(const struct jail *jail, struct error *err)
{
	_cleanup_close_ int root = -1, share = -1;

	umask(0);
	int r = jail->share ? open_copy(jail->share, &share, err) : 0; /* before the tmpfs covers it */
	if (r < 0)
		return error_wrap(err, "%s", jail->share);
	r = start(jail->root, &root, err);
	if (r == 0)
		r = bring_all(root, jail, err);
	if (r == 0 && jail->share)
		r = bring(root, share, ROOT_SHARE, READ_ONLY | MOUNT_ATTR_NOEXEC, err);
	if (r == 0)
		r = make_devices(root, jail, err);
	if (r == 0)
		r = make_places(root, jail, err);
	if (r == 0)
		r = go_in(root, err);
	return r == 0 ? finish(jail, err) : r;
}
