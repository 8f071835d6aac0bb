// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_VM_QEMU_VMM_INTERNAL_H
#define HOLDFAST_VM_QEMU_VMM_INTERNAL_H

#include "kata-shim/vm/qemu/paced.h"
#include "kata-shim/vm/qemu/qmp_client.h"
#include "kata-shim/vm/qemu/tail.h"
#include "kata-shim/vm/qemu/vmm.h"
#include "kata-shim/vm/qemu/vsock.h"

/* For vmm.c and vmm_ask.c. */
#define VMM_COMMAND_MS 5000
#define VMM_REASON_MAX 32

enum vmm_state { STARTING, RUNNING, ENDING, GONE };

struct vmm {
	enum vmm_state state;
	const struct vm_settings *settings;
	struct vm_size size;
	struct vmm_listener listener;
	void *context;
	pid_t pid;
	int pidfd, channel; /* channel: until it is handed out */
	uint32_t cid;
	uv_loop_t *loop;
	uv_poll_t process;
	uv_timer_t timer;
	unsigned handles;
	struct qmp_client *qmp;
	struct vsock *vsock;
	struct paced *console_stream, *output_stream;
	struct tail console, output;
	bool answers;                /* QMP is ready */
	bool proved;                 /* the guest runs: vmm_note_guest */
	bool over;                   /* QMP has been closed by QEMU */
	bool stopped;                /* by vmm_stop */
	bool pausing;                /* `stop` was sent, so its event is ours */
	struct error why;            /* it was killed for */
	char reason[VMM_REASON_MAX]; /* of SHUTDOWN */
};

/* How much memory the guest is to have. */
int vmm_ask_balloon(struct vmm *vmm, uint32_t memory_mib, qmp_answer *answer, void *context, struct error *err) must_check;

#endif
