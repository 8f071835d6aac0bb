// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_CHECKUP_CHECKUP_H
#define HOLDFAST_CHECKUP_CHECKUP_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/base/error.h"

/*
 * `holdfast-net check`, `holdfast-tpm check`: looks at a node and says what would keep Holdfast from doing its work there. Each check is a
 * function and a row; it says one thing or more, each with its cause and, unless all is well, its cure.
 */

enum checkup_level { CHECKUP_OK, CHECKUP_WARN, CHECKUP_FAIL };

struct checkup_finding {
	struct checkup_finding *next;
	enum checkup_level level;
	const char *check; /* name of the row */
	char *cause;
	char *cure; /* a command where there is one; "" if all is well */
};

struct checkup;

struct checkup_row {
	const char *name;
	void (*run)(struct checkup *checkup);
	bool live; /* asks the running system, not files: left out below another root */
};

struct checkup {
	const char *root;    /* in front of every path, "" for this system; else only files are looked at, and not the running kernel */
	const char *config;  /* of the daemon; NULL: the default path */
	const char *socket;  /* of the daemon; NULL: what its configuration says */
	const void *options; /* the program's own */

	const char *check; /* the row that is running */
	struct checkup_finding *first, **end;
	bool lost; /* out of memory */
};

/* Options are the caller's to fill in afterwards; checkup_clear frees the findings. */
void checkup_init(struct checkup *checkup);
void checkup_clear(struct checkup *checkup);

/* For checks. `cure` NULL: none is needed. */
void checkup_say(struct checkup *checkup, enum checkup_level level, const char *cure, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

#define checkup_ok(checkup, ...) checkup_say(checkup, CHECKUP_OK, NULL, __VA_ARGS__)
#define checkup_warn(checkup, cure, ...) checkup_say(checkup, CHECKUP_WARN, cure, __VA_ARGS__)
#define checkup_fail(checkup, cure, ...) checkup_say(checkup, CHECKUP_FAIL, cure, __VA_ARGS__)

/* Whether the running kernel may be asked: false below another root. */
bool checkup_is_live(const struct checkup *checkup);

/* root + path. The caller's; NULL: out of memory. */
char *checkup_path(const struct checkup *checkup, const char *path) must_check;

bool checkup_exists(const struct checkup *checkup, const char *path);

/* Appends the file to `out`, NUL-terminated by buf_text. False: it is not there or cannot be read. */
bool checkup_read(const struct checkup *checkup, const char *path, struct buf *out);

/* A file that holds one number. False: it is not there, or holds something else. */
bool checkup_number(const struct checkup *checkup, const char *path, uint64_t *ret);

/* Calls `visit` with each entry's name, sorted, without the hidden ones, until it returns false. */
void checkup_each_entry(const struct checkup *checkup, const char *directory, bool (*visit)(void *context, const char *name),
			void *context);

/*
 * Whether a daemon can keep state there (a path without the root); what is missing it makes itself. `consequence` of too little room: "no
 * pod can start without its journal entry".
 */
void checkup_directory(struct checkup *checkup, const char *shown, const char *consequence);

/* Certificates are judged by it, and so is what an event is told to have happened after. */
void checkup_clock(struct checkup *checkup);

/* All rows in their order; the worst level. */
enum checkup_level checkup_run(struct checkup *checkup, const struct checkup_row *rows, size_t n);

/* ok/warn/FAIL, the check, the cause, then the cure; or the member "findings" of a JSON object. */
void checkup_print_text(const struct checkup *checkup, struct buf *out);
void checkup_print_json(const struct checkup *checkup, struct buf *out);

#define CHECKUP_EXIT_UNKNOWN 3 /* it could not be looked at */

/* checkup_run, then what it found on standard output. Returns the exit code: the worst level, or CHECKUP_EXIT_UNKNOWN. */
int checkup_report(struct checkup *checkup, const struct checkup_row *rows, size_t n, const char *program, bool json);

#endif
