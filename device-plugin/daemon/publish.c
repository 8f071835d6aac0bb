// SPDX-License-Identifier: Apache-2.0
/*
 * What this node says of itself and of its secrets in the API server: TPMNode (its key; its state) and its entry in each TPMSecret's
 * status. The source sees to it that it gets there; here is only what it shall be. It is made anew a moment after a change, however many
 * there were, and what is as before costs nothing.
 *
 * Reasons and messages stay as they were first said while the state is the same: a message that counts seconds would be sent over and over.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/array.h"
#include "common/base/log.h"
#include "device-plugin/daemon/daemon.h"
#include "device-plugin/daemon/publication.h"
#include "device-plugin/tpm/pin.h"

#define SETTLE_MS 200
#define BODY_MAX (64 * 1024)
#define REPORTER "holdfast-tpm"

/* ── Why, in one word ── */

static const char *tpm_reason(int code)
{
	static const struct {
		int code;
		const char *reason;
	} reasons[] = {
		{ ENODEV, "NoTPM" },        { ENOENT, "NotEnrolled" }, { ESTALE, "AnotherTPM" },  { EBUSY, "LockedOut" },
		{ EACCES, "NotPermitted" }, { EPERM, "NotPermitted" }, { ETIMEDOUT, "TPMHangs" }, { EAGAIN, "NotAnsweredYet" },
	};

	for (size_t i = 0; i < ELEMENTS_OF(reasons); i++) {
		if (reasons[i].code == code)
			return reasons[i].reason;
	}
	return "TPMFailure";
}

static const char *secret_reason(enum secret_state state)
{
	static const char *const reasons[] = {
		[SECRET_USABLE] = "",         [SECRET_ELSEWHERE] = "NotForThisNode",
		[SECRET_DAMAGED] = "Damaged", [SECRET_OLD] = "EarlierVersion",
		[SECRET_REVOKED] = "Revoked", [SECRET_FAILED] = "NotReleased",
		[SECRET_DELETED] = "Deleted",
	};

	return reasons[state];
}

/* ── One text ── */

static void put(struct daemon *daemon, const struct buf *path, const struct buf *body)
{
	const struct kube_publication publication = { buf_text(path), buf_text(body), REPORTER, daemon->settings.node_name };
	struct error err;

	int r = buf_check(path, "path", &err);
	if (r == 0)
		r = buf_check(body, "text", &err);
	if (r == 0)
		r = kube_source_publish(daemon->source, &publication, &err);
	if (r < 0 && r != -ENOTSUP && !daemon->publishing.complained) {
		log_error("what this node says cannot be published", "path", buf_text(path), "error", err.message);
		daemon->publishing.complained = true;
	}
}

static void print_node_path(const struct daemon *daemon, const char *suffix, struct buf *out)
{
	buf_printf(out, PUBLICATION_API "/tpmnodes/%s%s", daemon->settings.node_name, suffix);
}

static void publish_key(struct daemon *daemon)
{
	_cleanup_(buf_free) struct buf path = BUF_MAX(512), body = BUF_MAX(BODY_MAX);

	print_node_path(daemon, "", &path);
	publication_print_node(&daemon->health.node_key, &body);
	put(daemon, &path, &body);
}

/* Without a key there is no TPMNode whose status it could be. */
static bool has_key(const struct daemon *daemon)
{
	struct tpm2_name ignored;
	struct error err;

	return daemon->health.enrolled || pin_read(daemon->settings.state_directory, &ignored, &err) == 0;
}

static void remember_why(struct publishing *publishing, const struct error *why)
{
	if (publishing->why.code != why->code)
		publishing->why = *why;
}

static size_t count_usable(const struct daemon *daemon)
{
	return health_is_good(daemon) ? secrets_usable(daemon->secrets) : 0;
}

static void publish_state(struct daemon *daemon)
{
	_cleanup_(buf_free) struct buf path = BUF_MAX(512), body = BUF_MAX(BODY_MAX), tpm = BUF_MAX(128);
	const struct tpm_description *description = &daemon->health.description;
	const struct error *why = &daemon->publishing.why;

	remember_why(&daemon->publishing, &daemon->health.why);
	if (*description->manufacturer)
		buf_printf(&tpm, "%s %s %s", description->manufacturer, description->model, description->firmware);
	const struct publication_node node = {
		.node = daemon->settings.node_name,
		.tpm = buf_text(&tpm),
		.secrets = count_usable(daemon),
		.ready = health_is_good(daemon),
		.reason = tpm_reason(why->code),
		.message = why->code ? why->message : "",
		.since = daemon->health.since,
	};
	print_node_path(daemon, "/status", &path);
	publication_print_node_status(&node, &body);
	put(daemon, &path, &body);
}

