// SPDX-License-Identifier: Apache-2.0
/* The agent's own profile, call by call: each forbidden one ends a process that is confined as the agent is, and what the agent does works.
 */
#include "cni-plugin/agent/confine.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <net/if.h>
#include <netdb.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/base/array.h"
#include "common/base/file.h"
#include "tests/support/confinement.h"
#include "tests/unit/common/cmocka_all.h"

static int confine(struct error *err)
{
	return confine_enter(SANDBOX_ENFORCE, err);
}

static void test_each_forbidden_call_ends_the_process(void **state)
{
	static const struct confinement_call more[] = { { "give a file away", SYS_fchown, { -1, 0, 0 } } };

	confinement_assert_forbidden(confine, more, ELEMENTS_OF(more));
}

static void test_a_thread_that_was_started_later_is_confined_too_and_takes_all_with_it(void **state)
{
	confinement_assert_of_threads(confine);
}

static void test_an_abort_is_still_an_abort(void **state)
{
	confinement_assert_abort(confine);
}

/* ── what works ── */

static bool calls_that_a_filter_cannot_look_into_are_unknown(void)
{
	return syscall(SYS_clone3, NULL, 0) < 0 && errno == ENOSYS && syscall(SYS_io_uring_setup, 0, NULL) < 0 && errno == ENOSYS;
}

static void *resolve(void *ret)
{
	struct addrinfo *list = NULL;

	*(bool *)ret = getaddrinfo("localhost", "443", NULL, &list) == 0;
	if (list)
		freeaddrinfo(list);
	return NULL;
}

/* As libcurl does: it loads libraries, reads files, and asks for addresses over netlink. */
static bool a_thread_resolves_a_name(void)
{
	pthread_t thread;
	bool good = false;

	return pthread_create(&thread, NULL, resolve, &good) == 0 && pthread_join(thread, NULL) == 0 && good;
}

static bool files_are_written_watched_and_removed(void)
{
	char directory[] = "/tmp/holdfast-confine-XXXXXX", path[64];
	struct error err;

	if (!mkdtemp(directory))
		return false;
	snprintf(path, sizeof(path), "%s/file", directory);
	int watch = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	return watch >= 0 && inotify_add_watch(watch, directory, IN_MOVED_TO) >= 0 &&
	       file_write_atomic(path, slice_string("text"), 0600, &err) == 0 && unlink(path) == 0 && rmdir(directory) == 0;
}

static bool netfilter_and_routes_are_there(void)
{
	return socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER) >= 0 &&
	       socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE) >= 0 && if_nametoindex("lo") > 0;
}

static bool clients_and_servers_are_there(void)
{
	const struct sockaddr_in any = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int pair[2], fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	return bind(fd, (const struct sockaddr *)&any, sizeof(any)) == 0 && listen(fd, 1) == 0 && socket(AF_INET6, SOCK_STREAM, 0) >= 0 &&
	       socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0;
}

static void *fill(void *nothing)
{
	size_t n = 64 * 1024;
	char *text = malloc(n);

	for (; text && n < 64 * 1024 * 1024; n *= 4) {
		char *grown = realloc(text, 4 * n);
		if (!grown)
			break;
		text = grown;
		memset(text + n, 'x', 3 * n);
	}
	free(text);
	return nothing;
}

/* By brk, by mmap and mremap, and from a thread's own arena. */
static bool memory_grows_and_is_given_back(void)
{
	pthread_t thread;

	fill(NULL);
	return pthread_create(&thread, NULL, fill, NULL) == 0 && pthread_join(thread, NULL) == 0;
}

static const struct confinement_use allowed[] = {
	{ "memory grows and is given back", memory_grows_and_is_given_back },
	{ "calls that a filter cannot look into are unknown", calls_that_a_filter_cannot_look_into_are_unknown },
	{ "a thread resolves a name", a_thread_resolves_a_name },
	{ "files are written, watched and removed", files_are_written_watched_and_removed },
	{ "netfilter and routes are there", netfilter_and_routes_are_there },
	{ "clients and servers are there", clients_and_servers_are_there },
};

static void test_what_the_agent_does_works(void **state)
{
	confinement_assert_works(confine, allowed, ELEMENTS_OF(allowed));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_forbidden_call_ends_the_process),
		cmocka_unit_test(test_a_thread_that_was_started_later_is_confined_too_and_takes_all_with_it),
		cmocka_unit_test(test_an_abort_is_still_an_abort),
		cmocka_unit_test(test_what_the_agent_does_works),
	};

	need_confinement();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
