// SPDX-License-Identifier: Apache-2.0
#include "kata-shim/task/shim.h"

#include <errno.h>
#include <malloc.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/base/log.h"
#include "kata-shim/task/daemon.h"
#include "kata-shim/task/service.h"
#include "kata-shim/task/watchdog.h"
#include "kata-shim/vm/jail/harden.h"

#define LARGE (64 * 1024)
#define EVENTS_PATIENCE_MS 2000
#define END_PATIENCE_MS 5000

struct running {
	uv_loop_t loop;
	const struct shim *shim;
	int channel;
	uv_poll_t poll; /* of the channel, until we are released */
	uv_timer_t idle, end;
	uv_signal_t signals[2];
	bool was_empty, ending;
	struct publisher *publisher;
	struct service *service;
	struct ttrpc_server *server;
};

/* ── The end: the VM, then what containerd has not been told yet, then the socket. ── */

static void on_too_late(uv_timer_t *timer)
{
	log_warn("the shim ends with something unfinished");
	uv_stop(timer->loop);
}

static void on_events_told(void *context)
{
	struct running *running = context;

	ttrpc_server_stop(running->server);
	uv_close((uv_handle_t *)&running->idle, NULL);
	for (unsigned i = 0; i < 2; i++)
		uv_close((uv_handle_t *)&running->signals[i], NULL);
	uv_timer_start(&running->end, on_too_late, END_PATIENCE_MS, 0);
	uv_unref((uv_handle_t *)&running->end);
}

static void on_vm_gone(void *context)
{
	struct running *running = context;

	publisher_finish(running->publisher, EVENTS_PATIENCE_MS, on_events_told, running);
}

static void on_end(uv_timer_t *timer)
{
	struct running *running = timer->data;

	service_stop(running->service, on_vm_gone, running);
}

/* From the loop: this may be called by the service. */
static void end(struct running *running)
{
	if (running->ending)
		return;
	running->ending = true;
	uv_timer_start(&running->end, on_end, 0, 0);
}

static void on_shutdown(void *context)
{
	end(context);
}

static void on_signal(uv_signal_t *signal, int number)
{
	struct running *running = signal->data;

	log_info("the shim ends by a signal", "sandbox", running->shim->sandbox, "signal", LOG_NUMBER(number));
	end(running);
}

/* Seen empty twice: nothing came in between that stayed. */
static void on_idle(uv_timer_t *timer)
{
	struct running *running = timer->data;
	const bool empty = service_is_empty(running->service);

	if (empty && running->was_empty) {
		log_info("the shim ends: containerd does not need it", "sandbox", running->shim->sandbox);
		end(running);
	}
	running->was_empty = empty;
}

static void on_channel(uv_poll_t *poll, int status, int events)
{
	struct running *running = poll->data;

	if (!daemon_is_released(running->channel))
		end(running);
	uv_close((uv_handle_t *)poll, NULL);
	close(running->channel);
}

/* ── The beginning ── */

static int confine(struct error *err)
{
	return harden_shim(SANDBOX_ENFORCE, err);
}

static int set_up(struct running *running, struct error *err)
{
	static const int numbers[] = { SIGTERM, SIGINT };
	const struct shim *shim = running->shim;
	struct service_options options = { shim->sandbox, shim->settings, NULL, on_shutdown, running, .began_ns = shim->began_ns };
	int r = publisher_new(&running->loop, shim->events, shim->namespace, &running->publisher, err);

	if (r < 0)
		return r;
	options.publisher = running->publisher;
	options.confine = confine;
	r = service_new(&running->loop, &options, &running->service, err);
	if (r == 0)
		r = watchdog_start(&running->loop, shim->hang_max_ms ? shim->hang_max_ms : SHIM_HANG_MAX_MS, err);
	if (r == 0)
		r = ttrpc_server_start(&running->loop, shim->socket, geteuid(), service_list(running->service), &running->server, err);
	if (r < 0)
		return r;
	running->poll.data = running->idle.data = running->end.data = running;
	uv_poll_init(&running->loop, &running->poll, running->channel);
	uv_timer_init(&running->loop, &running->idle);
	uv_timer_init(&running->loop, &running->end);
	uv_poll_start(&running->poll, UV_READABLE, on_channel);
	uv_timer_start(&running->idle, on_idle, SHIM_IDLE_MAX_MS / 2, SHIM_IDLE_MAX_MS / 2);
	for (unsigned i = 0; i < 2; i++) {
		running->signals[i].data = running;
		uv_signal_init(&running->loop, &running->signals[i]);
		uv_signal_start(&running->signals[i], on_signal, numbers[i]);
	}
	return 0;
}

int shim_run(void *context, int channel)
{
	static struct running running;
	struct error err;

	running = (struct running){ .shim = context, .channel = channel };
	uv_loop_init(&running.loop);
	mallopt(M_MMAP_THRESHOLD, LARGE); /* what is freed goes back */
	mallopt(M_TRIM_THRESHOLD, LARGE);
	malloc_trim(0); /* what `start` has read */
	if (set_up(&running, &err) < 0) {
		daemon_ready(channel, &err);
		return EXIT_FAILURE;
	}
	daemon_ready(channel, NULL);
	uv_run(&running.loop, UV_RUN_DEFAULT);
	service_free(running.service);
	return EXIT_SUCCESS;
}