/* By somebody else, perhaps; where it was us, to say it again changes nothing in the server, and nobody hears of it. */
void publish_node_changed(struct daemon *daemon, const struct kube_object *before)
{
	_cleanup_(buf_free) struct buf key = BUF_MAX(512), state = BUF_MAX(512);

	if (!before || !daemon->source)
		return;
	print_node_path(daemon, "", &key);
	print_node_path(daemon, "/status", &state);
	kube_source_publish_again(daemon->source, buf_text(&key));
	kube_source_publish_again(daemon->source, buf_text(&state));
}

/* ── The secrets ── */

static void print_path(const char *secret, struct buf *out)
{
	buf_printf(out, PUBLICATION_API "/tpmsecrets/%s/status", secret);
}

/* A secret that is good in itself waits for the TPM, whose TPMNode says why. */
static struct publication_secret describe(const struct daemon *daemon, const struct secret_entry *entry)
{
	bool good = entry->state == SECRET_USABLE, waits = good && !health_is_good(daemon);
	int64_t health_since = daemon->health.since;

	return (struct publication_secret){
		.secret = entry->name,
		.node = daemon->settings.node_name,
		.ready = good && !waits,
		.reason = waits ? "TPMNotReady" : secret_reason(entry->state),
		.message = waits  ? "the TPM of this node cannot be used now; its TPMNode says why"
			   : good ? ""
				  : entry->why.message,
		.version = entry->sealed ? entry->sealed->envelope->version : 0,
		.since = good && health_since > entry->since ? health_since : entry->since,
	};
}

/* The TPM is about to be asked for it: what comes of that will be said. */
static bool is_on_trial(const struct daemon *daemon, const struct secret_entry *entry)
{
	return entry->state == SECRET_USABLE && !entry->tried && health_is_good(daemon);
}

static bool has_nothing_to_say(const struct daemon *daemon, const struct secret_entry *entry)
{
	return entry->state == SECRET_DELETED || (entry->state == SECRET_ELSEWHERE && !entry->published) || is_on_trial(daemon, entry);
}

static void publish_secret(struct daemon *daemon, struct secret_entry *entry)
{
	_cleanup_(buf_free) struct buf path = BUF_MAX(512), body = BUF_MAX(BODY_MAX);
	const struct publication_secret secret = describe(daemon, entry);

	if (has_nothing_to_say(daemon, entry))
		return;
	print_path(entry->name, &path);
	if (entry->state == SECRET_ELSEWHERE)
		publication_print_no_secret_status(&secret, &body); /* it was sealed for this node before */
	else
		publication_print_secret_status(&secret, &body);
	put(daemon, &path, &body);
	entry->published = true;
}

void publish_forget(struct daemon *daemon, const char *secret)
{
	_cleanup_(buf_free) struct buf path = BUF_MAX(512);
	struct kube_publication publication = { NULL, NULL, REPORTER, daemon->settings.node_name };
	struct error ignored;

	print_path(secret, &path);
	publication.path = buf_text(&path);
	if (daemon->source)
		(void)!kube_source_publish(daemon->source, &publication, &ignored);
}

/* ── When ── */

static void publish_all(uv_timer_t *timer)
{
	struct daemon *daemon = timer->data;

	if (daemon->health.enrolled)
		publish_key(daemon);
	if (has_key(daemon))
		publish_state(daemon);
	for (size_t i = 0; i < secrets_count(daemon->secrets); i++)
		publish_secret(daemon, secrets_at(daemon->secrets, i));
}

void publish_changed(struct daemon *daemon)
{
	if (!uv_is_active((uv_handle_t *)&daemon->publishing.timer))
		uv_timer_start(&daemon->publishing.timer, publish_all, SETTLE_MS, 0);
}

void publish_start(struct daemon *daemon)
{
	uv_timer_init(&daemon->loop, &daemon->publishing.timer);
	daemon->publishing.timer.data = daemon;
}

void publish_stop(struct daemon *daemon)
{
	uv_timer_stop(&daemon->publishing.timer);
}
