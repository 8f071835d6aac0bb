// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/vm_copies/paper_guest.h"

#include "tests/unit/common/cmocka_all.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void on_answer(uv_timer_t *timer)
{
	struct paper_guest *guest = timer->data;
	struct error err = {};
	const int code = guest->pending;

	if (guest->hold) {
		uv_timer_start(timer, on_answer, 1, 0);
		return;
	}
	guest->pending = -1;
	if (code > 0)
		error_set(&err, code, "refused");
	copy_sent(guest->copy, code > 0 ? &err : NULL);
}

static const char *below(const struct paper_guest *guest, const char *path)
{
	const size_t n = strlen(guest->directory);

	assert_memory_equal(path, guest->directory, n);
	return path[n] == '/' ? path + n + 1 : path + n;
}

static void take_file(const Agent__CopyFileRequest *piece)
{
	char part[4096];

	snprintf(part, sizeof(part), "%s.part", piece->path);
	const int fd = open(part, O_WRONLY | O_CREAT | (piece->offset ? 0 : O_TRUNC) | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, piece->data.data, piece->data.len, piece->offset), piece->data.len);
	assert_int_equal(fchmod(fd, piece->file_mode & 07777), 0);
	close(fd);
	if (piece->offset + (int64_t)piece->data.len == piece->file_size)
		assert_int_equal(rename(part, piece->path), 0);
}

static void take_link(const Agent__CopyFileRequest *piece)
{
	char part[4096], target[4096];

	snprintf(part, sizeof(part), "%s.part", piece->path);
	snprintf(target, sizeof(target), "%.*s", (int)piece->data.len, (const char *)piece->data.data);
	assert_int_equal(symlink(target, part), 0);
	assert_int_equal(rename(part, piece->path), 0);
}

static void write_down(struct paper_guest *guest, const Agent__CopyFileRequest *piece)
{
	const char *path = below(guest, piece->path);

	if (S_ISDIR(piece->file_mode))
		buf_printf(&guest->log, "dir %s %o\n", path, piece->file_mode & 07777);
	else if (S_ISLNK(piece->file_mode))
		buf_printf(&guest->log, "link %s %.*s\n", path, (int)piece->data.len, (const char *)piece->data.data);
	else
		buf_printf(&guest->log, "file %s %zu@%lld %o\n", path, piece->data.len, (long long)piece->offset, piece->file_mode & 07777);
}

static void answer(struct paper_guest *guest, int code)
{
	assert_int_equal(guest->pending, -1);
	guest->pending = code;
	uv_timer_start(&guest->answer, on_answer, 0, 0);
	uv_stop(guest->loop); /* for who waits for this */
	if (guest->before_answer)
		guest->before_answer(guest->context);
}

static bool is_refused(struct paper_guest *guest)
{
	const int code = guest->refuse;

	guest->refuse = 0;
	if (code)
		answer(guest, code);
	return code != 0;
}

static void take_piece(void *context, struct copy *copy, const Agent__CopyFileRequest *piece)
{
	struct paper_guest *guest = context;

	write_down(guest, piece);
	if (is_refused(guest))
		return;
	assert_int_equal(piece->uid, getuid());
	assert_int_equal(piece->gid, getgid());
	if (S_ISDIR(piece->file_mode))
		assert_true(mkdir(piece->path, 0755) == 0 || errno == EEXIST);
	else if (S_ISLNK(piece->file_mode))
		take_link(piece);
	else
		take_file(piece);
	answer(guest, 0);
}

static void take_removal(void *context, struct copy *copy, const char *path)
{
	struct paper_guest *guest = context;

	buf_printf(&guest->log, "rm %s\n", below(guest, path));
	if (is_refused(guest))
		return;
	if (!guest->cannot_remove)
		assert_int_equal(remove(path), 0);
	answer(guest, guest->cannot_remove ? ENOSYS : 0);
}

static void take_copied(void *context, struct copy *copy, const struct error *err)
{
	struct paper_guest *guest = context;

	if (err) {
		guest->failed++;
		guest->why = *err;
	} else {
		guest->copied++;
	}
	uv_stop(guest->loop);
}

static void take_ended(void *context, struct copy *copy)
{
	struct paper_guest *guest = context;

	guest->ended++;
	uv_stop(guest->loop);
}

const struct copy_sink paper_sink = { take_piece, take_removal, take_copied, take_ended };

void paper_guest_open(struct paper_guest *guest, uv_loop_t *loop, const char *directory)
{
	*guest = (struct paper_guest){ .loop = loop, .directory = directory, .log = BUF_MAX(1024 * 1024), .pending = -1 };
	assert_int_equal(uv_timer_init(loop, &guest->answer), 0);
	guest->answer.data = guest;
}

void paper_guest_close(struct paper_guest *guest)
{
	uv_close((uv_handle_t *)&guest->answer, NULL);
	buf_free(&guest->log);
}

void paper_guest_run(struct paper_guest *guest, const unsigned *count, unsigned wanted)
{
	while (*count < wanted)
		uv_run(guest->loop, UV_RUN_ONCE);
	assert_int_equal(*count, wanted);
}

const char *paper_guest_log(struct paper_guest *guest)
{
	static char text[64 * 1024];

	snprintf(text, sizeof(text), "%s", buf_text(&guest->log));
	buf_clear(&guest->log);
	return text;
}
