// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_PLUGIN_INTERNAL_H
#define HOLDFAST_PLUGIN_INTERNAL_H

#include "common/kube/backoff.h"
#include "common/rpc/grpc.h"
#include "device-plugin/plugin/arrival.h"
#include "device-plugin/plugin/offer.h"
#include "device-plugin/plugin/plugin.h"

/* For the files of hf_plugin: plugin.c owns resources, a resource its socket, the calls on it and its registration. */

#define WATCHERS_MAX 4 /* ListAndWatch streams of one resource; kubelet has one */
#define PROBLEM_MAX ERROR_MESSAGE_MAX

struct resource {
	struct plugin *plugin;
	unsigned references; /* its timer, and each start that is not answered */
	char *secret;
	struct offer offer;

	/* resource.c */
	struct grpc_server *server;
	struct grpc_call *watchers[WATCHERS_MAX];
	size_t n_watchers;

	/* registration.c */
	enum plugin_registration registration;
	uv_timer_t registration_timer;
	struct backoff delays, patience;
	struct grpc_client_call *asking;
	char problem[PROBLEM_MAX];

	uint64_t n_registrations, n_allocations, n_starts, n_refused;
};

struct plugin {
	uv_loop_t *loop;
	char *directory, *volumes;
	struct plugin_handler handler;
	uid_t uid;
	struct arrival *arrival;
	struct grpc_client *kubelet;
	struct resource **resources;
	size_t n_resources, capacity;
	unsigned n_asking;
	bool away;        /* kubelet cannot be reached, which was logged */
	bool unreachable; /* as far as the last try has shown; one resource tries for all */
	unsigned n_open;  /* resources that are not freed yet, and the arrival */
	void (*closed)(void *context);
	void *closed_context;
};

/* plugin.c: one of n_open is gone. */
void plugin_unref(struct plugin *plugin);

/* resource.c */
int resource_new(struct plugin *plugin, const char *secret, unsigned slots, struct resource **ret, struct error *err) must_check;
void resource_unref(struct resource *resource);
/* Ends its calls, its socket and its registration; freed when nothing refers to it. */
void resource_close(struct resource *resource);
/* Makes the socket anew and drops the connections to the old one. */
int resource_serve(struct resource *resource, struct error *err) must_check;
void resource_print_endpoint(const struct resource *resource, struct buf *out); /* the socket's name in the directory */
void resource_set_health(struct resource *resource, bool healthy);
/* Sends the list to whoever watches it. */
void resource_publish(struct resource *resource);
/* A ListAndWatch call has come. */
void resource_add_watcher(struct resource *resource, struct grpc_call *call);

/* calls.c: what kubelet may call on a resource's socket. */
struct grpc_service resource_service(struct resource *resource);

/* registration.c */
void registration_init(struct resource *resource);
/* Queues it, to register with the next registration_pump; a try that is under way is given up. `arrived`: kubelet starts right now. */
void registration_begin(struct resource *resource, bool arrived);
void registration_stop(struct resource *resource);
/* kubelet watches the list; nobody watches it any more. */
void registration_watched(struct resource *resource);
void registration_lost(struct resource *resource);
/* Asks for those that are queued. */
void registration_pump(struct plugin *plugin);

#endif
