// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_CONFIG_CONFIG_H
#define HOLDFAST_CONFIG_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/base/cleanup.h"
#include "common/base/error.h"
#include "common/base/slice.h"

struct json_view;

/*
 * The one file holdfast.yaml. Its top level has the sections network, sandbox, secrets and install and nothing else; a program describes its own
 * section as a table and gets a struct filled. Whatever else stands in that section is an error that names it and the nearest
 * known key. The other sections are not looked into.
 *
 *	static const struct config_row rows[] = {
 *		{ "nodeName", CONFIG_STRING, offsetof(struct agent_config, node_name), .help = "This node's name in Kubernetes." },
 *		{ "podWait", CONFIG_DURATION, offsetof(struct agent_config, pod_wait_ms), "1s", "How long ADD waits for the pod.",
 *		  .maximum = 30000 },
 *		{ "logLevel", CONFIG_ENUM, offsetof(struct agent_config, log_level), "info", "…", .names = level_names },
 *	};
 *	static const struct config_section section = { "network", rows, ELEMENTS_OF(rows), sizeof(struct agent_config) };
 */
#define CONFIG_DEFAULT_PATH "/opt/holdfast/etc/holdfast.yaml"

enum config_type {
	CONFIG_STRING, /* const char *: not empty, or NULL if neither the file nor the table gives one */
	CONFIG_PATH, /* const char *: as CONFIG_STRING, and absolute */
	CONFIG_BOOL, /* bool */
	CONFIG_INTEGER, /* int64_t, from minimum to maximum */
	CONFIG_DURATION, /* uint64_t in milliseconds, from minimum to maximum; written 500ms, 2s, 1m, 1h */
	CONFIG_ENUM, /* int: the index in `names` */
	CONFIG_CUSTOM, /* what `read` makes of it; zero if the file is silent, and then the preset is for print only */
};

struct config_row {
	const char *key; /* the way to it below the section: "source.kubeconfig". Rows of one parent stand together. */
	enum config_type type;
	size_t offset; /* of the field, whose type is that of the config_type */
	const char *preset; /* the default as it would be written in the file; NULL: none (NULL, false, 0) */
	const char *help; /* one sentence or two, for the operator */
	int64_t minimum; /* INTEGER, DURATION (ms) */
	int64_t maximum; /* 0: no other limit than 2^53 */
	const char *const *names; /* ENUM: ends in NULL */
	int (*read)(const struct json_view *at, void *field, struct error *err); /* CUSTOM; may keep strings of the tree, not memory */
};

struct config_section {
	const char *name;
	const struct config_row *rows;
	size_t n_rows;
	size_t size; /* of the struct that is filled */
};

/* Owns the strings in the filled struct; freed once, after the last use of that struct. */
struct config;

/*
 * Reads the file and fills `*ret_values` (defaults where the file is silent) on success only. `path` NULL: no --config was given, so
 * CONFIG_DEFAULT_PATH, which may be missing. Errors name file, key and value:
 * `/etc/holdfast.yaml: network.podWait: "1" is no duration; write 500ms, 2s or 1m`.
 */
int config_load(const char *path, const struct config_section *section, void *ret_values, struct config **ret,
		struct error *err) must_check;

/* As config_load, from text. */
int config_parse(struct slice text, const struct config_section *section, void *ret_values, struct config **ret,
		 struct error *err) must_check;

void config_free(struct config *config);
DEFINE_CLEANUP(struct config *, config_free);

/* A duration as it is written in the file. False: it is none. */
bool config_parse_duration(const char *text, uint64_t *ret_ms);

/* The section as a holdfast.yaml in which every key stands with its default, commented out and explained: for --print-config. */
void config_print(const struct config_section *section, struct buf *out);

#endif
