// SPDX-License-Identifier: Apache-2.0
/*
 * Who has taken over a guest, at its host's files: in a container with the capabilities of the guest's root, says of each attempt
 * "<name> <errno, or done>".
 *
 *	/own, /other    writable volumes
 *	/fixed          a read-only one
 *	/again          the same, since it is the newest part of the share, as mounting the share gives it: without any flag of the guest's
 *	/               the container's root, an overlay
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/xattr.h>
#include <unistd.h>

#define HANDLES 2000

static void told(const char *name, int r)
{
	printf("%s %s\n", name, r < 0 ? strerrorname_np(errno) : "done");
}

static int try_open(const char *path, int flags)
{
	int fd = open(path, flags | O_NONBLOCK, 0600);

	if (fd >= 0)
		close(fd);
	return fd < 0 ? -1 : 0;
}

static int write_into(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT, 0600);
	ssize_t n = fd < 0 ? -1 : write(fd, "attacked", 8);
	int code = errno;

	if (fd >= 0)
		close(fd);
	errno = code;
	return n < 0 ? -1 : 0;
}

static void become_others(void)
{
	told("make-a-file", write_into("/own/mine"));
	told("give-to-the-last-id", chown("/own/mine", 65535, 65535));
	told("give-beyond-the-last-id", chown("/own/mine", 65536, 65536));
	told("give-to-the-id-on-the-host", chown("/own/mine", 0x70000000, 0x70000000));
	told("give-to-an-id-that-wraps-to-0", chown("/own/mine", (uid_t)-0x70000000, (gid_t)-0x70000000));
	told("give-to-a-large-id", chown("/own/mine", 1000660000, 1000660000));
	told("read-a-foreign-file", try_open("/own/foreign", O_RDONLY));
	told("write-a-foreign-file", write_into("/own/foreign"));
	told("take-a-foreign-file", chown("/own/foreign", 0, 0));
	told("open-a-foreign-file-to-all", chmod("/own/foreign", 0777));
	told("make-a-program", write_into("/own/program"));
	told("set-its-user-id", chmod("/own/program", 06755));
}

static void make_special_files(void)
{
	told("make-a-character-device", mknod("/own/made-device", S_IFCHR | 0666, makedev(1, 1)));
	told("make-a-disk", mknod("/own/made-disk", S_IFBLK | 0666, makedev(254, 0)));
	told("make-a-device-in-the-root", mknod("/made-device", S_IFCHR | 0666, makedev(1, 1)));
	told("make-a-pipe", mkfifo("/own/made-pipe", 0666));
	told("make-a-socket", mknod("/own/made-socket", S_IFSOCK | 0666, 0));
}

static void follow_links(void)
{
	told("make-a-link-to-the-host", symlink("/etc/shadow", "/own/made-link"));
	told("follow-it", try_open("/own/made-link", O_RDONLY));
	told("follow-the-hosts-link", try_open("/own/out", O_RDONLY));
	told("write-through-the-hosts-link", write_into("/own/up/planted"));
	told("go-up", try_open("/own/../outside/secret", O_RDONLY));
	told("go-up-from-the-share", try_open("/again/../outside/secret", O_RDONLY));
}

static void cross_mounts(void)
{
	told("link-to-another-volume", link("/own/mine", "/other/linked"));
	told("link-from-a-read-only-volume", link("/again/file", "/own/linked"));
	told("link-into-the-root", link("/own/mine", "/linked"));
	told("move-to-another-volume", rename("/own/mine", "/other/moved"));
	told("move-into-a-read-only-volume", rename("/own/mine", "/again/moved"));
	told("exchange-volumes", renameat2(AT_FDCWD, "/own", AT_FDCWD, "/again", RENAME_EXCHANGE));
}

static int has_left(int fd)
{
	return faccessat(fd, "secret", F_OK, 0) == 0 || faccessat(fd, "outside/secret", F_OK, 0) == 0 ||
	       faccessat(fd, "../outside/secret", F_OK, 0) == 0;
}

/* A handle of FUSE's is the number that virtiofsd has given the file, and a generation. */
static int open_number(int mount, uint64_t number)
{
	_Alignas(struct file_handle) char space[sizeof(struct file_handle) + 12];
	struct file_handle *handle = (struct file_handle *)space;
	const uint32_t words[3] = { (uint32_t)(number >> 32), (uint32_t)number, 0 };

	handle->handle_bytes = sizeof(words);
	handle->handle_type = 0x81;
	memcpy(handle->f_handle, words, sizeof(words));
	return open_by_handle_at(mount, handle, O_PATH);
}

static void guess_handles(void)
{
	int again = open("/again", O_RDONLY | O_DIRECTORY), opened = 0, left = 0;

	for (uint64_t number = 0; number < HANDLES; number++) {
		int fd = open_number(again, number);

		if (fd < 0)
			continue;
		opened++;
		left += has_left(fd);
		close(fd);
	}
	printf("handles-of-the-share %s\n", opened > 0 ? "some" : "none");
	printf("handles-of-what-is-outside %d\n", left);
	told("a-handle-that-nobody-gave", open_number(again, UINT64_MAX / 2));
	close(again);
}

static void set_attributes(void)
{
	/* Version 2, all capabilities, effective. */
	static const uint32_t capability[5] = { 0x02000001, 0xffffffff, 0, 0xffffffff, 0 };

	told("user-attribute", setxattr("/own/program", "user.x", "x", 1, 0));
	told("trusted-attribute", setxattr("/own/program", "trusted.x", "x", 1, 0));
	told("security-attribute", setxattr("/own/program", "security.x", "x", 1, 0));
	told("file-capabilities", setxattr("/own/program", "security.capability", capability, sizeof(capability), 0));
	told("overlay-attribute", setxattr("/directory", "trusted.overlay.redirect", "/../../outside", 14, 0));
	told("overlay-attribute-as-a-user", setxattr("/directory", "user.overlay.redirect", "/../../outside", 14, 0));
}

static void write_what_is_read_only(void)
{
	told("remount-the-volume", mount(NULL, "/fixed", NULL, MS_REMOUNT | MS_BIND, NULL));
	told("write", write_into("/fixed/file"));
	told("write-again", write_into("/again/file"));
	told("make", mkdir("/again/made", 0700));
	told("remove", unlink("/again/file"));
	told("chmod", chmod("/again/file", 0777));
	told("chown", chown("/again/file", 1, 1));
	told("attribute", setxattr("/again/file", "user.x", "x", 1, 0));
	told("times", utimensat(AT_FDCWD, "/again/file", NULL, 0));
	told("truncate", truncate("/again/file", 0));
}

static int connect_to(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	strcpy(address.sun_path, path);
	int r = connect(fd, (struct sockaddr *)&address, sizeof(address));
	int code = errno;
	close(fd);
	errno = code;
	return r;
}

static void open_special_files(void)
{
	told("read-the-hosts-pipe", try_open("/own/pipe", O_RDONLY));
	told("write-the-hosts-pipe", try_open("/own/pipe", O_WRONLY));
	told("the-hosts-device", try_open("/own/device", O_RDWR));
	told("the-hosts-socket", connect_to("/own/socket"));
}

int main(void)
{
	if (mount("kataShared", "/again", "virtiofs", 0, NULL) < 0) {
		perror("/again");
		return 1;
	}
	become_others();
	make_special_files();
	follow_links();
	cross_mounts();
	guess_handles();
	set_attributes();
	write_what_is_read_only();
	told("write-the-images-file", write_into("/image-file"));
	told("remove-the-images-directory", rmdir("/directory"));
	open_special_files();
	told("is-served", write_into("/own/last"));
	return 0;
}
