// SPDX-License-Identifier: Apache-2.0
#include "tests/net/hosts.h"

#include <stdio.h>
#include <stdlib.h>

#include "tests/support/random_cluster.h"
#include "tests/support/scenario_change.h"

struct hosts {
	struct fabric *fabric;
	struct kube_address addresses[HOSTS][2];
	int places[HOSTS];
};

static int give(struct hosts *hosts, int place, const char *text, struct error *err)
{
	struct kube_address address;

	int r = kube_address_parse(text, &address, err);
	if (r == 0)
		r = fabric_address_add(hosts->fabric, place, &address, err);
	return r == 0 ? fabric_address_wait(hosts->fabric, place, &address, err) : r;
}

static int give_fixed_addresses(struct hosts *hosts, struct error *err)
{
	int r = give(hosts, FABRIC_NODE, SCENARIO_NODE4, err);

	if (r == 0)
		r = give(hosts, FABRIC_NODE, SCENARIO_NODE6, err);
	for (int i = 0; i < RANDOM_OUTSIDE && r == 0; i++)
		r = give(hosts, FABRIC_OUTSIDE, random_outside[i], err);
	return r;
}

static int put_hosts_outside(struct hosts *hosts, struct error *err)
{
	char text[2][INET6_ADDRSTRLEN];
	int r = 0;

	for (int i = 0; i < HOSTS; i++) {
		hosts->places[i] = FABRIC_OUTSIDE;
		snprintf(text[0], sizeof(text[0]), "10.1.0.%d", i + 2);
		snprintf(text[1], sizeof(text[1]), "fd00:1::%x", i + 2);
		for (int j = 0; j < 2 && r == 0; j++) {
			r = kube_address_parse(text[j], &hosts->addresses[i][j], err);
			if (r == 0)
				r = fabric_address_add(hosts->fabric, FABRIC_OUTSIDE, &hosts->addresses[i][j], err);
		}
	}
	return r;
}

int hosts_new(struct fabric *fabric, struct hosts **ret, struct error *err)
{
	_cleanup_(hosts_freep) struct hosts *hosts = calloc(1, sizeof(*hosts));

	if (!hosts)
		return error_nomem(err);
	hosts->fabric = fabric;
	int r = give_fixed_addresses(hosts, err);
	if (r == 0)
		r = put_hosts_outside(hosts, err);
	if (r == 0)
		*ret = TAKE_PTR(hosts);
	return r;
}

void hosts_free(struct hosts *hosts)
{
	free(hosts);
}

static int move_host(struct hosts *hosts, int host, int place, struct error *err)
{
	int r = 0;

	for (int i = 0; i < 2 && r == 0; i++) {
		r = fabric_address_remove(hosts->fabric, hosts->places[host], &hosts->addresses[host][i], err);
		if (r == 0)
			r = fabric_address_add(hosts->fabric, place, &hosts->addresses[host][i], err);
	}
	hosts->places[host] = place;
	return r;
}

int hosts_follow(struct hosts *hosts, const struct scenario *scenario, struct error *err)
{
	int r = 0;

	for (int i = 0; i < HOSTS && r == 0; i++) {
		int place = scenario_is_endpoint(scenario, &hosts->addresses[i][0]) ? FABRIC_POD(i) : FABRIC_OUTSIDE;
		if (place != hosts->places[i])
			r = move_host(hosts, i, place, err);
	}
	for (int i = 0; i < HOSTS * 2 && r == 0; i++)
		r = fabric_address_wait(hosts->fabric, hosts->places[i / 2], &hosts->addresses[i / 2][i % 2], err);
	return r;
}

int hosts_place(const struct hosts *hosts, const struct kube_address *address)
{
	struct kube_address node;
	struct error ignored;

	for (int i = 0; i < HOSTS; i++) {
		if (kube_address_equals(&hosts->addresses[i][0], address) || kube_address_equals(&hosts->addresses[i][1], address))
			return hosts->places[i];
	}
	for (int i = 0; i < 2; i++) {
		if (kube_address_parse(i ? SCENARIO_NODE6 : SCENARIO_NODE4, &node, &ignored) == 0 && kube_address_equals(&node, address))
			return FABRIC_NODE;
	}
	return FABRIC_OUTSIDE;
}
