// SPDX-License-Identifier: Apache-2.0
#include "common/base/array.h"
#include "common/daemon/metrics.h"
#include "common/http/endpoint.h"
#include "common/http/metrics.h"
#include "device-plugin/daemon/show.h"

/* Seconds. Around what chips need for one unsealing: 0.15 to 0.6. */
static const double bounds[] = { 0.001, 0.005, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 25 };
_Static_assert(ELEMENTS_OF(bounds) < ELEMENTS_OF(((struct daemon_time *)0)->counts), "one more for what took longer");

void metrics_note_time(struct daemon_time *time, uint64_t ms)
{
	double seconds = (double)ms / 1e3;
	size_t i = 0;

	while (i < ELEMENTS_OF(bounds) && seconds > bounds[i])
		i++;
	time->counts[i]++;
	time->sum += seconds;
}

static void add_time(struct buf *out, const char *name, const struct daemon_time *time, const char *help)
{
	metrics_histogram(out, name, help, bounds, time->counts, ELEMENTS_OF(bounds), time->sum);
}

static void add_tpm(const struct daemon *daemon, struct buf *out)
{
	metrics_one(out, "holdfast_tpm_ready", METRIC_GAUGE, health_is_good(daemon),
		    "1 while the enrolled TPM answers and is not locked out.");
	metrics_one(out, "holdfast_tpm_hold_counter", METRIC_GAUGE, (double)daemon->health.hold_value,
		    "The hold counter; what was sealed at a lower value is revoked.");
	metrics_one(out, "holdfast_tpm_failed_authorizations", METRIC_GAUGE, (double)daemon->health.description.failed_tries,
		    "Failed authorizations that the TPM remembers; at its limit it locks itself.");
	metrics_one(out, "holdfast_tpm_jobs_waiting", METRIC_GAUGE, (double)tpm_worker_queue_length(daemon->worker),
		    "Jobs that wait for the TPM.");
	metrics_one(out, "holdfast_tpm_busy_seconds", METRIC_GAUGE, (double)tpm_worker_busy_ms(daemon->worker) / 1e3,
		    "For how long the TPM has been at the job that runs now.");
	add_time(out, "holdfast_tpm_unseal_duration_seconds", &daemon->counters.tpm_time,
		 "From asking for a key to having it, waiting included.");
}

static void add_secrets(const struct daemon *daemon, struct buf *out)
{
	struct secret_counts counts = show_count_secrets(daemon);

	metrics_family(out, "holdfast_tpm_secrets", METRIC_GAUGE, "TPMSecrets of the cluster, by what this node makes of them.");
	for (size_t i = 0; i < SECRET_STATES; i++)
		metrics_sample(out, "holdfast_tpm_secrets", (double)counts.of[i], "state", secret_state_name((enum secret_state)i));
}

static void add_starts(const struct daemon *daemon, struct buf *out)
{
	const struct daemon_counters *counters = &daemon->counters;

	metrics_one(out, "holdfast_tpm_starts_total", METRIC_COUNTER, (double)counters->starts,
		    "Starts of containers that asked for a secret.");
	metrics_one(out, "holdfast_tpm_handed_out_total", METRIC_COUNTER, (double)counters->handed_out,
		    "Starts that got what they asked for.");
	metrics_family(out, "holdfast_tpm_refused_total", METRIC_COUNTER, "Starts that did not, by reason.");
	for (size_t i = 0; i < REFUSALS; i++)
		metrics_sample(out, "holdfast_tpm_refused_total", (double)counters->refused[i], "reason", refusal_name((enum refusal)i));
	metrics_one(out, "holdfast_tpm_rotated_total", METRIC_COUNTER, (double)counters->rotated,
		    "New versions given to containers that run.");
	add_time(out, "holdfast_tpm_identity_duration_seconds", &counters->identity_time, "To find out which pod a start is for.");
	add_time(out, "holdfast_tpm_delivery_duration_seconds", &counters->delivery_time, "To write a volume.");
}

static void add_volumes(const struct daemon *daemon, struct buf *out)
{
	struct volumes_use use = volumes_use(daemon->volumes);

	metrics_one(out, "holdfast_tpm_volumes", METRIC_GAUGE, (double)use.volumes, "Volumes of containers.");
	metrics_one(out, "holdfast_tpm_volume_bytes", METRIC_GAUGE, (double)use.bytes, "Bytes in them.");
	metrics_one(out, "holdfast_tpm_volumes_shredded_total", METRIC_COUNTER, (double)daemon->counters.shredded,
		    "Volumes that were overwritten and removed, since their pods have gone.");
}

static void add_kubelet(const struct daemon *daemon, struct buf *out)
{
	struct kubelet_counts counts = show_count_resources(daemon);

	metrics_one(out, "holdfast_tpm_resources", METRIC_GAUGE, (double)counts.resources, "Resources that are offered to kubelet.");
	metrics_one(out, "holdfast_tpm_resources_registered", METRIC_GAUGE, (double)counts.registered,
		    "Of these, how many kubelet watches.");
}

static void add_metrics(void *context, struct buf *out)
{
	const struct daemon *daemon = context;
	const struct kube_report report = show_report(daemon);

	add_tpm(daemon, out);
	add_secrets(daemon, out);
	add_starts(daemon, out);
	add_volumes(daemon, out);
	add_kubelet(daemon, out);
	metrics_one(out, "holdfast_tpm_published_total", METRIC_COUNTER, (double)report.source.published,
		    "Times that the API server has taken what this node says of itself and of its secrets.");
	metrics_one(out, "holdfast_tpm_unpublished", METRIC_GAUGE, (double)report.source.unpublished,
		    "Objects in the API server that lack it.");
	daemon_metrics_add_source("holdfast_tpm_", &report, daemon->started_ms, out);
}

static bool is_ready(void *context, struct buf *why)
{
	struct error err;

	int r = daemon_check_ready(context, &err);
	if (r < 0)
		buf_printf(why, "%s\n", err.message);
	return r == 0;
}

int metrics_start(struct daemon *daemon, struct error *err)
{
	const struct http_handlers handlers = { .metrics = add_metrics, .ready = is_ready, .context = daemon };

	int r = http_endpoint_start(&daemon->loop, daemon->settings.metrics_address, &handlers, &daemon->endpoint, err);
	return r < 0 ? error_wrap(err, "secrets.metricsAddress") : 0;
}

void metrics_stop(struct daemon *daemon)
{
	http_endpoint_stop(TAKE_PTR(daemon->endpoint), NULL, NULL);
}
