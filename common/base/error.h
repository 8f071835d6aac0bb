// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_BASE_ERROR_H
#define HOLDFAST_BASE_ERROR_H

/*
 * One error object, by value, on the caller's stack, passed as the last parameter.
 * It never allocates, so it works when memory is out. The message is for the person who must act:
 * lower case, what failed, which object, the value that was wrong, what to do. Never a secret.
 */

#define ERROR_MESSAGE_MAX 512 /* bytes, including the terminating NUL; longer text ends in "..." */

struct error {
	int code; /* a positive errno value; 0 means no error */
	char message[ERROR_MESSAGE_MAX];
};

/* Sets code and message. Returns -code, so that a caller can write `return error_set(...)`. `err` may be NULL. */
int error_set(struct error *err, int code, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* As error_set, and appends ": " and strerror(code). */
int error_errno(struct error *err, int code, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* Puts "<text>: " in front of the message; each layer adds its noun once. Returns -err->code (-EIO if err is NULL). */
int error_wrap(struct error *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Out of memory, said in one way everywhere. Returns -ENOMEM. */
int error_nomem(struct error *err);

#define must_check __attribute__((warn_unused_result))

#endif
