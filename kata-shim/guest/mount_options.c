// SPDX-License-Identifier: Apache-2.0
#include "kata-shim/guest/mount_options.h"

#include <errno.h>
#include <string.h>
#include <sys/mount.h>

#include "common/base/array.h"
#include "common/base/number.h"
#include "common/base/show.h"

static const struct {
	const char *word;
	unsigned long set, clear;
} words[] = {
	{ "defaults", 0, 0 },
	{ "ro", MS_RDONLY, 0 },
	{ "rw", 0, MS_RDONLY },
	{ "nosuid", MS_NOSUID, 0 },
	{ "suid", 0, MS_NOSUID },
	{ "nodev", MS_NODEV, 0 },
	{ "dev", 0, MS_NODEV },
	{ "noexec", MS_NOEXEC, 0 },
	{ "exec", 0, MS_NOEXEC },
	{ "sync", MS_SYNCHRONOUS, 0 },
	{ "async", 0, MS_SYNCHRONOUS },
	{ "noatime", MS_NOATIME, 0 },
	{ "relatime", MS_RELATIME, MS_NOATIME },
	{ "nodiratime", MS_NODIRATIME, 0 },
};

static bool read_word(const char *option, struct mount_options *ret)
{
	for (size_t i = 0; i < ELEMENTS_OF(words); i++) {
		if (strcmp(option, words[i].word) == 0) {
			ret->flags = (ret->flags & ~words[i].clear) | words[i].set;
			return true;
		}
	}
	return false;
}

static int add_data(const char *option, struct mount_options *ret, struct error *err)
{
	size_t used = strlen(ret->data), n = strlen(option);

	if (n == 0 || strchr(option, ','))
		return error_set(err, EINVAL, "option \"%s\" is none", SHOW(slice_string(option)));
	if (used + n + 2 > sizeof(ret->data))
		return error_set(err, E2BIG, "the options are longer than %d bytes", MOUNT_DATA_MAX - 1);
	if (used)
		ret->data[used++] = ',';
	memcpy(ret->data + used, option, n + 1);
	return 0;
}

static int read_option(const char *option, struct mount_options *ret, struct error *err)
{
	struct slice value;

	if (read_word(option, ret))
		return 0;
	if (!slice_skip_prefix(slice_string(option), "fsgid=", &value))
		return add_data(option, ret, err);
	ret->has_group = true;
	int r = number_parse_u32(value, 0, UINT32_MAX - 1, &ret->group, err);
	return r < 0 ? error_wrap(err, "option fsgid") : 0;
}

int mount_options_read(char *const *options, size_t n, struct mount_options *ret, struct error *err)
{
	struct mount_options read = {};
	int r = 0;

	for (size_t i = 0; r == 0 && i < n; i++)
		r = read_option(options[i], &read, err);
	if (r == 0)
		*ret = read;
	return r;
}
