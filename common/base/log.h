// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_BASE_LOG_H
#define HOLDFAST_BASE_LOG_H

#include <stdbool.h>

/*
 * One line per event on stderr, as logfmt or JSON. Only handlers and main log; libraries return errors.
 * Never pass a secret. The message is a constant; what varies goes into fields:
 *
 *	log_info("policy applied", "namespace", policy->namespace, "policy", policy->name);
 *	→ time=2026-11-22T08:42:53.123Z level=info msg="policy applied" namespace=shop policy=db
 */

enum log_level { LOG_LEVEL_DEBUG, LOG_LEVEL_INFO, LOG_LEVEL_WARN, LOG_LEVEL_ERROR };
enum log_format { LOG_FORMAT_LOGFMT, LOG_FORMAT_JSON };

/* Process-wide; call once in main before the first event. Default: info, logfmt. */
void log_setup(enum log_level level, enum log_format format);

/* False if `text` names no level (debug, info, warn, error) or format (logfmt, json). */
bool log_level_parse(const char *text, enum log_level *ret);
bool log_format_parse(const char *text, enum log_format *ret);

bool log_enabled(enum log_level level);

/* `...` is key, value, key, value, …, NULL; all are C strings, a NULL value prints as "". Lines over 4 KiB are cut and marked. */
void log_event(enum log_level level, const char *message, ...) __attribute__((sentinel));

#define log_debug(...) log_event(LOG_LEVEL_DEBUG, __VA_ARGS__, NULL)
#define log_info(...) log_event(LOG_LEVEL_INFO, __VA_ARGS__, NULL)
#define log_warn(...) log_event(LOG_LEVEL_WARN, __VA_ARGS__, NULL)
#define log_error(...) log_event(LOG_LEVEL_ERROR, __VA_ARGS__, NULL)

/* A short-lived decimal string for a field: log_info("synced", "pods", LOG_NUMBER(n)). */
struct log_number {
	char text[24];
};
struct log_number log_number_format(long long value);
#define LOG_NUMBER(value) (log_number_format((long long)(value)).text)

#endif
