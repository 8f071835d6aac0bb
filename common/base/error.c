// SPDX-License-Identifier: Apache-2.0
#include "common/base/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static void mark_truncated(struct error *err, int wanted)
{
	size_t cut = sizeof(err->message) - 4;

	if (wanted < (int)sizeof(err->message))
		return;
	while (cut > 0 && ((unsigned char)err->message[cut] & 0xc0) == 0x80)
		cut--; /* not within a UTF-8 character */
	memcpy(err->message + cut, "...", 4);
}

int error_set(struct error *err, int code, const char *format, ...)
{
	va_list args;

	if (!err)
		return -code;
	err->code = code;
	va_start(args, format);
	int n = vsnprintf(err->message, sizeof(err->message), format, args);
	va_end(args);
	mark_truncated(err, n);
	return -code;
}

int error_errno(struct error *err, int code, const char *format, ...)
{
	char text[ERROR_MESSAGE_MAX];
	char reason[128];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	return error_set(err, code, "%s: %s", text, strerror_r(code, reason, sizeof(reason)));
}

int error_wrap(struct error *err, const char *format, ...)
{
	char prefix[ERROR_MESSAGE_MAX];
	char old[ERROR_MESSAGE_MAX];
	va_list args;

	if (!err)
		return -EIO;
	va_start(args, format);
	vsnprintf(prefix, sizeof(prefix), format, args);
	va_end(args);
	memcpy(old, err->message, sizeof(old));
	return error_set(err, err->code, "%s: %s", prefix, old);
}

int error_nomem(struct error *err)
{
	return error_set(err, ENOMEM, "out of memory");
}
