// SPDX-License-Identifier: Apache-2.0
/*
 * overlayfs takes its layers by path, and takes only mounts of the namespace that it is mounted in. So they are put below ROOT_SCRATCH for
 *that moment, with names so short that many fit into the page that mount(2) takes:
 *
 *	/mnt/0, /mnt/1, …    the lower layers, idmapped, read-only
 *	/mnt/u/fs, u/work    the upper one, idmapped
 *
 * overlayfs keeps copies of them for itself, and /mnt is let go.
 *
 * It does everything to its layers as who mounted it. Through idmapped layers only the pod's ids can make a file; so the mounter's files
 *are the pod's root's (setfsuid), while its capabilities stay the host's root's: without them it could set no trusted.overlay.* attribute.
 */
#include "kata-shim/vm/share/overlay_mount.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "kata-shim/vm/jail/root.h"
#include "kata-shim/vm/share/idmap.h"

#define OPTIONS_MAX 4095 /* a page, with its NUL */

/* ── on the host ── */

static int open_layer(const char *path, int user_namespace, bool read_only, int *ret, struct error *err)
{
	_cleanup_close_ int fd = -1;
	mode_t kind;

	int r = idmap_open(path, &fd, &kind, err);
	if (r == 0 && !S_ISDIR(kind))
		r = error_set(err, ENOTDIR, "layer %s is no directory", path);
	return r == 0 ? idmap_clone(fd, path, user_namespace, read_only, false, ret, err) : r;
}

int layers_open(const struct overlay *overlay, const struct ids *ids, int user_namespace, struct layers *ret, struct error *err)
{
	struct layers layers = { .overlay = overlay, .ids = ids, .parent = -1, .lower = calloc(overlay->n_lower, sizeof(int)) };
	int r = 0;

	if (!layers.lower)
		return error_nomem(err);
	for (size_t i = 0; i < overlay->n_lower; i++)
		layers.lower[i] = -1;
	for (size_t i = 0; r == 0 && i < overlay->n_lower; i++)
		r = open_layer(overlay->lower[i], user_namespace, true, &layers.lower[i], err);
	if (r == 0 && overlay->parent)
		r = open_layer(overlay->parent, user_namespace, false, &layers.parent, err);
	if (r < 0) {
		layers_close(&layers);
		return r;
	}
	*ret = layers;
	return 0;
}

void layers_close(struct layers *layers)
{
	for (size_t i = 0; i < layers->overlay->n_lower; i++)
		cleanup_close(&layers->lower[i]);
	cleanup_close(&layers->parent);
	free(layers->lower);
}

/* ── in the jail ── */

static int put_layer(int tree, const char *name, struct error *err)
{
	if (mkdir(name, 0755) < 0 || move_mount(tree, "", AT_FDCWD, name, MOVE_MOUNT_F_EMPTY_PATH) < 0)
		return error_errno(err, errno, "cannot put a layer to its place");
	return 0;
}

static int put_layers(const struct layers *layers, struct error *err)
{
	char name[24];
	int r = 0;

	for (size_t i = 0; r == 0 && i < layers->overlay->n_lower; i++) {
		snprintf(name, sizeof(name), "%zu", i);
		r = put_layer(layers->lower[i], name, err);
	}
	return r == 0 && layers->parent >= 0 ? put_layer(layers->parent, "u", err) : r;
}

static int print_options(const struct overlay *overlay, struct buf *out, struct error *err)
{
	for (size_t i = 0; i < overlay->n_lower; i++)
		buf_printf(out, "%s%zu", i ? ":" : "lowerdir=", i);
	if (overlay->upper)
		buf_printf(out, ",upperdir=u/%s,workdir=u/%s", overlay->upper, overlay->work);
	buf_slice(out, buf_view(&overlay->others));
	return buf_check(out, "the options of its overlay", err);
}

/* setfsuid takes the capabilities for files away, and they are taken back. */
static int own_files_as(uint32_t id, struct error *err)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct words[_LINUX_CAPABILITY_U32S_3];

	syscall(SYS_setfsgid, id);
	syscall(SYS_setfsuid, id);
	if (syscall(SYS_capget, &header, words) < 0)
		return error_errno(err, errno, "cannot read capabilities");
	for (size_t i = 0; i < _LINUX_CAPABILITY_U32S_3; i++)
		words[i].effective = words[i].permitted;
	if (syscall(SYS_capset, &header, words) < 0)
		return error_errno(err, errno, "cannot keep capabilities");
	return 0;
}

static int mount_here(const struct layers *layers, const char *target, struct error *err)
{
	const unsigned long flags = MS_NOSUID | MS_NODEV | MS_NOEXEC | (layers->overlay->read_only ? MS_RDONLY : 0);
	_cleanup_(buf_free) struct buf options = BUF_MAX(OPTIONS_MAX);

	int r = put_layers(layers, err);
	if (r == 0)
		r = print_options(layers->overlay, &options, err);
	if (r == 0)
		r = own_files_as(layers->ids->pod, err);
	if (r == 0 && mount("overlay", target, "overlay", flags, buf_text(&options)) < 0)
		r = error_errno(err, errno,
				"cannot mount an overlay of its %zu layers, which needs Linux 5.19; the kernel's log (dmesg) says why",
				layers->overlay->n_lower);
	return r;
}

int layers_mount(const struct layers *layers, const char *target, struct error *err)
{
	if (mount("layers", ROOT_SCRATCH, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "size=64k,nr_inodes=1k,mode=755") < 0)
		return error_errno(err, errno, "cannot mount a tmpfs for layers");
	int r = chdir(ROOT_SCRATCH) < 0 ? error_errno(err, errno, "cannot enter it") : mount_here(layers, target, err);
	if (umount2(ROOT_SCRATCH, MNT_DETACH) < 0 && r == 0)
		r = error_errno(err, errno, "cannot let go of the layers");
	return r;
}
