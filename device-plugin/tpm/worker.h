// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_TPM_WORKER_H
#define HOLDFAST_TPM_WORKER_H

#include <uv.h>

#include "device-plugin/tpm/tpm.h"

/*
 * The one thread that talks to the TPM, since a TPM does one thing at a time and may take its time, or hang. Jobs are done in their
 * order; the loop hears of each when it is done. A TPM that hangs holds up its jobs and nothing else: whoever waits has a timer of his own.
 */
struct tpm_worker;

#define TPM_JOBS_MAX 1024
#define TPM_TRIES 6           /* of a job that ends with EAGAIN */
#define TPM_FIRST_PAUSE_MS 20 /* between two tries; doubles */
#define TPM_LINGER_MS 20      /* after a job, for a next one that can use what this one has left in the TPM */

struct tpm_job {
	/*
	 * On the worker's thread; `tpm` is open. Called again if the TPM was busy, or its connection turned out to be broken. Must not
	 * touch anything that the loop's thread may touch.
	 */
	int (*run)(struct tpm_job *job, struct tpm *tpm, struct error *err);
	/* On the loop's thread, once, with what `run` returned; or with ENODEV if there is no TPM, or ECANCELED after tpm_worker_stop. */
	void (*done)(struct tpm_job *job, int r, const struct error *err);

	/* the worker's, from submit to done */
	struct tpm_job *next;
	int result;
	struct error err;
};

/* `tcti` is copied. The TPM is opened with the first job, and again after it was lost. */
int tpm_worker_start(uv_loop_t *loop, const char *tcti, struct tpm_worker **ret, struct error *err) must_check;

/* The job must live until `done`. EBUSY: TPM_JOBS_MAX wait already; `done` is not called then. */
int tpm_worker_submit(struct tpm_worker *worker, struct tpm_job *job, struct error *err) must_check;

/* For how long the TPM has been at the job that runs now, or at tidying up after the last one, rounded up; 0 if it is at nothing. */
uint64_t tpm_worker_busy_ms(struct tpm_worker *worker);
size_t tpm_worker_queue_length(struct tpm_worker *worker);

/*
 * Jobs that wait are done with ECANCELED. The one that runs is waited for at most `grace_ms`, in the loop's thread; if it hangs beyond
 * that, its thread is left behind and its `done` never comes: the process is about to end. The rest is freed from the loop. Accepts NULL.
 */
void tpm_worker_stop(struct tpm_worker *worker, uint64_t grace_ms);

#endif
