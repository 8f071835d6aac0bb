// SPDX-License-Identifier: Apache-2.0
#include "tests/vm/agent_root.h"

#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/array.h"
#include "common/base/file.h"
#include "tests/vm/agent_world.h"

#define BUSYBOX "/bin/busybox"
#define GUEST_ROOT "/run/kata-containers/shared/containers/busybox"
#define PIECE (1024 * 1024)

static const char *const folders[] = { "bin", "dev", "etc", "proc", "sys", "tmp", "run", "data" };
static const char *const commands[] = { "sh",    "cat",    "echo",  "sleep", "stty",  "ps",   "id",       "ls",
					"dd",    "env",    "yes",   "true",  "false", "kill", "head",     "wc",
					"mkdir", "touch",  "tty",   "pwd",   "grep",  "tr",   "hostname", "md5sum",
					"mount", "umount", "nproc", "test",  "date",  "ipcs", "readlink", "mknod",
					"nc" };

static char root[256];

const char *agent_root(void)
{
	return root;
}

static void copy(const char *name, mode_t type, struct slice content, int64_t size, int64_t offset)
{
	Agent__CopyFileRequest request = AGENT__COPY_FILE_REQUEST__INIT;
	char path[512];

	snprintf(path, sizeof(path), "%s/%s", root, name);
	request.path = path;
	request.file_mode = type | 0755;
	request.dir_mode = 0755;
	request.file_size = size;
	request.offset = offset;
	request.data = (ProtobufCBinaryData){ content.n, (uint8_t *)content.p };
	agent_do("CopyFile", &request.base);
}

static void copy_busybox(const struct buf *program)
{
	for (size_t at = 0; at < program->n; at += PIECE) {
		size_t n = program->n - at < PIECE ? program->n - at : PIECE;
		copy("bin/busybox", S_IFREG, slice_from(program->p + at, n), (int64_t)program->n, (int64_t)at);
	}
}

static void make_copies(const struct buf *program)
{
	for (size_t i = 0; i < ELEMENTS_OF(folders); i++)
		copy(folders[i], S_IFDIR, slice_string(""), 0, 0);
	copy_busybox(program);
	for (size_t i = 0; i < ELEMENTS_OF(commands); i++) {
		char name[64];
		snprintf(name, sizeof(name), "bin/%s", commands[i]);
		copy(name, S_IFLNK, slice_string("busybox"), 0, 0);
	}
}

static void make_here(const struct buf *program)
{
	char path[512];
	struct error err;

	for (size_t i = 0; i < ELEMENTS_OF(folders); i++) {
		snprintf(path, sizeof(path), "%s/%s", root, folders[i]);
		if (file_make_directory(path, 0755, &err) < 0)
			fail_msg("%s", err.message);
	}
	snprintf(path, sizeof(path), "%s/bin/busybox", root);
	if (file_write_atomic(path, buf_view(program), 0755, &err) < 0)
		fail_msg("%s", err.message);
	for (size_t i = 0; i < ELEMENTS_OF(commands); i++) {
		snprintf(path, sizeof(path), "%s/bin/%s", root, commands[i]);
		assert_int_equal(symlink("busybox", path), 0);
	}
}

void agent_root_make(const char *directory, bool copies)
{
	_cleanup_(buf_free) struct buf program = BUF_MAX(16 * 1024 * 1024);
	struct error err;

	if (file_read(BUSYBOX, &program, &err) < 0)
		fail_msg("%s (tests/install-deps installs busybox-static)", err.message);
	snprintf(root, sizeof(root), "%s", GUEST_ROOT);
	if (!copies)
		snprintf(root, sizeof(root), "%s/busybox", directory);
	if (copies)
		make_copies(&program);
	else
		make_here(&program);
}
