// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_TASK_SHIM_H
#define HOLDFAST_TASK_SHIM_H

#include <stdint.h>
#include <sys/types.h>

#include "common/base/buf.h"

struct vm_settings;

/*
 * The shim of a pod in a VM: one process, one loop, one socket, which is <directory>/holdfast-<sandbox id>. It ends when containerd says so
 * and nothing is left, on SIGTERM, or when for SHIM_IDLE_MAX_MS there was nothing that it could be asked for. One whose loop stands still for
 * SHIM_HANG_MAX_MS is killed.
 */
#define SHIM_SOCKET_DIRECTORY "/run/containerd/s"
#define SHIM_SOCKET_MAX 106 /* what all of containerd's versions can connect to */
#define SHIM_IDLE_MAX_MS (120 * 1000)
#define SHIM_HANG_MAX_MS (30 * 1000)
#define SHIM_ADDRESS_FILE "address" /* in the bundle; 1.6 and 1.7 look there after a restart */

/* "unix:///run/containerd/s/holdfast-5f3a", without the scheme. `directory` "": the default. ENAMETOOLONG. */
int shim_socket_path(const char *directory, const char *sandbox, char ret[static SHIM_SOCKET_MAX + 1], struct error *err) must_check;

struct shim {
	const char *sandbox, *namespace;
	const char *socket; /* path */
	const char *events; /* containerd's ttrpc socket; "": none */
	const struct vm_settings *settings;
	unsigned hang_max_ms; /* 0: SHIM_HANG_MAX_MS */
	uint64_t began_ns;    /* `start` was called then, by CLOCK_MONOTONIC */
};

/* For daemon_start; `context` is a struct shim. Returns the exit code. */
int shim_run(void *context, int channel);

/*
 * For `delete`: whoever serves this socket and does not end by itself within a second is killed, and gone when this returns.
 * 1: it was killed, now or before; 0: it has ended by itself, or there was none. ETIMEDOUT: it cannot be killed.
 */
int shim_end(const char *socket, struct error *err) must_check;

/* The address in the bundle `fd`, without its scheme. ENOENT, EINVAL. */
int shim_read_address(int bundle, char ret[static SHIM_SOCKET_MAX + 1], struct error *err) must_check;
int shim_write_address(int bundle, const char *socket, struct error *err) must_check;

#endif
