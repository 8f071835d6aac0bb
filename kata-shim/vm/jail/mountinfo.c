// SPDX-License-Identifier: Apache-2.0
/*
 *	36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 shared:7 - ext3 /dev/root rw,errors=continue
 *	id            root point                              type           super options
 */
#include "kata-shim/vm/jail/mountinfo.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "common/base/number.h"

static struct slice cut(struct slice *rest, char end)
{
	const uint8_t *at = rest->n ? memchr(rest->p, end, rest->n) : NULL;
	struct slice head = slice_from(rest->p, at ? (size_t)(at - rest->p) : rest->n);

	*rest = at ? slice_from(at + 1, rest->n - head.n - 1) : slice_from(NULL, 0);
	return head;
}

static bool read_line(struct slice line, struct mountinfo *ret)
{
	struct slice id = cut(&line, ' ');

	cut(&line, ' ');
	cut(&line, ' ');
	struct slice root = cut(&line, ' ');
	struct slice point = cut(&line, ' ');
	while (line.n > 0 && !slice_equals_string(cut(&line, ' '), "-"))
		;
	struct slice type = cut(&line, ' ');
	cut(&line, ' ');
	if (point.n == 0 || type.n == 0 || number_parse_u64(id, 0, UINT64_MAX, &ret->id, NULL) < 0)
		return false;
	ret->root = root;
	ret->point = point;
	ret->type = type;
	ret->super_options = line;
	return true;
}

bool mountinfo_next(struct slice *rest, struct mountinfo *ret)
{
	while (rest->n > 0)
		if (read_line(cut(rest, '\n'), ret))
			return true;
	return false;
}

bool mountinfo_of(struct slice mounts, int directory, const char *path, struct mountinfo *ret)
{
	struct statx at;

	if (statx(directory, path, AT_EMPTY_PATH, STATX_MNT_ID, &at) < 0)
		return false;
	while (mountinfo_next(&mounts, ret))
		if (ret->id == at.stx_mnt_id)
			return true;
	return false;
}

static bool is_octal(const uint8_t *p)
{
	return p[0] >= '0' && p[0] <= '3' && p[1] >= '0' && p[1] <= '7' && p[2] >= '0' && p[2] <= '7';
}

bool mountinfo_name(struct slice written, char *ret, size_t size)
{
	size_t n = 0;

	for (size_t i = 0; i < written.n; i++) {
		const uint8_t *p = written.p + i;
		if (n + 1 >= size)
			return false;
		if (*p == '\\' && written.n - i > 3 && is_octal(p + 1)) {
			ret[n++] = (char)((p[1] - '0') << 6 | (p[2] - '0') << 3 | (p[3] - '0'));
			i += 3;
		} else {
			ret[n++] = (char)*p;
		}
	}
	if (size == 0)
		return false;
	ret[n] = '\0';
	return true;
}

bool mountinfo_has_option(struct slice options, const char *option)
{
	while (options.n > 0)
		if (slice_equals_string(cut(&options, ','), option))
			return true;
	return false;
}
