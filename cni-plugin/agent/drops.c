// SPDX-License-Identifier: Apache-2.0
/*
 * Reader and arithmetic. How many packets were not shown is not counted where they are suppressed (in the kernel's limit, in a full socket,
 * before we listened): it is what the counters say less what was seen.
 */
#include "cni-plugin/agent/drops.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include "cni-plugin/agent/agent.h"
#include "cni-plugin/agent/listen.h"
#include "cni-plugin/nft/nflog.h"
#include "common/base/array.h"
#include "common/base/log.h"

#define DATAGRAMS_PER_TURN 256 /* so that a flood of drops holds up nobody */
#define AGAIN_FIRST_MS 100
#define AGAIN_MAX_MS 30000

struct drops {
	struct agent *agent;
	struct ruleset_log log;
	struct nflog *nflog; /* NULL: nobody reads */
	uv_poll_t poll;
	uv_timer_t again; /* opens it anew */
	uint64_t again_ms;
	struct drop_ring ring;
	uint64_t logged, dropped;
	uint64_t counted[POLICY_DROP_COUNT + SPOOF_REASONS]; /* what each counter was when it was looked at last */
	char problem[ERROR_MESSAGE_MAX];
};

int64_t drops_now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int keep(struct drops *drops, const struct drop *recognized, struct error *err)
{
	_cleanup_(drop_freep) struct drop *drop = malloc(sizeof(*drop));

	if (!drop)
		return error_nomem(err);
	*drop = *recognized;
	int r = drop_explain(drops->agent, drop, err);
	if (r == 0)
		drop_ring_add(&drops->ring, TAKE_PTR(drop));
	return r;
}

static void take(void *context, const struct nflog_packet *packet)
{
	struct drops *drops = context;
	struct drop drop;
	struct error err;

	spoof_log_take(drops->agent, packet);
	if (!drop_recognize(packet, &drop))
		return;
	drops->logged++;
	drop.first_ms = drop.last_ms = drops_now_ms();
	if (!drop_ring_merge(&drops->ring, &drop) && keep(drops, &drop, &err) < 0)
		log_warn("a drop is not shown", "error", err.message);
}

static void open_again(struct drops *drops);

static void on_again(uv_timer_t *timer)
{
	struct drops *drops = timer->data;

	drops_retry(drops->agent);
	if (!drops->nflog)
		open_again(drops);
}

static void open_again(struct drops *drops)
{
	drops->again_ms = drops->again_ms ? drops->again_ms * 2 : AGAIN_FIRST_MS;
	if (drops->again_ms > AGAIN_MAX_MS)
		drops->again_ms = AGAIN_MAX_MS;
	uv_timer_start(&drops->again, on_again, drops->again_ms, 0);
}

static void on_reader_closed(uv_handle_t *handle)
{
	struct drops *drops = handle->data;

	nflog_close(TAKE_PTR(drops->nflog));
	open_again(drops);
}

static void reader_failed(struct drops *drops, const struct error *err)
{
	snprintf(drops->problem, sizeof(drops->problem), "%s", err->message);
	log_error("drops are not shown for now", "error", err->message);
	uv_close((uv_handle_t *)&drops->poll, on_reader_closed);
}

/* ENOBUFS says that some are lost; they are in the kernel's counters. */
static void on_packets(uv_poll_t *poll, int status, int events)
{
	struct drops *drops = poll->data;
	struct error err;
	int r = 1;

	listen_on(poll, status, on_packets);
	for (int i = 0; i < DATAGRAMS_PER_TURN && (r > 0 || r == -ENOBUFS); i++) {
		r = nflog_receive(drops->nflog, take, drops, &err);
		if (r > 0)
			drops->again_ms = 0;
	}
	if (r < 0 && r != -ENOBUFS)
		reader_failed(drops, &err);
}

static int listen_to_group(struct drops *drops, struct error *err)
{
	_cleanup_(nflog_closep) struct nflog *nflog = NULL;

	int r = nflog_open(drops->log.group, &nflog, err);
	if (r < 0)
		return r;
	r = uv_poll_init(&drops->agent->loop, &drops->poll, nflog_descriptor(nflog));
	if (r < 0)
		return error_set(err, -r, "%s", uv_strerror(r));
	drops->poll.data = drops;
	drops->nflog = TAKE_PTR(nflog);
	drops->problem[0] = '\0';
	uv_poll_start(&drops->poll, UV_READABLE, on_packets);
	return 0;
}

