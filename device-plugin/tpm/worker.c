// SPDX-License-Identifier: Apache-2.0
/*
 *	loop's thread                     mutex                   worker's thread
 *	submit ───────────────────────► waiting ───────────────► run (open the TPM first, try again after EAGAIN)
 *	done ◄── uv_async ◄──────────── finished ◄─────────────┘
 *
 * The thread is detached: it and the loop each hold a reference, and who lets go last frees. So a thread that hangs in the TPM driver
 * for ever keeps nobody from ending.
 */
#include "device-plugin/tpm/worker.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct queue {
	struct tpm_job *first, **last;
	size_t n;
};

struct tpm_worker {
	char *tcti;
	pthread_mutex_t mutex;
	pthread_cond_t wake; /* for the thread: there is a job, or it is to end */
	pthread_cond_t idle; /* for tpm_worker_stop: the thread has ended */
	struct queue waiting, finished;
	bool stopping, ended; /* ended: the thread is gone, or about to */
	bool async_open;
	uint64_t busy_since_ms; /* 0: no job runs */
	unsigned references;
	uv_async_t async;
};

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static struct timespec after(uint64_t ms)
{
	uint64_t until = now_ms() + ms;

	return (struct timespec){ .tv_sec = (time_t)(until / 1000), .tv_nsec = (long)(until % 1000) * 1000000 };
}

static void queue_put(struct queue *queue, struct tpm_job *job)
{
	job->next = NULL;
	*queue->last = job;
	queue->last = &job->next;
	queue->n++;
}

static void queue_init(struct queue *queue)
{
	*queue = (struct queue){ .last = &queue->first };
}

static struct tpm_job *queue_take(struct queue *queue)
{
	struct tpm_job *job = queue->first;

	if (!job)
		return NULL;
	queue->first = job->next;
	if (!queue->first)
		queue->last = &queue->first;
	queue->n--;
	return job;
}

/* With the mutex held, which is released. */
static void release(struct tpm_worker *worker)
{
	bool last = --worker->references == 0;

	pthread_mutex_unlock(&worker->mutex);
	if (!last)
		return;
	pthread_mutex_destroy(&worker->mutex);
	pthread_cond_destroy(&worker->wake);
	pthread_cond_destroy(&worker->idle);
	free(worker->tcti);
	free(worker);
}

/* ── The worker's thread ── */

static void sleep_ms(uint64_t ms)
{
	const struct timespec pause = { .tv_sec = (time_t)(ms / 1000), .tv_nsec = (long)(ms % 1000) * 1000000 };

	nanosleep(&pause, NULL);
}

static bool is_lost(int r)
{
	return r == -EIO || r == -ENODEV;
}

static int try_once(struct tpm_worker *worker, struct tpm **tpm, struct tpm_job *job)
{
	int r = *tpm ? 0 : tpm_open(worker->tcti, tpm, &job->err);

	if (r == 0)
		r = job->run(job, *tpm, &job->err);
	if (is_lost(r)) {
		tpm_close(*tpm);
		*tpm = NULL;
	}
	return r;
}

/* A connection that was there before may have broken long ago, as when the TPM's own service was restarted. */
static int try_connected(struct tpm_worker *worker, struct tpm **tpm, struct tpm_job *job)
{
	bool was_open = *tpm;
	int r = try_once(worker, tpm, job);

	return was_open && is_lost(r) ? try_once(worker, tpm, job) : r;
}

static void run_job(struct tpm_worker *worker, struct tpm **tpm, struct tpm_job *job)
{
	uint64_t pause = TPM_FIRST_PAUSE_MS;

	for (int i = 1; i <= TPM_TRIES; i++) {
		job->result = try_connected(worker, tpm, job);
		if (job->result != -EAGAIN || i == TPM_TRIES)
			return;
		sleep_ms(pause);
		pause *= 2;
	}
}

/* With the mutex held. NULL: the thread is to end. */
static struct tpm_job *wait_for_job(struct tpm_worker *worker)
{
	while (!worker->stopping && worker->waiting.n == 0)
		pthread_cond_wait(&worker->wake, &worker->mutex);
	return worker->stopping ? NULL : queue_take(&worker->waiting);
}

/* With the mutex held. Whoever has been answered may have more to ask. Nobody waits for the rest, but a TPM that hangs now hangs. */
static void rest(struct tpm_worker *worker, struct tpm *tpm)
{
	const struct timespec deadline = after(TPM_LINGER_MS);

	worker->busy_since_ms = now_ms();
	while (!worker->stopping && worker->waiting.n == 0 && pthread_cond_timedwait(&worker->wake, &worker->mutex, &deadline) == 0)
		;
	if (!worker->stopping && worker->waiting.n == 0) {
		pthread_mutex_unlock(&worker->mutex);
		tpm_rest(tpm);
		pthread_mutex_lock(&worker->mutex);
	}
	worker->busy_since_ms = 0;
}

