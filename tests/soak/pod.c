// SPDX-License-Identifier: Apache-2.0
#include "tests/soak/pod.h"

#include "tests/soak/must.h"
#include "tests/soak/veth.h"

void pod_prepare(struct node *node, const char *namespace, unsigned i, const char *app, struct pod *ret)
{
	struct kube_address addresses[VETH_ADDRESSES];
	char address6[32];
	struct error err;

	snprintf(ret->name, sizeof(ret->name), "p%u", i);
	snprintf(ret->full, sizeof(ret->full), "%s/%s", namespace, ret->name);
	snprintf(ret->address4, sizeof(ret->address4), "10.1.%u.%u", i / 250 % 256, i % 250 + 2);
	snprintf(address6, sizeof(address6), "fd00:1::%x", i + 2);
	snprintf(ret->addresses[0], sizeof(ret->addresses[0]), "%s/16", ret->address4);
	snprintf(ret->addresses[1], sizeof(ret->addresses[1]), "%s/64", address6);
	veth_path(ret->name, ret->path);
	must(kube_address_parse(ret->address4, &addresses[0], &err), &err);
	must(kube_address_parse(address6, &addresses[1], &err), &err);
	put(node,
	    "{kind: Pod, apiVersion: v1, metadata: {namespace: %s, name: %s, uid: %s, labels: {app: %s}}, spec: "
	    "{nodeName: " NODE_NAME ", containers: [{name: c}]}}\n",
	    namespace, ret->name, ret->name, app);
	must(veth_make(node->fabric, ret->name, addresses, &err), &err);
	ret->call = (struct node_call){ .container = ret->name,
					.netns = ret->path,
					.ifname = "eth0",
					.pod = ret->full,
					.uid = ret->name,
					.addresses = { ret->addresses[0], ret->addresses[1] } };
}

void pod_start(struct node *node, const char *namespace, unsigned i, const char *app, struct pod *ret)
{
	struct error err;

	pod_prepare(node, namespace, i, app, ret);
	must(node_call("ADD", &ret->call, &err), &err);
}

void pod_stop(struct node *node, struct pod *pod)
{
	struct error err;

	must(node_call("DEL", &pod->call, &err), &err);
	must(veth_delete(node->fabric, pod->name, &err), &err);
	must(veth_forget(pod->name, &err), &err);
}
