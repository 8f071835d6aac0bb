// SPDX-License-Identifier: Apache-2.0
/*
 * Prints the reference of one program's section, for docs/configure.md or, with the argument `troff`, for holdfast.yaml(5). Built once for
 * each, since each has a `settings_section`; none is installed.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "deploy/manual/reference.h"

#define REFERENCE_MAX (256 * 1024)

extern const struct config_section settings_section;

int main(int argc, char **argv)
{
	_cleanup_(buf_free) struct buf out = BUF_MAX(REFERENCE_MAX);
	struct error err;

	if (argc == 2 && strcmp(argv[1], "troff") == 0)
		reference_troff(&settings_section, &out);
	else
		reference_markdown(&settings_section, &out);
	if (buf_check(&out, "reference", &err) < 0) {
		fprintf(stderr, "print_reference: %s\n", err.message);
		return EXIT_FAILURE;
	}
	fputs(buf_text(&out), stdout);
	return fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
