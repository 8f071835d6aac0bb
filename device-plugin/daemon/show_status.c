// SPDX-License-Identifier: Apache-2.0
/* `holdfast-tpm status`: one screen that says whether this node can hand out its secrets, and what was refused. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "common/base/when.h"
#include "common/kube/report.h"
#include "device-plugin/daemon/show.h"
#include "device-plugin/seal/value.h"

#define INDENT "           "
#define UNREGISTERED_MAX 16
#define ROOT_DIGITS 16 /* of the root key's name; all of it is in the JSON */

struct kube_report show_report(const struct daemon *daemon)
{
	struct kube_report report = { .decides = daemon->snapshot_decides ? &daemon->snapshot_origin : NULL,
				      .now_ms = uv_now(&daemon->loop) };

	kube_source_status(daemon->source, &report.source);
	kube_snapshot_status(daemon->snapshot, &report.snapshot);
	return report;
}

static void count_resource(void *context, const struct plugin_resource *resource)
{
	struct kubelet_counts *counts = context;

	counts->resources++;
	counts->registered += resource->registration == PLUGIN_REGISTERED;
}

struct kubelet_counts show_count_resources(const struct daemon *daemon)
{
	struct kubelet_counts counts = { 0 };

	plugin_status(daemon->plugin, count_resource, &counts);
	return counts;
}

struct secret_counts show_count_secrets(const struct daemon *daemon)
{
	struct secret_counts counts = { 0 };

	for (size_t i = 0; i < secrets_count(daemon->secrets); i++)
		counts.of[secrets_at(daemon->secrets, i)->state]++;
	return counts;
}

int daemon_check_ready(const struct daemon *daemon, struct error *err)
{
	struct kubelet_counts counts = show_count_resources(daemon);

	if (!health_is_good(daemon))
		return error_set(err, EAGAIN, "%s", health_why(daemon));
	if (!kube_store_synced(daemon->store) && !daemon->snapshot_decides)
		return error_set(err, EAGAIN, "the source has not told of all objects yet");
	if (counts.resources > 0 && counts.registered == 0)
		return error_set(err, EAGAIN, "kubelet (%s) has not taken any of %zu resources yet", daemon->settings.kubelet_directory,
				 counts.resources);
	return 0;
}

static void print_head(const struct daemon *daemon, struct buf *out)
{
	struct error err;

	buf_printf(out, "holdfast-tpm " HOLDFAST_VERSION " on node %s, up ", daemon->settings.node_name);
	when_print_duration(out, (uv_now(&daemon->loop) - daemon->started_ms) / 1000);
	if (daemon_check_ready(daemon, &err) == 0)
		buf_string(out, ": ready\n");
	else
		buf_printf(out, ": NOT READY\n" INDENT "%s\n", err.message);
}

static void print_lockout(const struct tpm_description *tpm, struct buf *out)
{
	if (tpm->locked_out)
		buf_printf(out, "; LOCKED OUT after %u failed authorizations, it forgets one every %u s", tpm->failed_tries,
			   tpm->forgets_try_s);
	else if (tpm->failed_tries)
		buf_printf(out, "; %u of %u failed authorizations until it is locked out", tpm->failed_tries, tpm->maximum_tries);
}

static void print_tpm(const struct daemon *daemon, struct buf *out)
{
	const struct health *health = &daemon->health;
	const struct tpm_description *tpm = &health->description;
	const char *why = health_why(daemon);

	buf_printf(out, "tpm        %s: %s for ", daemon->settings.tcti, why ? "CANNOT BE USED" : "well");
	when_print_duration(out, when_seconds_since(health->since));
	buf_byte(out, '\n');
	if (why)
		buf_printf(out, INDENT "%s\n", why);
	if (*tpm->manufacturer)
		buf_printf(out, INDENT "%s %s, firmware %s", tpm->manufacturer, tpm->model, tpm->firmware);
	print_lockout(tpm, out);
	if (*tpm->manufacturer)
		buf_byte(out, '\n');
	if (!health->enrolled)
		return;
	buf_string(out, INDENT "root key ");
	hex_print(slice_from(health->node_key.root.name.bytes, ROOT_DIGITS / 2), out);
	buf_printf(out, "…, hold counter %" PRIu64 "; %zu commands wait for it\n", health->hold_value,
		   tpm_worker_queue_length(daemon->worker));
}

