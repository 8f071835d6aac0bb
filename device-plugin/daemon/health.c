// SPDX-License-Identifier: Apache-2.0
/*
 * Two questions to the TPM, in turns: now and then, is it there, the one that this node was enrolled with, and what does its hold counter
 * say; and once for each new version of a secret, does it release the key, and does the envelope open with it. What only the TPM's absence
 * answers is asked again; a lockout waits for the next look, since each try would make it last. A TPM that is not there may come any
 * moment, its driver being loaded late: it is looked for after a second, two, four, up to the usual time.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/base/log.h"
#include "common/base/secret.h"
#include "device-plugin/daemon/confine.h"
#include "device-plugin/daemon/daemon.h"
#include "device-plugin/tpm/pin.h"

#define ABSENT_MS 1000 /* until a TPM that was not there is looked for again, the first time */
#define HANG_MS 10000  /* the slowest chips need 7.5 s to make an RSA key; we make none (facts: TPM timings) */

/* ── one look ── */

struct health_job {
	struct tpm_job job;
	struct daemon *daemon;
	bool enrolled;
	struct tpm2_name root;
	struct node_key key;
	uint64_t hold_value;
	struct tpm_description description;
	const char *directory;
};

static int check_or_enrol(struct health_job *health, struct tpm *tpm, struct error *err)
{
	if (health->enrolled)
		return tpm_check(tpm, &health->root, &health->hold_value, err);
	int r = tpm_enrol(tpm, &health->key, err);
	if (r == 0)
		r = pin_check_or_write(health->directory, &health->key.root.name, err);
	health->hold_value = health->key.hold_value;
	return r;
}

static int look(struct tpm_job *job, struct tpm *tpm, struct error *err)
{
	struct health_job *health = (struct health_job *)job;

	int r = tpm_describe(tpm, &health->description, err);
	return r < 0 ? r : check_or_enrol(health, tpm, err);
}

bool health_is_good(const struct daemon *daemon)
{
	return daemon->health.enrolled && daemon->health.r == 0;
}

bool health_is_steady(const struct daemon *daemon)
{
	return health_is_good(daemon) && !uv_is_active((const uv_handle_t *)&daemon->health.settling);
}

const char *health_why(const struct daemon *daemon)
{
	return health_is_good(daemon) ? NULL : daemon->health.why.message;
}

static void on_settled(uv_timer_t *timer)
{
	registry_publish_all(timer->data);
}

/* The first good news is no flapping: after a reboot kubelet admits pods at once, and for good refuses those that find nothing healthy. */
static void settle(struct daemon *daemon)
{
	struct health *health = &daemon->health;

	if (!health_is_good(daemon)) {
		health->has_failed = true;
		uv_timer_stop(&health->settling);
	} else if (health->has_failed && daemon->settings.healthy_after_ms > 0) {
		uv_timer_start(&health->settling, on_settled, daemon->settings.healthy_after_ms, 0);
	}
	registry_publish_all(daemon);
}

static void set(struct daemon *daemon, int r, const struct error *why)
{
	struct health *health = &daemon->health;
	bool was_good = health_is_good(daemon);

	if (strcmp(r < 0 ? why->message : "", health->why.message) != 0 && r < 0)
		log_error("the TPM cannot be used: no secret is handed out", "error", why->message);
	health->r = r;
	health->why = r < 0 ? *why : (struct error){ 0 };
	publish_changed(daemon);
	if (was_good == health_is_good(daemon))
		return;
	health->since = time(NULL);
	if (health_is_good(daemon))
		log_info("the TPM is well", "hold", LOG_NUMBER(health->hold_value));
	settle(daemon);
}

/* ── secrets that were sealed before a revocation ── */

static void judge_hold(struct daemon *daemon, struct secret_entry *entry)
{
	struct error err;

	if (!entry->sealed)
		return;
	const struct release_hold *hold = release_find_hold(entry->sealed->recipient->release, entry->sealed->recipient->n_release);
	if (hold->value == daemon->health.hold_value)
		return;
	error_set(&err, EACCES,
		  "secret \"%s\" was sealed at hold counter %llu, and the TPM of node \"%s\" is at %llu: it was revoked; seal it again",
		  entry->name, (unsigned long long)hold->value, daemon->settings.node_name, (unsigned long long)daemon->health.hold_value);
	if (!registry_set_state(entry, SECRET_REVOKED, &err))
		return;
	rotate_changed(daemon, entry->name);
	registry_publish(daemon, entry);
}

