// SPDX-License-Identifier: Apache-2.0
#include "tests/support/remnants.h"

#include <dirent.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include "common/base/array.h"
#include "common/base/file.h"

/* ── memory ── */

/* Pages that cannot be read, beyond the end of a file or the kernel's own, are passed over: nobody has anything there. */
static const char *in_mapping(const struct remnants *remnants, int memory, uint64_t begin, uint64_t end, uint8_t *buffer)
{
	struct remnants_stream stream = { .remnants = remnants };
	const char *what = NULL;

	for (uint64_t at = begin; at < end && !what;) {
		size_t wanted = end - at < REMNANTS_PIECE ? (size_t)(end - at) : REMNANTS_PIECE;
		ssize_t n = pread(memory, buffer + REMNANTS_KEPT, wanted, (off_t)at);

		if (n > 0)
			what = remnants_in_piece(&stream, buffer, (size_t)n);
		else
			stream.n_kept = 0;
		at += n > 0 ? (uint64_t)n : 4096;
	}
	return what;
}

static void say_mapping(const struct remnants *remnants, pid_t pid, const char *line, const char *what)
{
	char where[256];

	snprintf(where, sizeof(where), "process %d: %.*s", pid, (int)strcspn(line, "\n"), line);
	remnants_say(remnants, what, where);
}

static int in_memory(struct remnants *remnants, pid_t pid, size_t *ret_found, struct error *err)
{
	_cleanup_(buf_free) struct buf maps = BUF_MAX(4 * 1024 * 1024);
	_cleanup_free_ uint8_t *buffer = malloc(REMNANTS_KEPT + REMNANTS_PIECE);
	unsigned long begin, end;
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/maps", pid);
	int r = buffer ? file_read(path, &maps, err) : error_nomem(err);
	if (r < 0)
		return r;
	snprintf(path, sizeof(path), "/proc/%d/mem", pid);
	_cleanup_close_ int memory = open(path, O_RDONLY | O_CLOEXEC);
	if (memory < 0)
		return error_errno(err, errno, "cannot open %s", path);
	for (const char *line = buf_text(&maps); sscanf(line, "%lx-%lx", &begin, &end) == 2; line += strcspn(line, "\n") + 1) {
		const char *what = in_mapping(remnants, memory, begin, end, buffer);

		if (what)
			say_mapping(remnants, pid, line, what);
		*ret_found += what != NULL;
	}
	return 0;
}

/* ── registers ── */

static const int register_sets[] = {
	NT_PRSTATUS,
	NT_PRFPREG,
#ifdef __x86_64__
	NT_X86_XSTATE,
#endif
};

static const char *in_registers(const struct remnants *remnants, pid_t thread)
{
	static uint8_t buffer[REMNANTS_KEPT + 64 * 1024];
	const char *what = NULL;

	for (size_t i = 0; i < ELEMENTS_OF(register_sets) && !what; i++) {
		struct remnants_stream stream = { .remnants = remnants };
		struct iovec area = { buffer + REMNANTS_KEPT, sizeof(buffer) - REMNANTS_KEPT };

		if (ptrace(PTRACE_GETREGSET, thread, (void *)(intptr_t)register_sets[i], &area) == 0)
			what = remnants_in_piece(&stream, buffer, area.iov_len);
	}
	return what;
}

static int in_thread(struct remnants *remnants, pid_t thread, size_t *ret_found, struct error *err)
{
	char where[64];
	int status;

	if (ptrace(PTRACE_SEIZE, thread, NULL, NULL) < 0)
		return error_errno(err, errno, "cannot look at thread %d", thread);
	if (ptrace(PTRACE_INTERRUPT, thread, NULL, NULL) < 0 || waitpid(thread, &status, __WALL) != thread || !WIFSTOPPED(status))
		return error_errno(err, errno, "cannot stop thread %d", thread);
	const char *what = in_registers(remnants, thread);
	snprintf(where, sizeof(where), "registers of thread %d", thread);
	if (what)
		remnants_say(remnants, what, where);
	*ret_found += what != NULL;
	if (ptrace(PTRACE_DETACH, thread, NULL, NULL) < 0)
		return error_errno(err, errno, "cannot let thread %d go on", thread);
	return 0;
}

int remnants_in_process(struct remnants *remnants, pid_t pid, size_t *ret_found, struct error *err)
{
	char path[64];
	int r = 0;

	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	DIR *tasks = opendir(path);
	if (!tasks)
		return error_errno(err, errno, "cannot open %s", path);
	for (const struct dirent *entry; r == 0 && (entry = readdir(tasks));) {
		if (entry->d_name[0] != '.')
			r = in_thread(remnants, (pid_t)atoi(entry->d_name), ret_found, err);
	}
	closedir(tasks);
	return r < 0 ? r : in_memory(remnants, pid, ret_found, err);
}
