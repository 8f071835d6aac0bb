// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_RECORD_DECISION_H
#define HOLDFAST_RECORD_DECISION_H

#include <limits.h>

#include "common/base/error.h"
#include "common/base/slice.h"
#include "kata-shim/route/route.h"

/*
 * What was decided for a sandbox, as holdfast.json in its bundle. All its containers, `delete`, and whoever comes after a restart of
 * containerd follow it without the rules, which may be others by then. It goes with the bundle.
 *
 *	{"backend":"kata","why":"sandbox.rules[0] \"tenants\"","shim":"/opt/kata/bin/containerd-shim-kata-v2","kataConfig":"/etc/kata.toml"}
 */
#define DECISION_FILE "holdfast.json"
#define DECISION_BYTES_MAX (2 * PATH_MAX + 1024)

struct decision {
	enum backend backend;
	char why[RULE_TITLE_MAX];
	char shim[PATH_MAX];        /* absolute; "" for our own VM */
	char kata_config[PATH_MAX]; /* absolute; "" for Kata's own choice */
};

/* In one step, root only. */
int decision_write(int bundle, const struct decision *decision, struct error *err) must_check;

/* ENOENT: none was taken for this bundle. EINVAL, EACCES, …: it cannot be believed. */
int decision_read(int bundle, struct decision *ret, struct error *err) must_check;

/* If there is one. */
void decision_remove(int bundle);

int decision_parse(struct slice text, struct decision *ret, struct error *err) must_check;
void decision_print(const struct decision *decision, struct buf *out);

#endif
