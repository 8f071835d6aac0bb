// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_TESTS_FAKE_KUBELET_H
#define HOLDFAST_TESTS_FAKE_KUBELET_H

#include "common/rpc/grpc.h"

/*
 * kubelet's device manager as far as a plugin sees it: Registration on `<directory>/kubelet.sock`, sockets that it finds there removed when
 * it starts, a dial back from within Register, and the newest list that each resource gave. Fails the test by itself when it cannot go on.
 */
struct fake_kubelet;

#define FAKE_KUBELET_RESOURCES_MAX 256
#define FAKE_KUBELET_IDS_KEPT 16

struct fake_resource {
	char name[96], endpoint[64];
	unsigned n_registrations;
	bool connected; /* the newest list is live */
	bool pre_start_required, preferred_available;
	unsigned n_lists, n_devices, n_healthy;
	char ids[FAKE_KUBELET_IDS_KEPT][24]; /* of the first devices */

	struct fake_kubelet *kubelet;
	struct grpc_client *client;
	struct grpc_client_call *watch;
	struct grpc_call *registering;
};

/*
 * kubelet's own, until it is freed: a test that ends, or fails, before an answer has come leaves nothing that it could be written over.
 */
struct fake_answer {
	struct grpc_client_call *call; /* NULL: ended */
	bool ended;
	enum rpc_status status;
	char words[512];
	char host_path[256], container_path[256];
	bool read_only;
	size_t n_ids;
	char ids[16][24]; /* GetPreferredAllocation */
	struct fake_answer *next;
};

struct fake_kubelet *fake_kubelet_start(uv_loop_t *loop, const char *directory);
/* As when kubelet ends: its connections go, and its socket. */
void fake_kubelet_stop(struct fake_kubelet *kubelet);
/* When the loop has nothing more to do. Its answers go with it. */
void fake_kubelet_free(struct fake_kubelet *kubelet);
/* From now on Register is answered with this; NULL: taken again. */
void fake_kubelet_refuse(struct fake_kubelet *kubelet, const char *words);
/* Register is answered with OK, but the lists are never asked for. */
void fake_kubelet_ignore_lists(struct fake_kubelet *kubelet);
/* Ends the connection to the resource, as kubelet does when an older one of that name ends. */
void fake_kubelet_disconnect(struct fake_resource *resource);

/* NULL: nobody has registered it. */
struct fake_resource *fake_kubelet_find(struct fake_kubelet *kubelet, const char *name);
size_t fake_kubelet_count_connected(const struct fake_kubelet *kubelet);

/* What they return is filled in from the loop. */
struct fake_answer *fake_kubelet_allocate(struct fake_resource *resource, const char *const *ids, size_t n);
struct fake_answer *fake_kubelet_start_container(struct fake_resource *resource, const char *const *ids, size_t n);
struct fake_answer *fake_kubelet_prefer(struct fake_resource *resource, const char *const *available, size_t n, int size);

#endif
