// SPDX-License-Identifier: Apache-2.0
#include "cni-plugin/nft/nft.h"

#include <errno.h>
#include <time.h>

#include "cni-plugin/nft/internal.h"
#include "cni-plugin/nft/steps.h"

#define DELETE_BYTES_MAX (64 * 1024)

int nft_open(struct nft **ret, struct error *err)
{
	_cleanup_(nft_closep) struct nft *nft = calloc(1, sizeof(*nft));

	if (!nft)
		return error_nomem(err);
	int r = nft_socket_open(&nft->socket, err);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(nft);
	return 0;
}

void nft_close(struct nft *nft)
{
	if (!nft)
		return;
	nft_socket_close(&nft->socket);
	free(nft);
}

uint64_t nft_now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

uint32_t nft_port(const struct nft *nft)
{
	return mnl_socket_get_portid(nft->socket.mnl);
}

/*
 * A set whose type differs from the wanted one cannot be changed, nor deleted while rules use it: then all of the table goes. So it does
 * if somebody writes so fast that nothing can be read, and if the table should have an owner and has none.
 */
int nft_rebase(struct nft *nft, struct ruleset *ruleset, struct error *err)
{
	enum ruleset_family family = ruleset_family(ruleset);
	_cleanup_(ruleset_freep) struct ruleset *kernel = NULL;
	_cleanup_(ruleset_freep) struct ruleset *nothing = ruleset_new(family);

	if (!nothing)
		return error_nomem(err);
	struct nft_table *table = &nft->tables[family];
	int r = nft_read(nft, family, &kernel, err);
	if (r == -EAGAIN)
		table->interim = true;
	if (r == 0)
		r = ruleset_rebase(ruleset, kernel, err);
	if (r != -EEXIST && r != -EAGAIN && (r < 0 || table->state != NFT_TABLE_OTHER))
		return r;
	table->replace = true;
	return ruleset_rebase(ruleset, nothing, err);
}

int nft_reconcile(struct nft *nft, struct ruleset *ruleset, struct nft_report *ret, struct error *err)
{
	int r = nft_rebase(nft, ruleset, err);

	return r < 0 ? r : nft_apply(nft, ruleset, ret, err);
}

/* Adding it first makes a missing table no error, on kernels before NFT_MSG_DESTROYTABLE (6.3) too. */
int nft_drop_table(struct nft *nft, enum ruleset_family family, const char *name, struct error *err)
{
	_cleanup_(nft_transaction_free) struct nft_transaction tx = {};

	nft_transaction_begin(&tx, nft_family(family), nft->socket.sequence, DELETE_BYTES_MAX);
	tx.table = name;
	nft_step_table_add(&tx, 0);
	nft_step_table_delete(&tx);
	return nft_transaction_run(&tx, &nft->socket, err);
}

int nft_delete_table(struct nft *nft, enum ruleset_family family, struct error *err)
{
	int r = nft_drop_table(nft, family, RULESET_TABLE, err);

	if (r == 0)
		r = nft_drop_table(nft, family, RULESET_INTERIM, err);
	if (r < 0)
		return error_wrap(err, "cannot delete our table");
	nft->tables[family] = (struct nft_table){};
	return 0;
}
