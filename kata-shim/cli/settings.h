// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_CLI_SETTINGS_H
#define HOLDFAST_CLI_SETTINGS_H

#include <limits.h>

#include "common/config/config.h"
#include "kata-shim/route/rules.h"
#include "kata-shim/vm/qemu/settings.h"

/* The section `sandbox` of holdfast.yaml. */
struct settings {
	const char *runc_shim, *kata_shim; /* NULL: found by ourselves */
	const char *records;
	struct rules rules;
	struct vm_settings vm;
	struct config *config; /* owns the texts */
};

/*
 * containerd gives us no --config: the file is ../etc/holdfast.yaml, seen from our executable; without such a file everything is as its
 * default.
 */
void settings_path(char ret[static PATH_MAX]);
int settings_load(struct settings *ret, struct error *err) must_check;
/* As settings_load, from text. */
int settings_parse(struct slice text, struct settings *ret, struct error *err) must_check;
void settings_clear(struct settings *settings);

void settings_print(struct buf *out);

/* All of its keys: for docs/configure.md. */
extern const struct config_section settings_section;

#endif
