// SPDX-License-Identifier: Apache-2.0
/*
 * A Service for explain: its selector and its port say which pods a connection may end at. What kube-proxy makes of readiness, topology
 * and session affinity is not asked: a pod that is not ready now will be, and the policies' answer stays the same.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cni-plugin/agent/explain.h"
#include "common/base/array.h"
#include "common/base/show.h"

int explain_find_service(struct agent *agent, const char *name, const struct kube_object **ret, struct error *err)
{
	char namespace[EXPLAIN_NAME_MAX];
	const char *slash = strchr(name, '/');

	if (!slash)
		return error_set(err, EINVAL, "\"%s\" is no namespace/service", SHOW(slice_string(name)));
	if (!kube_store_listed(agent->store, KUBE_SERVICE))
		return error_set(err, EAGAIN,
				 "the agent knows no Services: its role needs get, list and watch on services (holdfast-net status)");
	snprintf(namespace, sizeof(namespace), "%.*s", (int)(slash - name), name);
	const struct kube_object *service = kube_store_get(agent->store, KUBE_SERVICE, namespace, slash + 1);
	if (!service)
		return error_set(err, ENOENT, "there is no Service \"%s\"", SHOW(slice_string(name)));
	if (service->service.external_name)
		return error_set(err, EINVAL,
				 "Service \"%s\" is an ExternalName: an alias of %s in DNS, which no policy sees; ask with --to-ip for an "
				 "address of that name",
				 SHOW(slice_string(name)), service->service.external_name);
	if (service->service.selector.n == 0)
		return error_set(err, EINVAL,
				 "Service \"%s\" has no selector: its endpoints are written by hand; ask with --to-ip for one of them",
				 SHOW(slice_string(name)));
	*ret = service;
	return 0;
}

static int find_port(const struct kube_object *object, const struct policy_port *asked, const struct kube_service_port **ret,
		     struct error *err)
{
	const struct kube_service *service = &object->service;
	_cleanup_(buf_free) struct buf list = BUF_MAX(256);

	for (size_t i = 0; i < service->n_ports; i++) {
		*ret = &service->ports[i];
		if ((*ret)->port == asked->port && (*ret)->protocol == asked->protocol)
			return 0;
		buf_printf(&list, "%s%u/%s", list.n ? ", " : "", (*ret)->port, kube_protocol_name((*ret)->protocol));
	}
	return error_set(err, ENOENT, "Service %s/%s has no port %u/%s; its ports are: %s", object->namespace, object->name, asked->port,
			 kube_protocol_name(asked->protocol), list.n ? buf_text(&list) : "none");
}

struct search {
	const struct kube_object *service;
	const struct kube_service_port *port;
	struct explain_backends backends;
};

/* 0: the pod does not serve it. */
static uint16_t target_of(const struct kube_service_port *port, const struct kube_pod *pod)
{
	for (size_t i = 0; port->target_name && i < pod->n_ports; i++) {
		if (pod->ports[i].protocol == port->protocol && strcmp(pod->ports[i].name, port->target_name) == 0)
			return pod->ports[i].port;
	}
	return port->target;
}

static int add_backend(void *context, const struct kube_object *pod)
{
	struct search *search = context;
	struct explain_backends *list = &search->backends;
	uint16_t port = target_of(search->port, &pod->pod);

	if (strcmp(pod->namespace, search->service->namespace) != 0 || kube_phase_has_ended(pod->pod.phase) ||
	    !kube_labels_include(&pod->labels, &search->service->service.selector) || port == 0)
		return 0;
	if (!array_room((void **)&list->items, list->n, &list->capacity, sizeof(*list->items)))
		return -ENOMEM;
	list->items[list->n++] = (struct explain_backend){ pod, port };
	return 0;
}

static int compare_backends(const void *a, const void *b)
{
	return strcmp(((const struct explain_backend *)a)->pod->name, ((const struct explain_backend *)b)->pod->name);
}

int explain_find_backends(struct agent *agent, const struct kube_object *service, const struct policy_port *port,
			  struct explain_backends *ret, struct error *err)
{
	struct search search = { .service = service };
	struct explain_backends *list = &search.backends;

	int r = find_port(service, port, &search.port, err);
	if (r < 0)
		return r;
	r = kube_store_each(agent->store, KUBE_POD, add_backend, &search);
	if (r == 0 && list->n == 0)
		r = error_set(err, ENOENT, "no pod that serves this port stands behind Service %s/%s", service->namespace, service->name);
	else if (r < 0)
		error_nomem(err);
	if (r < 0) {
		free(list->items);
		return r;
	}
	qsort(list->items, list->n, sizeof(*list->items), compare_backends);
	if (list->n > EXPLAIN_BACKENDS_MAX) {
		list->n_left_out = list->n - EXPLAIN_BACKENDS_MAX;
		list->n = EXPLAIN_BACKENDS_MAX;
	}
	*ret = *list;
	return 0;
}
