// SPDX-License-Identifier: Apache-2.0
/*
 * Who has these secrets? For scripts:
 *
 *	remnants SECRET-FILE... -- PATH-OR-PID...
 *
 * Says each place where a part of one is (remnants.h): files, directories, images and block devices, processes. Exit 0: somewhere;
 * 1: nowhere; 2: it could not look.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/buf.h"
#include "common/base/file.h"
#include "tests/support/remnants.h"

static int add(struct remnants *remnants, const char *path, struct error *err)
{
	_cleanup_(buf_free) struct buf secret = BUF_MAX(1024 * 1024);

	int r = file_read(path, &secret, err);
	return r < 0 ? r : remnants_add(remnants, path, buf_view(&secret), err);
}

static int look(struct remnants *remnants, const char *place, size_t *found, struct error *err)
{
	if (strspn(place, "0123456789") == strlen(place))
		return remnants_in_process(remnants, (pid_t)atoi(place), found, err);
	return remnants_in_files(remnants, place, found, err);
}

static int run(char **words, size_t *found, struct error *err)
{
	_cleanup_(remnants_freep) struct remnants *remnants = remnants_new(stdout);
	int r = remnants ? 0 : error_nomem(err);

	for (; r == 0 && *words && strcmp(*words, "--") != 0; words++)
		r = add(remnants, *words, err);
	if (r == 0 && (!words[0] || !words[1]))
		return error_set(err, EINVAL, "usage: remnants SECRET-FILE... -- PATH-OR-PID...");
	while (r == 0 && *++words)
		r = look(remnants, *words, found, err);
	return r;
}

int main(int argc, char **argv)
{
	size_t found = 0;
	struct error err;

	(void)argc;
	if (run(argv + 1, &found, &err) < 0) {
		fprintf(stderr, "remnants: %s\n", err.message);
		return 2;
	}
	return found ? 0 : 1;
}