/* Rules that this kernel does not know would be refused. One that another program reads may become free. */
static void give_up(struct drops *drops, const struct error *err)
{
	if (err->code != EBUSY)
		drops->log.rate = 0;
	snprintf(drops->problem, sizeof(drops->problem), "%s", err->message);
	log_warn("drops are counted but not shown", "error", err->message, "cure",
		 err->code == EBUSY ? "end the program that reads it (ulogd?), or set network.dropLog.group to a free one" : "");
}

/* NULL: a build that had none has made the table. */
static const struct ruleset_counter *counter_at(const struct agent *agent, int i)
{
	if (i < POLICY_DROP_COUNT)
		return ruleset_counter_find(enforcer_ruleset(agent->enforcer), policy_drops[i].counter);
	return spoof_counter(senders_ruleset(enforcer_senders(agent->enforcer)), (enum spoof_reason)(i - POLICY_DROP_COUNT));
}

struct ruleset_log drops_open(struct agent *agent)
{
	const struct settings *settings = &agent->settings;
	struct drops *drops = calloc(1, sizeof(*drops));
	struct error err;

	if (!drops)
		return (struct ruleset_log){ 0 };
	agent->drops = drops;
	drops->agent = agent;
	uv_timer_init(&agent->loop, &drops->again);
	drops->again.data = drops;
	drops->log = (struct ruleset_log){ (uint16_t)settings->drop_log_group, (uint16_t)settings->drop_log_rate,
					   (uint16_t)settings->drop_log_burst };
	drops->ring.serial = (uint64_t)time(NULL) << 20; /* rises over restarts: whoever follows goes on */
	if (drops->log.rate == 0)
		snprintf(drops->problem, sizeof(drops->problem), "network.dropLog.rate is 0");
	else if (listen_to_group(drops, &err) < 0)
		give_up(drops, &err);
	return drops->log;
}

void drops_started(struct agent *agent)
{
	struct drops *drops = agent->drops;
	struct error err;

	if (drops && enforcer_read_counters(agent->enforcer, &err) < 0)
		log_warn("cannot read the kernel's counters", "error", err.message);
	for (size_t i = 0; drops && i < ELEMENTS_OF(drops->counted); i++) {
		const struct ruleset_counter *counter = counter_at(agent, (int)i);
		drops->counted[i] = counter ? counter->packets : 0;
	}
}

void drops_retry(struct agent *agent)
{
	struct drops *drops = agent->drops;
	struct error err;

	if (drops && drops->log.rate > 0 && !drops->nflog && listen_to_group(drops, &err) == 0)
		log_info("drops are shown from now on");
}

void drops_free(struct agent *agent)
{
	if (!agent->drops)
		return;
	nflog_close(agent->drops->nflog);
	drop_ring_clear(&agent->drops->ring);
	free(agent->drops);
	agent->drops = NULL;
}

/* A table that was made anew counts from zero. */
static void add_up(struct drops *drops)
{
	for (size_t i = 0; i < ELEMENTS_OF(drops->counted); i++) {
		const struct ruleset_counter *counter = counter_at(drops->agent, (int)i);

		if (!counter)
			continue;
		drops->dropped += counter->packets >= drops->counted[i] ? counter->packets - drops->counted[i] : counter->packets;
		drops->counted[i] = counter->packets;
	}
}

int drops_count(struct agent *agent, struct drops_totals *ret, struct error *err)
{
	struct drops *drops = agent->drops;
	int r = enforcer_read_counters(agent->enforcer, err);

	*ret = (struct drops_totals){ 0 };
	if (!drops)
		return r;
	if (r == 0)
		add_up(drops);
	uint64_t suppressed = drops->dropped > drops->logged ? drops->dropped - drops->logged : 0;
	*ret = (struct drops_totals){ drops->dropped, drops->logged, suppressed };
	return r;
}

const struct drop_ring *drops_ring(const struct agent *agent)
{
	return agent->drops ? &agent->drops->ring : NULL;
}

const char *drops_problem(const struct agent *agent)
{
	return agent->drops ? agent->drops->problem : "there was no memory for it";
}
