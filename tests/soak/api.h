// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_TESTS_API_H
#define HOLDFAST_TESTS_API_H

#include <stdint.h>

#include "common/base/cleanup.h"
#include "common/base/error.h"
#include "common/base/slice.h"
#include "common/kube/objects.h"

/*
 * An API server as far as the agent sees one: objects, and streaming lists and watches of them, over plain HTTP on 127.0.0.1 of the network
 * namespace in which it was started. Events are sent at once and in order. It has threads of its own.
 */
struct api;

int api_start(struct api **ret, struct error *err) must_check;
void api_stop(struct api *api);
DEFINE_CLEANUP(struct api *, api_stop);

uint16_t api_port(const struct api *api);

/* Speaks TLS at another port, too, with this certificate and key, both PEM files; once. */
int api_tls_start(struct api *api, const char *certificate, const char *key, uint16_t *ret_port, struct error *err) must_check;

/* Every object in the YAML text comes, or changes. Documents without a kind are left alone. Returns when the bytes are in the sockets. */
int api_put(struct api *api, struct slice yaml, struct error *err) must_check;
/* No object of that name is no error. */
void api_remove(struct api *api, enum kube_kind kind, const char *namespace, const char *name);

/* Away: every connection breaks, and new ones do at once. What changes meanwhile, the agent must find out by listing. */
void api_set_away(struct api *api, bool away);

/* What goes wrong with every stream that is open, and with every request that comes, until it is API_WELL again. */
enum api_fault {
	API_WELL,
	API_GARBAGE,   /* bytes that are no JSON, in the stream */
	API_CUT,       /* the connection breaks in the middle of an object */
	API_DISORDER,  /* every event twice, in the wrong order, and of objects that never were */
	API_GONE,      /* 410, whatever is asked */
	API_HALF_LIST, /* a list is said to be over before all of it has come */
	API_ERROR,     /* 500 */
	API_FORBIDDEN, /* 403 */
	API_BUSY,      /* 429, come back in a second */
	API_TOO_LARGE, /* an object that has no end */
	API_SILENT,    /* takes the request, and never answers */
	API_TLS_CUT,   /* the connection breaks in the middle of a TLS record */
	API_FAULTS,
};
void api_set_fault(struct api *api, enum api_fault fault);

/* How many streams and requests have felt it since it was set. */
size_t api_n_faults(struct api *api);

size_t api_count(struct api *api, enum kube_kind kind);

#endif
