// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_BASE_CLEANUP_H
#define HOLDFAST_BASE_CLEANUP_H

/*
 * Cleanup attributes for every owned local. Ownership leaves a scope only through TAKE_PTR and TAKE_FD.
 *
 *	_cleanup_free_ char *text = NULL;
 *	_cleanup_close_ int fd = -1;
 *	_cleanup_(pod_freep) struct pod *pod = NULL;   // with DEFINE_CLEANUP(struct pod *, pod_free)
 */

#include <stdlib.h>
#include <unistd.h>

#define _cleanup_(function) __attribute__((cleanup(function)))

/* Defines `<function>p` for use with _cleanup_. `function` must accept NULL and half-built objects. */
#define DEFINE_CLEANUP(type, function)                                     \
	static inline void function##p(type *pointer)                      \
	{                                                                  \
		function(*pointer);                                        \
	}                                                                  \
	struct function##_needs_a_semicolon

static inline void cleanup_free(void *pointer)
{
	free(*(void **)pointer);
}

/* Closes once; EINTR is not retried, since Linux has released the descriptor by then (close(2)). */
static inline void cleanup_close(const int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

#define _cleanup_free_ _cleanup_(cleanup_free)
#define _cleanup_close_ _cleanup_(cleanup_close)

#define TAKE_PTR(pointer)                              \
	({                                             \
		__auto_type _taken_ = (pointer);       \
		(pointer) = NULL;                      \
		_taken_;                               \
	})

#define TAKE_FD(fd)                 \
	({                          \
		int _taken_ = (fd); \
		(fd) = -1;          \
		_taken_;            \
	})

#endif
