// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_TESTS_LOG_CAPTURE_H
#define HOLDFAST_TESTS_LOG_CAPTURE_H

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/base/log.h"
#include "tests/unit/common/cmocka_all.h"

/*
 * What is logged from `level` on goes into a file instead of to stderr:
 *
 *	struct log_capture capture = log_capture_begin(LOG_LEVEL_DEBUG);
 *	…
 *	log_capture_end(&capture, LOG_LEVEL_ERROR);     the level that follows
 */
struct log_capture {
	FILE *file;
	int stderr_before;
	char text[8192];
};

static inline struct log_capture log_capture_begin(enum log_level level)
{
	struct log_capture capture = { .file = tmpfile(), .stderr_before = dup(STDERR_FILENO) };

	assert_non_null(capture.file);
	assert_true(dup2(fileno(capture.file), STDERR_FILENO) >= 0);
	log_setup(level, LOG_FORMAT_LOGFMT);
	return capture;
}

static inline const char *log_capture_end(struct log_capture *capture, enum log_level after)
{
	assert_true(dup2(capture->stderr_before, STDERR_FILENO) >= 0);
	close(capture->stderr_before);
	log_setup(after, LOG_FORMAT_LOGFMT);
	rewind(capture->file);
	capture->text[fread(capture->text, 1, sizeof(capture->text) - 1, capture->file)] = 0;
	fclose(capture->file);
	return capture->text;
}

static inline unsigned count_of(const char *text, const char *part)
{
	unsigned n = 0;

	for (const char *at = strstr(text, part); at; at = strstr(at + 1, part))
		n++;
	return n;
}

#endif
