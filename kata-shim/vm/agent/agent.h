// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_VM_AGENT_H
#define HOLDFAST_VM_AGENT_H

#include <uv.h>

#include "common/base/error.h"
#include "common/base/slice.h"
#include "common/proto/agent.pb-c.h"
#include "common/rpc/ttrpc.h"

/*
 * The agent in the guest, asked asynchronously. The guest is not believed: an answer is read only where it is needed, only up to the size
 * that such an answer has, and the agent's own words, which go into the pod's events, are cut and cannot steer a terminal.
 *
 *	static void on_started(struct agent_call *call, const struct error *err, const void *answer) { … }
 *
 *	Agent__StartContainerRequest request = AGENT__START_CONTAINER_REQUEST__INIT;
 *	request.container_id = id;
 *	agent_call(agent, &call, AGENT_START_CONTAINER, &request, on_started);
 */
enum agent_method {
	AGENT_CHECK,
	AGENT_VERSION,
	AGENT_CREATE_SANDBOX,
	AGENT_DESTROY_SANDBOX,
	AGENT_UPDATE_INTERFACE,
	AGENT_UPDATE_ROUTES,
	AGENT_ADD_ARP_NEIGHBORS,
	AGENT_ONLINE_CPU_MEM,
	AGENT_CREATE_CONTAINER,
	AGENT_START_CONTAINER,
	AGENT_UPDATE_CONTAINER,
	AGENT_STATS_CONTAINER,
	AGENT_PAUSE_CONTAINER,
	AGENT_RESUME_CONTAINER,
	AGENT_REMOVE_CONTAINER,
	AGENT_EXEC_PROCESS,
	AGENT_SIGNAL_PROCESS,
	AGENT_WAIT_PROCESS,
	AGENT_READ_STDOUT,
	AGENT_READ_STDERR,
	AGENT_WRITE_STDIN,
	AGENT_CLOSE_STDIN,
	AGENT_TTY_WIN_RESIZE,
	AGENT_GET_OOM_EVENT,
	AGENT_COPY_FILE,
	AGENT_REMOVE_FILE,
	AGENT_SET_GUEST_DATE_TIME,
	AGENT_CONNECT,
	AGENT_DISCONNECT,
};
#define AGENT_METHODS (AGENT_DISCONNECT + 1)

#define AGENT_READ_MAX (32 * 1024) /* what ReadStdout and ReadStderr may be asked for: bytes of one answer */
#define AGENT_STATS_MAX 256        /* entries of a list in the answer of StatsContainer */

struct agent;
struct agent_call;

/*
 * `answer` is valid until this returns: what the method answers, or NULL, if that is Empty or of no interest. The call may be begun anew,
 * or freed, in there.
 *
 * The error names the method, the container and what was said. Its codes: ETIMEDOUT, ECONNRESET the connection is lost, ECANCELED the agent
 * was closed, ENOENT no such container or process, EEXIST, EINVAL, ENOSYS the agent has no such method, EBADMSG the answer is none, else
 * EIO.
 */
typedef void agent_done(struct agent_call *call, const struct error *err, const void *answer);

/* The caller's memory, which must stay until `done` or agent_cancel; zero before its first use. One call at a time. */
struct agent_call {
	void *context; /* the caller's */

	struct agent *agent; /* NULL: not under way */
	agent_done *done;
	enum agent_method method;
	uint64_t began_ns;
	char subject[13]; /* the beginning of the request's container's id */
	struct ttrpc_client_call *call;
	ProtobufCMessage *answer;
	struct error *why; /* the answer is none, or the call could not be begun */
	struct agent_call *next;
};

/* On a connected stream socket, which is the agent's from now on, also if this fails. */
int agent_open(uv_loop_t *loop, int fd, struct agent **ret, struct error *err) must_check;
/* Calls under way end with ECANCELED, from the loop, which must run, and so do those that are begun because of it. Accepts NULL. */
void agent_close(struct agent *agent);

/* `request` is of the method's type. `done` is never called from within. */
void agent_call(struct agent *agent, struct agent_call *call, enum agent_method method, const void *request, agent_done *done);
/* As agent_call, with a time of its own instead of the method's; 0: none. */
void agent_call_within(struct agent *agent, struct agent_call *call, enum agent_method method, const void *request, uint64_t timeout_ms,
		       agent_done *done);
/* `done` is not called; the guest may go on. If it is not under way, nothing. */
void agent_cancel(struct agent_call *call);

/*
 * The answer of a method, from untrusted bytes; NULL where none is read. EMSGSIZE: longer than such an answer is, EBADMSG: it is none. To
 * be freed with message_freep.
 */
int agent_answer_read(enum agent_method method, struct slice bytes, ProtobufCMessage **ret, struct error *err) must_check;
const char *agent_method_name(enum agent_method method);

#endif
