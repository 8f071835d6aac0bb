// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_VM_STREAM_H
#define HOLDFAST_VM_STREAM_H

#include "common/base/buf.h"
#include "kata-shim/vm/agent/stdio.h"

/* The two directions of stdio.h. */

/* Whose streams they are, and who counts their handles. */
struct stream_of {
	uv_loop_t *loop;
	struct agent *agent;
	const char *container, *exec;
	size_t n_handles;
	void (*handle_closed)(struct stream_of *of); /* n_handles has one less */
};

/* A handle of `of`, whose data is the stream's. */
void stream_close_handle(struct stream_of *of, uv_handle_t *handle);

/* One fifo; `mode` O_RDWR, O_RDONLY or O_WRONLY. Neither this nor its use waits. */
int stream_open_fifo(const char *path, int mode, int *ret, struct error *err) must_check;

/* From the guest to a fifo. */
struct output {
	struct stream_of *of;
	int fd; /* -1: dropped */
	enum agent_method method;
	struct agent_call call;
	uv_poll_t poll;   /* while the fifo is full; there if fd is */
	uv_timer_t timer; /* while its last bytes wait for their reader */
	bool has_timer, ended;
	struct buf rest; /* of an answer */
	uint64_t waits_ms, waited_ms;
	void (*drained)(struct output *output);
};

int output_open(struct output *output, struct stream_of *of, enum agent_method method, const char *path, struct error *err) must_check;
void output_start(struct output *output, void (*drained)(struct output *output));
/* Asks for nothing more; closes the fifo when its reader has read all. */
void output_end(struct output *output);
void output_close(struct output *output);

/* From a fifo to the guest. */
struct input {
	struct stream_of *of;
	int fd, keeper; /* while the keeper is open, a writer that goes is not the end; -1: none */
	bool terminal;
	struct agent_call call;
	uv_poll_t poll; /* there if fd is */
	struct buf unsent;
};

int input_open(struct input *input, struct stream_of *of, const char *path, struct error *err) must_check;
void input_start(struct input *input, bool terminal);
void input_close_keeper(struct input *input);
void input_close(struct input *input);

#endif