static void judge_all(struct daemon *daemon)
{
	for (size_t i = 0; i < secrets_count(daemon->secrets); i++)
		judge_hold(daemon, secrets_at(daemon->secrets, i));
}

/* ── each new version, once ── */

struct trial {
	struct key_wait wait;
	struct daemon *daemon;
	struct sealed *sealed;
};

static bool is_the_tpms_fault(int code)
{
	return code == EAGAIN || code == EBUSY || code == EIO || code == ENODEV || code == ESTALE || code == ECANCELED || code == ENOMEM;
}

static void failed(struct daemon *daemon, struct secret_entry *entry, const struct error *why)
{
	entry->tried = true;
	registry_set_state(entry, SECRET_FAILED, why);
	rotate_changed(daemon, entry->name);
}

static int open_once(const struct sealed *sealed, const uint8_t *key, struct error *err)
{
	_cleanup_(secret_free) struct secret content = {};

	return envelope_open(sealed->envelope, key, &content, err);
}

static void on_trial(struct key_wait *wait, int r, const uint8_t *key, const struct error *why)
{
	struct trial *trial = (struct trial *)wait;
	struct daemon *daemon = trial->daemon;
	struct secret_entry *entry = secrets_find(daemon->secrets, trial->sealed->envelope->name);
	struct error err = r < 0 ? *why : (struct error){ 0 };

	if (r == 0)
		r = open_once(trial->sealed, key, &err);
	daemon->health.trial = NULL;
	bool lost = r < 0 && is_the_tpms_fault(err.code);
	if (entry && entry->sealed == trial->sealed && !lost) {
		if (r == 0)
			registry_opened(daemon, trial->sealed);
		else
			failed(daemon, entry, &err);
		registry_publish(daemon, entry);
	}
	sealed_unref(trial->sealed);
	free(trial);
	if (lost)
		set(daemon, r, &err);
	else
		health_try_secrets(daemon);
}

static struct secret_entry *next_untried(struct daemon *daemon)
{
	for (size_t i = 0; i < secrets_count(daemon->secrets); i++) {
		struct secret_entry *entry = secrets_at(daemon->secrets, i);
		if (entry->sealed && !entry->tried && entry->state == SECRET_USABLE)
			return entry;
	}
	return NULL;
}

void health_try_secrets(struct daemon *daemon)
{
	struct secret_entry *entry = next_untried(daemon);

	if (!entry || daemon->health.trial || !health_is_good(daemon))
		return;
	struct trial *trial = malloc(sizeof(*trial));
	if (!trial)
		return; /* the next look comes here again */
	*trial = (struct trial){ { .got = on_trial }, daemon, sealed_ref(entry->sealed) };
	daemon->health.trial = trial;
	keys_get(daemon->keys, trial->sealed, &trial->wait);
}

/* ── when ── */

static void take_in_key(struct daemon *daemon, struct health_job *job)
{
	struct health *health = &daemon->health;

	if (health->enrolled)
		return;
	node_key_clear(&health->node_key);
	health->node_key = job->key;
	job->key = NODE_KEY_EMPTY;
	health->enrolled = true;
	keys_set_root(daemon->keys, &health->node_key.root.name);
	log_info("this node's TPM is enrolled", "hold", LOG_NUMBER(job->hold_value));
}

void health_take_hold(struct daemon *daemon, uint64_t value)
{
	daemon->health.hold_value = value;
	daemon->health.node_key.hold_value = value;
	judge_all(daemon);
	publish_changed(daemon);
}

static void on_time(uv_timer_t *timer);

static void look_sooner(struct daemon *daemon)
{
	struct health *health = &daemon->health;
	uint64_t now = uv_now(&daemon->loop), most_ms = daemon->settings.health_ms;

	if (health->r != -ENODEV) {
		health->absent_ms = 0;
		return;
	}
	health->absent_ms = health->absent_ms ? 2 * health->absent_ms : ABSENT_MS;
	if (health->absent_ms > most_ms)
		health->absent_ms = most_ms;
	health->due_ms = now + health->absent_ms;
	uv_timer_start(&health->timer, on_time, health->absent_ms, 0);
}

