// SPDX-License-Identifier: Apache-2.0
#include "kata-shim/guest/files.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>

#include "common/base/cleanup.h"

bool file_is_name(const char *name)
{
	return *name && strcmp(name, ".") != 0 && strcmp(name, "..") != 0 && strlen(name) <= NAME_MAX;
}

int file_put(const char *path, const char *text, struct error *err)
{
	_cleanup_close_ int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return error_errno(err, errno, "cannot open %s", path);
	if (write(fd, text, strlen(text)) < 0)
		return error_errno(err, errno, "cannot write \"%s\" to %s", text, path);
	return 0;
}
