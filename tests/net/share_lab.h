// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_TESTS_SHARE_LAB_H
#define HOLDFAST_TESTS_SHARE_LAB_H

#include <sys/types.h>

#include "kata-shim/vm/share/share.h"
#include "tests/net/jail_lab.h"

/* A pod whose virtiofsd runs, and directories of its host. */
struct share_lab {
	struct lab *lab;
	struct jail_process virtiofsd;
	int connection;
	struct share *share;
	char directory[96]; /* …/pod1/share */
	char host[64];      /* a directory of the host, on its disk */
};

int share_setup(void **state);
int share_teardown(void **state); /* fails if a mount, a file or a process is left */
#define SHARE(test) cmocka_unit_test_setup_teardown(test, share_setup, share_teardown)

/* Paths relative to the lab's host directory; owners as on disk. */
void put_directory(const struct share_lab *lab, const char *path, uid_t owner, mode_t mode);
void put_file(const struct share_lab *lab, const char *path, const char *content, uid_t owner, mode_t mode);
const char *on_host(const struct share_lab *lab, const char *path); /* valid until the fourth call from here */

/* As the host sees them. */
void assert_owner(const char *path, uid_t owner);
void assert_text(const char *path, const char *content);

/*
 * Runs `function` as virtiofsd is: in its namespaces, with its ids and capabilities, the share as its root. Its 0 or errno comes back.
 * `path` is handed over.
 */
int as_virtiofsd(const struct share_lab *lab, int (*function)(const char *path), const char *path);

/* Where a path of the share is for us: by virtiofsd's own root. Valid until the fourth call from here. */
const char *in_share(const struct share_lab *lab, const char *path);

#endif
