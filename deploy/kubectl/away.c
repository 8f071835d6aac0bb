// SPDX-License-Identifier: Apache-2.0
#include "deploy/kubectl/away.h"

#include <stdlib.h>
#include <string.h>

#include "deploy/kubectl/cluster.h"

void away_clear(struct away *away)
{
	for (size_t i = 0; i < away->n; i++)
		free(away->names[i]);
	free(away->names);
	*away = (struct away){ 0 };
}

static bool is_away(const struct node *node)
{
	return node->lost && node->pod;
}

static int take(const struct cluster *cluster, struct away *ret, struct error *err)
{
	ret->names = calloc(cluster->n_nodes ? cluster->n_nodes : 1, sizeof(*ret->names));
	if (!ret->names)
		return error_nomem(err);
	for (size_t i = 0; i < cluster->n_nodes; i++) {
		if (!is_away(&cluster->nodes[i]))
			continue;
		ret->names[ret->n] = strdup(cluster->nodes[i].name);
		if (!ret->names[ret->n])
			return error_nomem(err);
		ret->n++;
	}
	return 0;
}

int away_find(const struct kubectl *kubectl, struct away *ret, struct error *err)
{
	_cleanup_(cluster_clear) struct cluster cluster = { 0 };
	struct away away = { 0 };

	int r = cluster_read(kubectl, true, &cluster, err);
	r = r < 0 ? r : take(&cluster, &away, err);
	if (r < 0)
		away_clear(&away);
	else
		*ret = away;
	return r;
}

static bool has(const struct away *away, const char *name)
{
	for (size_t i = 0; i < away->n; i++) {
		if (strcmp(away->names[i], name) == 0)
			return true;
	}
	return false;
}

int away_count(const struct kubectl *kubectl, const struct away *away, int64_t *ret, struct error *err)
{
	_cleanup_(cluster_clear) struct cluster cluster = { 0 };
	int64_t n = 0;

	int r = away->n > 0 ? cluster_read(kubectl, true, &cluster, err) : 0;
	if (r < 0)
		return r;
	for (size_t i = 0; i < cluster.n_nodes; i++)
		n += is_away(&cluster.nodes[i]) && has(away, cluster.nodes[i].name);
	*ret = n;
	return 0;
}