/* A reason that many share is said once. */
struct unregistered {
	struct buf *out;
	const char *said;
	size_t n;
};

static void print_unregistered(void *context, const struct plugin_resource *resource)
{
	struct unregistered *list = context;

	if (resource->registration == PLUGIN_REGISTERED || list->n++ >= UNREGISTERED_MAX || strcmp(list->said, resource->problem) == 0)
		return;
	buf_printf(list->out, INDENT "%s: %s%s%s\n", resource->secret, plugin_registration_name(resource->registration),
		   *resource->problem ? ", " : "", resource->problem);
	list->said = resource->problem;
}

static void print_kubelet(const struct daemon *daemon, struct buf *out)
{
	struct kubelet_counts counts = show_count_resources(daemon);
	struct unregistered list = { out, "", 0 };

	buf_printf(out, "kubelet    %s: %zu of %zu resources registered\n", daemon->settings.kubelet_directory, counts.registered,
		   counts.resources);
	plugin_status(daemon->plugin, print_unregistered, &list);
}

static void print_secrets(const struct daemon *daemon, struct buf *out)
{
	struct secret_counts counts = show_count_secrets(daemon);

	buf_string(out, "secrets   ");
	for (int i = 0; i < SECRET_STATES; i++)
		if (i == SECRET_USABLE || counts.of[i])
			buf_printf(out, "%s %zu %s", i == SECRET_USABLE ? "" : ",", counts.of[i], secret_state_name((enum secret_state)i));
	buf_string(out, "; see `holdfast-tpm list`\n");
}

static void print_volumes(const struct daemon *daemon, struct buf *out)
{
	struct volumes_use use = volumes_use(daemon->volumes);

	buf_printf(out, "volumes    %s: %zu containers have secrets, in %" PRIu64 " KiB of memory that is never swapped\n",
		   daemon->settings.volumes, use.volumes, use.bytes / 1024);
}

static void print_refusals(const struct daemon *daemon, struct buf *out)
{
	const struct daemon_counters *counters = &daemon->counters;
	const char *separator = ": ";
	uint64_t refused = 0;

	for (int i = 0; i < REFUSALS; i++)
		refused += counters->refused[i];
	buf_printf(out, "refused    %" PRIu64, refused);
	for (int i = 0; i < REFUSALS; i++) {
		if (!counters->refused[i])
			continue;
		buf_printf(out, "%s%" PRIu64 " %s", separator, counters->refused[i], refusal_name((enum refusal)i));
		separator = ", ";
	}
	buf_byte(out, '\n');
	if (!*counters->last_refusal)
		return;
	buf_string(out, INDENT "last ");
	when_print_ago(out, when_seconds_since(counters->last_refusal_time));
	buf_printf(out, ": %s\n", counters->last_refusal);
}

static void print_text(const struct daemon *daemon, struct buf *out)
{
	const struct kube_report report = show_report(daemon);
	const struct daemon_counters *counters = &daemon->counters;

	print_head(daemon, out);
	print_tpm(daemon, out);
	print_kubelet(daemon, out);
	kube_report_print(&report, out);
	print_secrets(daemon, out);
	print_volumes(daemon, out);
	buf_printf(out,
		   "delivered  %" PRIu64 " times to containers that started, of %" PRIu64 " that asked; %" PRIu64 " times again, since the "
		   "secret had changed; %" PRIu64 " volumes overwritten and removed\n",
		   counters->handed_out, counters->starts, counters->rotated, counters->shredded);
	print_refusals(daemon, out);
}

int show_status(void *context, const struct control_request *request, struct buf *out, struct error *err)
{
	if (request->json)
		show_status_json(context, out);
	else
		print_text(context, out);
	return 0;
}