/* It is there now, and never for us: whoever runs the daemon starts it again, and pods keep what they have. */
static void give_up_if_too_early(struct daemon *daemon)
{
	gid_t group;

	if (health_is_good(daemon) || !confine_lacks_group(daemon->settings.tcti, &group))
		return;
	error_set(&daemon->given_up, EACCES,
		  "the TPM at %s has come after the daemon, and only a new process can join its group %u: start the daemon again, or let "
		  "systemd do it (Restart=always)",
		  daemon->settings.tcti, group);
	uv_stop(&daemon->loop);
}

static void take_look(struct daemon *daemon, struct health_job *job, int r, const struct error *why)
{
	if (*job->description.manufacturer)
		daemon->health.description = job->description;
	if (r == 0) {
		take_in_key(daemon, job);
		health_take_hold(daemon, job->hold_value);
	}
	set(daemon, r, why);
	if (uv_is_active((uv_handle_t *)&daemon->health.timer)) { /* else the daemon ends anyway */
		look_sooner(daemon);
		give_up_if_too_early(daemon);
	}
	health_try_secrets(daemon);
}

/* That the daemon ends says nothing of the TPM, and kubelet must not hear that anything is ill. */
static void on_looked(struct tpm_job *done, int r, const struct error *why)
{
	struct health_job *job = (struct health_job *)done;
	struct daemon *daemon = job->daemon;

	daemon->health.job = NULL;
	if (r != -ECANCELED)
		take_look(daemon, job, r, why);
	node_key_clear(&job->key);
	free(job);
}

static int begin(struct daemon *daemon, struct error *err)
{
	struct health *health = &daemon->health;
	struct health_job *job = calloc(1, sizeof(*job));

	if (!job)
		return error_nomem(err);
	*job = (struct health_job){
		.job = { .run = look, .done = on_looked },
		.daemon = daemon,
		.enrolled = health->enrolled,
		.root = health->node_key.root.name,
		.key = NODE_KEY_EMPTY,
		.directory = daemon->settings.state_directory,
	};
	snprintf(job->key.node, sizeof(job->key.node), "%s", daemon->settings.node_name);
	int r = tpm_worker_submit(daemon->worker, &job->job, err);
	if (r < 0)
		free(job);
	else
		health->job = job;
	return r;
}

/* The job's answer, if it comes after all, says that the TPM is well. */
static void check_hanging(struct daemon *daemon)
{
	uint64_t busy = tpm_worker_busy_ms(daemon->worker);
	struct error err;

	if (busy < HANG_MS)
		return;
	error_set(&err, ETIMEDOUT, "the TPM (%s) has not answered a command for %llu s", daemon->settings.tcti,
		  (unsigned long long)(busy / 1000));
	set(daemon, -err.code, &err);
}

void health_look_now(struct daemon *daemon)
{
	struct error err;

	if (daemon->health.job) {
		check_hanging(daemon);
		return;
	}
	int r = begin(daemon, &err);
	if (r < 0)
		set(daemon, r, &err);
}

static void on_time(uv_timer_t *timer)
{
	struct daemon *daemon = timer->data;
	struct health *health = &daemon->health;
	uint64_t now = uv_now(&daemon->loop);

	if (now >= health->due_ms) {
		health->due_ms = now + daemon->settings.health_ms;
		health_look_now(daemon);
	} else if (health->job) {
		check_hanging(daemon);
	}
	uint64_t wait = health->due_ms - now;
	uv_timer_start(timer, on_time, health->job && wait > HANG_MS ? HANG_MS : wait, 0);
}

void health_start(struct daemon *daemon)
{
	struct health *health = &daemon->health;

	health->node_key = NODE_KEY_EMPTY;
	health->since = time(NULL);
	health->r = error_set(&health->why, EAGAIN, "the TPM (%s) has not answered yet", daemon->settings.tcti);
	uv_timer_init(&daemon->loop, &health->timer);
	health->timer.data = daemon;
	uv_timer_init(&daemon->loop, &health->settling);
	health->settling.data = daemon;
	uv_timer_start(&health->timer, on_time, 0, 0);
}

void health_stop(struct daemon *daemon)
{
	uv_timer_stop(&daemon->health.timer);
	uv_timer_stop(&daemon->health.settling);
	if (daemon->health.trial) {
		keys_cancel(&daemon->health.trial->wait);
		sealed_unref(daemon->health.trial->sealed);
		free(TAKE_PTR(daemon->health.trial));
	}
}