static void *work(void *argument)
{
	struct tpm_worker *worker = argument;
	struct tpm *tpm = NULL;
	struct tpm_job *job;

	pthread_mutex_lock(&worker->mutex);
	while ((job = wait_for_job(worker))) {
		worker->busy_since_ms = now_ms();
		pthread_mutex_unlock(&worker->mutex);
		run_job(worker, &tpm, job);
		pthread_mutex_lock(&worker->mutex);
		queue_put(&worker->finished, job);
		if (worker->async_open)
			uv_async_send(&worker->async);
		rest(worker, tpm);
	}
	pthread_mutex_unlock(&worker->mutex);
	tpm_close(tpm);
	pthread_mutex_lock(&worker->mutex);
	worker->ended = true;
	pthread_cond_signal(&worker->idle);
	release(worker);
	return NULL;
}

/* ── The loop's thread ── */

static void deliver(struct tpm_worker *worker)
{
	struct tpm_job *job;

	pthread_mutex_lock(&worker->mutex);
	while ((job = queue_take(&worker->finished))) {
		pthread_mutex_unlock(&worker->mutex);
		job->done(job, job->result, &job->err);
		pthread_mutex_lock(&worker->mutex);
	}
	pthread_mutex_unlock(&worker->mutex);
}

static void on_async(uv_async_t *async)
{
	deliver(async->data);
}

static int start_thread(struct tpm_worker *worker, struct error *err)
{
	pthread_attr_t attributes;
	pthread_t thread;

	pthread_attr_init(&attributes);
	pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
	worker->references++;
	int r = pthread_create(&thread, &attributes, work, worker);
	pthread_attr_destroy(&attributes);
	if (r == 0)
		return 0;
	worker->references--;
	return error_errno(err, r, "cannot start the thread for the TPM");
}

static void init_condition(pthread_cond_t *condition)
{
	pthread_condattr_t attributes;

	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(condition, &attributes);
	pthread_condattr_destroy(&attributes);
}

static void on_closed(uv_handle_t *handle)
{
	struct tpm_worker *worker = handle->data;

	pthread_mutex_lock(&worker->mutex);
	release(worker);
}

int tpm_worker_start(uv_loop_t *loop, const char *tcti, struct tpm_worker **ret, struct error *err)
{
	struct tpm_worker *worker = calloc(1, sizeof(*worker));

	if (!worker)
		return error_nomem(err);
	worker->tcti = strdup(tcti);
	if (!worker->tcti) {
		free(worker);
		return error_nomem(err);
	}
	worker->references = 1;
	queue_init(&worker->waiting);
	queue_init(&worker->finished);
	pthread_mutex_init(&worker->mutex, NULL);
	init_condition(&worker->wake);
	init_condition(&worker->idle);
	uv_async_init(loop, &worker->async, on_async);
	worker->async.data = worker;
	worker->async_open = true;
	int r = start_thread(worker, err);
	if (r < 0) {
		uv_close((uv_handle_t *)&worker->async, on_closed);
		return r;
	}
	*ret = worker;
	return 0;
}

int tpm_worker_submit(struct tpm_worker *worker, struct tpm_job *job, struct error *err)
{
	int r = 0;

	pthread_mutex_lock(&worker->mutex);
	if (worker->waiting.n >= TPM_JOBS_MAX) {
		r = error_set(err, EBUSY, "%d requests wait for the TPM already", TPM_JOBS_MAX);
	} else {
		queue_put(&worker->waiting, job);
		pthread_cond_signal(&worker->wake);
	}
	pthread_mutex_unlock(&worker->mutex);
	return r;
}

uint64_t tpm_worker_busy_ms(struct tpm_worker *worker)
{
	pthread_mutex_lock(&worker->mutex);
	uint64_t since = worker->busy_since_ms;
	pthread_mutex_unlock(&worker->mutex);
	return since ? now_ms() - since + 1 : 0;
}

size_t tpm_worker_queue_length(struct tpm_worker *worker)
{
	pthread_mutex_lock(&worker->mutex);
	size_t n = worker->waiting.n;
	pthread_mutex_unlock(&worker->mutex);
	return n;
}

/* With the mutex held: what waits has had no thread to run on. */
static void cancel_waiting(struct tpm_worker *worker)
{
	struct tpm_job *job;

	while ((job = queue_take(&worker->waiting))) {
		job->result = error_set(&job->err, ECANCELED, "the daemon is being stopped");
		queue_put(&worker->finished, job);
	}
}

static void wait_for_end(struct tpm_worker *worker, uint64_t grace_ms)
{
	const struct timespec deadline = after(grace_ms);

	while (!worker->ended && pthread_cond_timedwait(&worker->idle, &worker->mutex, &deadline) == 0)
		;
}

void tpm_worker_stop(struct tpm_worker *worker, uint64_t grace_ms)
{
	if (!worker)
		return;
	pthread_mutex_lock(&worker->mutex);
	worker->stopping = true;
	cancel_waiting(worker);
	pthread_cond_signal(&worker->wake);
	wait_for_end(worker, grace_ms);
	worker->async_open = false;
	pthread_mutex_unlock(&worker->mutex);
	deliver(worker);
	uv_close((uv_handle_t *)&worker->async, on_closed);
}
