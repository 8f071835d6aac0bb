// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_TESTS_TPM_SERVING_H
#define HOLDFAST_TESTS_TPM_SERVING_H

#include "common/base/buf.h"
#include "tests/tpm/software_tpm.h"
#include "tests/unit/device_plugin/fake_kubelet.h"

/*
 * A node of its own: the real `holdfast-tpm serve` with a software TPM, a directory of manifests as its source, and a kubelet of our own
 * that gives devices away, tells whose they are, and starts containers. What fails ends the test.
 */
struct serving {
	char directory[64];
	struct software_tpm tpm;
	uv_loop_t loop;
	uv_timer_t tick; /* so that no wait is longer than that */
	struct fake_kubelet *kubelet;
	struct grpc_server *pod_resources;
	pid_t daemon;                /* 0: not running */
	const char *tcti;            /* the TPM's own, unless a test puts something between */
	const char *health_interval; /* "1s" */
	const char *healthy_after;   /* "0s" */
	const char *extra;           /* more lines of its section in holdfast.yaml; NULL: none */
	bool no_api_server;          /* its source is an API server that nobody is at, and no directory */
	bool kubelet_hangs;          /* PodResources does not answer */
	unsigned n_hanging;          /* calls that it has not answered */
	struct serving_device {
		char pod[64], namespace[64], uid[64], container[64], resource[96], device[24];
	} devices[256];
	size_t n_devices;
};

#define SERVING_NODE "edge-1"

/* Once per process, before the first. */
void serving_isolate(void);

/* A TPM that is enrolled, a namespace directory, kubelet; the daemon is not started yet. */
void serving_make(struct serving *serving);
void serving_remove(struct serving *serving);

void serving_start(struct serving *serving);
void serving_end(struct serving *serving, int signal); /* returns when kubelet has noticed */
void serving_restart_kubelet(struct serving *serving);

/* holdfast-tpm seal NAME …, into the directory of manifests. */
void serving_seal(struct serving *serving, const char *name, const char *content, const char *options);
void serving_delete(struct serving *serving, const char *file); /* of a manifest: "secret-db.yaml", "pod-shop-web.yaml" */

/* A pod of this node, as the source tells of it; `secrets`: its annotation holdfast/secrets, NULL: none. */
void serving_pod(struct serving *serving, const char *namespace, const char *name, const char *account, const char *secrets);
/* kubelet has given the slot to the pod's container: checkpoint and PodResources say so. */
const char *serving_give(struct serving *serving, const char *namespace, const char *pod, const char *secret, unsigned slot);
/* The pod has gone, with all its devices. */
void serving_take(struct serving *serving, const char *pod);

/* Runs the loop until it is so. */
#define SERVING_WAIT(serving, condition)                                                                                                   \
	do {                                                                                                                               \
		for (uint64_t _began = uv_hrtime(); !(condition);)                                                                         \
			serving_turn((serving), _began, #condition);                                                                       \
	} while (0)
void serving_turn(struct serving *serving, uint64_t began_ns, const char *what);

/* NULL: kubelet does not have it. */
struct fake_resource *serving_find_resource(struct serving *serving, const char *secret);
/* Runs the loop until kubelet has the resource, in that many healthy slots. */
struct fake_resource *serving_wait_offered(struct serving *serving, const char *secret, unsigned n_healthy);
/* PreStartContainer; waits for the answer. */
struct fake_answer serving_start_container(struct serving *serving, const char *secret, const char *device);

/* Runs `holdfast-tpm ARGUMENTS --socket …`; its exit code, and what it printed on both channels behind `out`. */
int serving_command(struct serving *serving, const char *arguments, struct buf *out);
pid_t serving_command_begin(struct serving *serving, const char *arguments);
int serving_command_end(struct serving *serving, pid_t command, struct buf *out);
/* As serving_start_container, and kubelet may start it. */
void serving_hands_out(struct serving *serving, const char *secret, const char *device);
/* As serving_start_container, and the sentence for the pod's events has these words. */
void serving_refuses(struct serving *serving, const char *secret, const char *device, const char *words);

/* What the pod would read; NULL: nothing is there. The caller's. */
char *serving_read(const struct serving *serving, const char *secret, const char *device, const char *file) must_check;
/* It reads that now; NULL: nothing. */
void serving_reads(const struct serving *serving, const char *secret, const char *device, const char *file, const char *content);
/* Runs the loop until it reads that; NULL: nothing. */
void serving_wait_reads(struct serving *serving, const char *secret, const char *device, const char *file, const char *content);
/* Runs the loop until the daemon's log has this. */
void serving_wait_log(struct serving *serving, const char *text);

#endif
