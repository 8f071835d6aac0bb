// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_PLUGIN_PLUGIN_H
#define HOLDFAST_PLUGIN_PLUGIN_H

#include <uv.h>

#include "device-plugin/plugin/device.h"

/*
 * kubelet's side of the daemon (library hf_plugin): offers secrets as extended resources "tpm.holdfast/<secret>" over the device plugin API
 * v1beta1, and asks the handler before each start of a container. One socket per resource, `<directory>/holdfast-<hash>.sock`, for peers of
 * our own user only, which is kubelet's: root. Everything runs in the thread of the loop; the program must ignore SIGPIPE.
 */
struct plugin;

/* ── One PreStartContainer call ── */

struct plugin_start;

struct plugin_handler {
	/*
	 * A container is about to start. Must end in exactly one plugin_start_answer, at once or later. kubelet waits for 30 s and then
	 * asks anew, before the first call may have been answered.
	 */
	void (*start)(void *context, struct plugin_start *start);
	/*
	 * A pod is being given the device, whose earlier one has ended: what is in the volume is not for it. Before kubelet hears the
	 * answer, so at once. NULL: nothing is to be done.
	 */
	void (*allocated)(void *context, const char *device);
	void *context;
};

const char *plugin_start_secret(const struct plugin_start *start); /* "db-password"; PLUGIN_GENERAL: the general resource */
const char *plugin_start_device(const struct plugin_start *start); /* "47facce2-3": of several the lowest slot; it names the volume */
/* Nobody waits for the answer any more. It still has to be given. */
bool plugin_start_is_gone(const struct plugin_start *start);
/*
 * r 0: the container may start. Negative: `err` says why not, and is what `kubectl describe pod` shows. `start` is not the caller's any
 * more. May be called after plugin_withdraw and plugin_stop, and must be.
 */
void plugin_start_answer(struct plugin_start *start, int r, const struct error *err);

/* ── The plugin ── */

struct plugin_options {
	const char *directory; /* of kubelet's: /var/lib/kubelet/device-plugins; made (0750), if kubelet has not been there yet. Copied */
	const char *volumes;   /* /run/holdfast/vol; copied */
	struct plugin_handler handler;
};

/* ENAMETOOLONG: the directory's path leaves no room for a unix socket's name (107 bytes in all); errors of making and watching it. */
int plugin_new(uv_loop_t *loop, const struct plugin_options *options, struct plugin **ret, struct error *err) must_check;

/*
 * Offers the secret in 1..DEVICE_SLOTS_MAX slots: registers now, whenever kubelet comes back, and with back-off until it is taken. Healthy
 * until plugin_set_health says otherwise; before this returns to the loop nobody has seen it. Again: changes the slots; those that are too
 * many are said to be unhealthy (why they stay listed: offer.h). EINVAL: the name (device_check_secret) or the slots; EEXIST: another
 * secret has the same 32 bits of SHA-256, so one of them needs another name.
 */
int plugin_offer(struct plugin *plugin, const char *secret, unsigned slots, struct error *err) must_check;

/* Said to kubelet at once. What is not offered is ignored, here and below. */
void plugin_set_health(struct plugin *plugin, const char *secret, bool healthy);

/*
 * Offers it no more: allocatable is 0 at once, and after five minutes kubelet forgets the resource. Until then a container that starts
 * again gets kubelet's own words ("endpoint … has been stopped"): where pods still have devices and should hear ours, set its health to
 * false and refuse their starts instead.
 */
void plugin_withdraw(struct plugin *plugin, const char *secret);

enum plugin_registration {
	PLUGIN_WAITING,    /* for kubelet, or for the next try */
	PLUGIN_QUEUED,     /* goes when one of PLUGIN_ASKING_MAX before it is answered; while kubelet is away one tries for all */
	PLUGIN_ASKING,     /* kubelet is being asked */
	PLUGIN_ACCEPTED,   /* kubelet has said yes and not asked for the list yet */
	PLUGIN_REGISTERED, /* kubelet watches the list */
};
#define PLUGIN_ASKING_MAX 32

const char *plugin_registration_name(enum plugin_registration registration); /* "waiting", "registered" */

struct plugin_resource {
	const char *secret;
	unsigned slots;
	bool healthy; /* as kubelet hears it */
	enum plugin_registration registration;
	const char *problem; /* why it is not registered, as far as is known: "" */
	uint64_t n_registrations, n_allocations, n_starts, n_refused;
};

/* Calls `each` for each resource, in the order of their offers. */
void plugin_status(const struct plugin *plugin, void (*each)(void *context, const struct plugin_resource *resource), void *context);

/*
 * Ends all connections. `closed` (may be NULL) is called once, from the loop or from within the last plugin_start_answer, when nothing is
 * left and every start has been answered: then the plugin is freed. Accepts NULL, then calls nothing.
 */
void plugin_stop(struct plugin *plugin, void (*closed)(void *context), void *context);

#endif
