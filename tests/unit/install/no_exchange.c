// SPDX-License-Identifier: Apache-2.0
/* A file system on which two names cannot change places, as NFS and some overlays. */
#include <errno.h>

int __wrap_renameat2(int from_directory, const char *from, int to_directory, const char *to, unsigned flags);

int __wrap_renameat2(int from_directory, const char *from, int to_directory, const char *to, unsigned flags)
{
	errno = EINVAL;
	return -1;
}
