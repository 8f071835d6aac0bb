// SPDX-License-Identifier: Apache-2.0
/* `holdfast-tpm status -o json`: what monitoring reads; docs/secrets.md names the keys. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "common/base/when.h"
#include "common/kube/report.h"
#include "device-plugin/daemon/show.h"
#include "device-plugin/seal/value.h"

static void open_member(const char *key, char bracket, struct buf *out)
{
	buf_json_key(out, key);
	buf_byte(out, (uint8_t)bracket);
}

static void json_head(const struct daemon *daemon, struct buf *out)
{
	struct error err = { 0 };
	bool ready = daemon_check_ready(daemon, &err) == 0;

	buf_json_member(out, "version", HOLDFAST_VERSION);
	buf_json_member(out, "node", daemon->settings.node_name);
	buf_json_number(out, "upSeconds", (uv_now(&daemon->loop) - daemon->started_ms) / 1000);
	buf_json_bool(out, "ready", ready);
	buf_json_member(out, "notReadyReason", ready ? "" : err.message);
}

static void json_root_key(const struct daemon *daemon, struct buf *out)
{
	open_member("rootKey", '"', out);
	if (daemon->health.enrolled)
		hex_print(slice_from(daemon->health.node_key.root.name.bytes, TPM2_NAME_SIZE), out);
	buf_byte(out, '"');
}

static void json_tpm(const struct daemon *daemon, struct buf *out)
{
	const struct tpm_description *tpm = &daemon->health.description;
	const char *why = health_why(daemon);

	open_member("tpm", '{', out);
	buf_json_member(out, "tcti", daemon->settings.tcti);
	buf_json_bool(out, "usable", !why);
	buf_json_member(out, "reason", why ? why : "");
	buf_json_number(out, "sinceSeconds", when_seconds_since(daemon->health.since));
	buf_json_member(out, "manufacturer", tpm->manufacturer);
	buf_json_member(out, "model", tpm->model);
	buf_json_member(out, "firmware", tpm->firmware);
	json_root_key(daemon, out);
	buf_json_number(out, "hold", daemon->health.hold_value);
	buf_json_bool(out, "lockedOut", tpm->locked_out);
	buf_json_number(out, "failedTries", tpm->failed_tries);
	buf_json_number(out, "maximumTries", tpm->maximum_tries);
	buf_json_number(out, "forgetsTrySeconds", tpm->forgets_try_s);
	buf_json_number(out, "waiting", tpm_worker_queue_length(daemon->worker));
	buf_json_number(out, "busyMilliseconds", tpm_worker_busy_ms(daemon->worker));
	buf_byte(out, '}');
}

static void json_resource(void *context, const struct plugin_resource *resource)
{
	buf_json_element(context, '{');
	buf_json_member(context, "secret", resource->secret);
	buf_json_number(context, "slots", resource->slots);
	buf_json_bool(context, "healthy", resource->healthy);
	buf_json_member(context, "registration", plugin_registration_name(resource->registration));
	buf_json_member(context, "problem", resource->problem);
	buf_json_number(context, "allocations", resource->n_allocations);
	buf_json_number(context, "starts", resource->n_starts);
	buf_json_number(context, "refused", resource->n_refused);
	buf_byte(context, '}');
}

static void json_kubelet(const struct daemon *daemon, struct buf *out)
{
	struct kubelet_counts counts = show_count_resources(daemon);

	open_member("kubelet", '{', out);
	buf_json_member(out, "directory", daemon->settings.kubelet_directory);
	buf_json_number(out, "registered", counts.registered);
	open_member("resources", '[', out);
	plugin_status(daemon->plugin, json_resource, out);
	buf_string(out, "]}");
}

static void json_secrets(const struct daemon *daemon, struct buf *out)
{
	struct secret_counts counts = show_count_secrets(daemon);

	open_member("secrets", '{', out);
	for (int i = 0; i < SECRET_STATES; i++)
		buf_json_number(out, secret_state_name((enum secret_state)i), counts.of[i]);
	buf_byte(out, '}');
}

static void json_volumes(const struct daemon *daemon, struct buf *out)
{
	struct volumes_use use = volumes_use(daemon->volumes);

	open_member("volumes", '{', out);
	buf_json_member(out, "directory", daemon->settings.volumes);
	buf_json_number(out, "count", use.volumes);
	buf_json_number(out, "bytes", use.bytes);
	buf_byte(out, '}');
}

static void json_deliveries(const struct daemon *daemon, struct buf *out)
{
	const struct daemon_counters *counters = &daemon->counters;

	open_member("delivered", '{', out);
	buf_json_number(out, "starts", counters->starts);
	buf_json_number(out, "handedOut", counters->handed_out);
	buf_json_number(out, "rotated", counters->rotated);
	buf_json_number(out, "shredded", counters->shredded);
	buf_byte(out, '}');
	open_member("refused", '{', out);
	for (int i = 0; i < REFUSALS; i++)
		buf_json_number(out, refusal_name((enum refusal)i), counters->refused[i]);
	buf_byte(out, '}');
	buf_json_member(out, "lastRefusal", counters->last_refusal);
	buf_json_number(out, "lastRefusalTime", (uint64_t)counters->last_refusal_time);
}

void show_status_json(const struct daemon *daemon, struct buf *out)
{
	const struct kube_report report = show_report(daemon);

	buf_byte(out, '{');
	json_head(daemon, out);
	json_tpm(daemon, out);
	json_kubelet(daemon, out);
	kube_report_print_json(&report, out);
	json_secrets(daemon, out);
	json_volumes(daemon, out);
	json_deliveries(daemon, out);
	buf_string(out, "}\n");
}
