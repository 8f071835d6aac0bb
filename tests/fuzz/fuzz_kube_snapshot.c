// SPDX-License-Identifier: Apache-2.0
/*
 * Whatever a disk gives back: a file with a wrong tail is refused. With the right tail behind any lines it may be accepted, and what it
 * holds then prints as what reads the same; nothing else is ever handed out.
 */
#include <errno.h>
#include <sys/mman.h>

#include "common/base/file.h"
#include "common/kube/snapshot_file.h"
#include "tests/fuzz/fuzz.h"

static void read_file(int fd, struct kube_snapshot_content *content)
{
	struct error err = {};
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	int r = kube_snapshot_read(path, content, &err);
	ABORT_ON(r > 0 || (r < 0 && (!err.message[0] || content->n > 0)));
	ABORT_ON(r < 0 && r != -EBADMSG);
}

static size_t count_lines(struct slice text)
{
	size_t n = 0;

	for (size_t i = 0; i < text.n; i++)
		n += text.p[i] == '\n';
	return n;
}

static void write_with_tail(int fd, struct slice lines)
{
	_cleanup_(buf_free) struct buf tail = BUF_MAX(256);
	EVP_MD_CTX *digest = snapshot_digest_new();
	size_t n = count_lines(lines);

	ABORT_ON(!digest || !EVP_DigestUpdate(digest, lines.p, lines.n));
	snapshot_print_tail(digest, n ? n - 1 : 0, &tail);
	EVP_MD_CTX_free(digest);
	ABORT_ON(file_write_fd(fd, lines, "it", NULL) < 0 || file_write_fd(fd, buf_view(&tail), "it", NULL) < 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_(kube_snapshot_clear) struct kube_snapshot_content content = {}, whole = {};
	_cleanup_close_ int raw = memfd_create("raw", MFD_CLOEXEC), sealed = memfd_create("sealed", MFD_CLOEXEC);
	struct slice text = slice_from(data, size);

	ABORT_ON(raw < 0 || sealed < 0 || file_write_fd(raw, text, "it", NULL) < 0);
	read_file(raw, &content);
	write_with_tail(sealed, text);
	read_file(sealed, &whole);
	ABORT_ON(whole.n > 0 && whole.n != count_lines(text) - 1);
	for (size_t i = 0; i < whole.n; i++) {
		_cleanup_(buf_free) struct buf printed = BUF_MAX(8 << 20);
		kube_object_print(whole.objects[i], &printed);
		ABORT_ON(buf_check(&printed, "object", NULL) < 0);
	}
	return 0;
}
