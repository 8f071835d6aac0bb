// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_PLUGIN_CNI_H
#define HOLDFAST_PLUGIN_CNI_H

#include <stdbool.h>

#include "common/base/buf.h"
#include "common/base/error.h"
#include "common/base/slice.h"

/*
 * The CNI protocol (containernetworking/cni SPEC.md 1.1.0) as far as both the executable and the agent need it: verbs, versions, error
 * codes, and the checks of environment and configuration. Pure; no memory is allocated but in buffers that the caller gives.
 */

enum cni_verb { CNI_ADD, CNI_DEL, CNI_CHECK, CNI_GC, CNI_STATUS, CNI_VERSION, CNI_VERB_COUNT };

const char *cni_verb_name(enum cni_verb verb);
bool cni_verb_parse(const char *text, enum cni_verb *ret);

/* Connecting, asking and answering together; after that the executable gives up. */
unsigned cni_verb_timeout_ms(enum cni_verb verb);

enum cni_version { CNI_0_3_1, CNI_0_4_0, CNI_1_0_0, CNI_1_1_0, CNI_SUPPORTED_VERSION_COUNT };

const char *cni_version_name(enum cni_version version);

/* SPEC.md, section 5 (Result types), "Error"; from 100 on a plugin's own. */
enum cni_code {
	CNI_INCOMPATIBLE_VERSION = 1,
	CNI_UNKNOWN_CONTAINER = 3,
	CNI_BAD_ENVIRONMENT = 4,
	CNI_IO_FAILURE = 5,
	CNI_BAD_JSON = 6,
	CNI_BAD_CONFIG = 7,
	CNI_BAD_NETNS = 8, /* not in SPEC.md; the Go skeleton's */
	CNI_TRY_LATER = 11,
	CNI_UNAVAILABLE = 50,
	CNI_UNSUPPORTED_INTERFACE = 100, /* no veth whose host side could be judged */
	CNI_HOST_NOT_PREPARED = 101,     /* the kernel would not show us the pod's packets: br_netfilter */
	CNI_RULES_MISSING = 102,         /* CHECK: what ADD brought into the kernel is not there any more */
};

/*
 * The one place where errno values become CNI codes: EPROTONOSUPPORT 1, ENXIO 3, EDESTADDRREQ 4, EIO 5, EBADMSG 6, EINVAL 7,
 * EBADF 8, EOPNOTSUPP 100, ENOSYS 101, ESTALE 102; anything else is 11, try again later.
 */
enum cni_code cni_code_of(const struct error *err);

/* {"cniVersion":…,"code":…,"msg":…}; an empty `version` becomes the newest supported one. */
void cni_print_error(struct buf *out, struct slice version, enum cni_code code, const char *message);
void cni_print_versions(struct buf *out, struct slice version);

/* "" where the variable is unset: libcni sets all six, and leaves empty what a verb does not use. */
struct cni_environment {
	const char *command, *container_id, *netns, *ifname, *args, *path;
};

#define CNI_CONTAINER_ID_MAX 224 /* a journal file is named after it: NAME_MAX less the interface and a temporary suffix */
#define CNI_IFNAME_MAX 15        /* IFNAMSIZ without the NUL, linux/if.h */

/* Everything that the verb needs is there and well formed. EDESTADDRREQ names every variable that is missing. */
int cni_environment_check(const struct cni_environment *environment, enum cni_verb *ret_verb, struct error *err) must_check;

/* `[{containerID, ifname}]` of GC obeys the same rules. EDESTADDRREQ. */
int cni_container_id_check(const char *text, struct error *err) must_check;
int cni_ifname_check(const char *text, struct error *err) must_check;

#define CNI_INPUT_MAX (1024 * 1024)
#define CNI_DEFAULT_SOCKET "/run/holdfast/net.sock"

struct cni_config {
	enum cni_version version;
	struct slice name;         /* of the network */
	struct slice agent_socket; /* n = 0: not given */
};

/*
 * Checks the configuration on stdin: JSON, version, whether that version knows the verb, network name. Slices point into `text`.
 * EBADMSG, EPROTONOSUPPORT, EINVAL.
 */
int cni_config_read(struct slice text, enum cni_verb verb, struct cni_config *ret, struct error *err) must_check;

/* The `cniVersion` of whatever came on stdin, for an answer to it; empty if there is none that could be repeated. */
struct slice cni_config_version_text(struct slice text);

#endif
