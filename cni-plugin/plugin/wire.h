// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_PLUGIN_WIRE_H
#define HOLDFAST_PLUGIN_WIRE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/base/error.h"
#include "common/base/slice.h"

/*
 * What the executable, or `holdfast-net status` and the like, and the agent say to each other: one request, one answer, then the
 * connection ends. No I/O here. Both sides come from the same build and the same machine: numbers are in host byte order.
 */

/* The fields of a request, in the order in which they are sent. All but the input are text without NUL. */
enum wire_field {
	WIRE_VERB, /* "ADD", or a command of the CLI: "status" */
	WIRE_CONTAINER_ID,
	WIRE_NETNS,
	WIRE_IFNAME,
	WIRE_ARGS, /* CNI_ARGS: "K8S_POD_NAME=web;…"; the CLI's own arguments in the same form */
	WIRE_PATH,
	WIRE_INPUT, /* the network configuration */
	WIRE_FIELD_COUNT,
};

#define WIRE_INPUT_MAX (1024 * 1024)
#define WIRE_OUTPUT_MAX (64 * 1024 * 1024)
#define WIRE_CHUNK_MAX (64 * 1024)

/* E2BIG: a field is longer than the other side would take; EINVAL: a NUL in a text field. */
int wire_request_encode(const struct slice fields[static WIRE_FIELD_COUNT], struct buf *out, struct error *err) must_check;

/* A request as it comes in. Zero-initialised is not enough: wire_request_init. */
struct wire_request {
	uint8_t header[4]; /* the magic, then each field's length */
	size_t header_n;
	int field;     /* -1: the magic */
	uint32_t left; /* of this field, once its header is complete */
	struct buf fields[WIRE_FIELD_COUNT];
};

void wire_request_init(struct wire_request *request);
void wire_request_free(struct wire_request *request);

/* 1: complete; 0: more is needed; -EPROTO: no request of ours, or bytes behind its end; -E2BIG; -ENOMEM. */
int wire_request_feed(struct wire_request *request, struct slice bytes, struct error *err) must_check;

/* Of a complete request; "" if it was empty. */
const char *wire_request_text(const struct wire_request *request, enum wire_field field);
struct slice wire_request_input(const struct wire_request *request);

/* In place of an exit code: the request was not even read, and the output is a sentence that says why. */
#define WIRE_REFUSED UINT32_C(0x100)

/* The answer: exit code of the process that asked, and what it prints. */
void wire_answer_begin(struct buf *out, uint32_t exit_code);
void wire_answer_output(struct buf *out, struct slice output); /* any number of times */
void wire_answer_end(struct buf *out);

struct wire_answer {
	uint8_t header[8];
	size_t header_n;
	bool begun, ended;
	uint32_t exit_code; /* valid once begun */
	uint32_t left;      /* of this chunk */
	size_t total;
};

/*
 * Takes bytes from the front of `bytes`; `*ret_output` is then the next piece of output (perhaps empty), a part of them. 1: the answer is
 * complete; 0: call again with what is left, or with more. -EPROTO, -E2BIG (more than WIRE_OUTPUT_MAX).
 */
int wire_answer_next(struct wire_answer *answer, struct slice *bytes, struct slice *ret_output, struct error *err) must_check;

#endif
