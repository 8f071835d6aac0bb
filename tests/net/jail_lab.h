// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_TESTS_JAIL_LAB_H
#define HOLDFAST_TESTS_JAIL_LAB_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/base/buf.h"
#include "kata-shim/vm/jail/cgroup.h"
#include "kata-shim/vm/jail/ids.h"
#include "kata-shim/vm/jail/jail.h"
#include "kata-shim/vm/jail/virtiofsd.h"

/* A pod with real ids and a real cgroup, and programs in its jail, looked at through /proc. */
#define FIRST_ID 0x70000000u

struct lab {
	char state[64], pod[80]; /* directories: …, …/pod1 */
	struct ids ids;
	int user_namespace;
	char cgroup_parent[40], cgroup_path[48]; /* of this process alone: /holdfast-jail-…/pod1 */
	struct cgroup *cgroup;
	char output[96]; /* the programs' */
	int output_fd;
};

int lab_setup(void **state);
int lab_teardown(void **state); /* fails if anything is left in the pod's directory */
#define LAB(test) cmocka_unit_test_setup_teardown(test, lab_setup, lab_teardown)

void must(int r, const struct error *err);

/* All the virtiofsds that this host has; ends with NULL. */
extern const char *const virtiofsds[];
bool is_installed(const char *program);

struct jail_process start_virtiofsd(const struct lab *lab, const char *path, int *ret_connection);
struct jail_process start_qemu(const struct lab *lab);
/* Anything else, with what `jail` adds. */
struct jail jail_for(const struct lab *lab, const char *const *arguments);
struct jail_process start(const struct lab *lab, const struct jail *jail);

/* ── through /proc/<pid> ── */

void assert_status(pid_t pid, const char *key, const char *value); /* of its status; blanks as the kernel has them, less the first */
bool wait_for_status(pid_t pid, const char *key, const char *value);
void read_proc(pid_t pid, const char *file, struct buf *ret);
bool shares_namespace(pid_t pid, const char *kind); /* with us */
/* "bin dev lib", sorted, of "root/usr", "fd", … */
void list_proc(pid_t pid, const char *directory, struct buf *ret);
bool has_ended(const struct jail_process *process, int timeout_ms);

/* Setup of a group of tests: a mount namespace of their own, where version 2 is the only cgroup file system. */
int leave_version_2_alone(void **state);

/* What is in there is killed, and it is removed. */
void clear_cgroup(const char *path);

#endif
