// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_TESTS_VM_AGENT_WORLD_H
#define HOLDFAST_TESTS_VM_AGENT_WORLD_H

#include "tests/unit/common/cmocka_all.h"

#include <stdbool.h>
#include <string.h>

#include "common/base/buf.h"
#include "common/proto/agent.pb-c.h"
#include "common/proto/message.h"
#include "common/rpc/status.h"

/*
 * A guest's agent, as its protocol knows it (common/proto/agent.proto): these tests know nothing of its inside.
 *
 * Ours is started as process 1 of namespaces of its own, with a cgroup v2 of its own. Where the machine has its controllers in cgroup v1,
 * there are none in v2, and what needs them is skipped. Another agent, or ours in a guest, is told by the environment:
 *
 *	HOLDFAST_AGENT_SOCKET=PATH    a unix socket where an agent serves ttrpc: a VM's port
 *	HOLDFAST_AGENT_CONTROLLERS=1  it can set limits: nothing is skipped for their sake
 *	HOLDFAST_AGENT_COPIES=1       it has another file system: the containers' root is brought there with CopyFile
 *
 * HOLDFAST_AGENT_ONLY=PATTERN: only tests whose names match.
 *
 * A test fails with the first thing that is not as promised; helpers say what they asked for.
 */
#define AGENT_SANDBOX "sandbox-1"
#define AGENT_HOSTNAME "pod-1"
#define AGENT_TIME_MS 60000 /* no answer needs longer, also under an emulated CPU */

void agent_choose_tests(void);
int agent_world_setup(void **state);    /* an agent with a sandbox, for a whole program */
int agent_world_teardown(void **state); /* DestroySandbox; ours leaves nothing behind */

/* A test after which its containers are removed, also if it fails. Those that agent_keep was called after stay. */
#define agent_test(function) cmocka_unit_test_teardown(function, agent_test_teardown)
int agent_test_teardown(void **state);
void agent_keep(void);
void agent_note(const char *id, bool made);

const char *agent_stuck(void);      /* a path whose file system does not answer; only on this machine */
struct answer *agent_sandbox_answer(void); /* CreateSandbox's */
pid_t agent_pid(void);              /* of ours on this machine; else 0 */
bool agent_is_ours(void);           /* wherever it runs */
void agent_needs_controllers(void); /* skips the test if no limit can be set */
/* Skips the test if it is Kata's, which does it otherwise: how. */
void agent_needs_ours(const char *otherwise);

/* ── Calls ── */

struct answer {
	struct answer *next;
	bool ended;
	enum rpc_status status;
	char words[1200];
	struct buf bytes;
	const char *method;
	uint64_t began_ns, ended_ns;
};

/* Begins a call of AgentService; the answer lives until the end of the program. */
struct answer *agent_begin(const char *method, const ProtobufCMessage *request);
/* The same, with a time after which both sides give it up. */
struct answer *agent_begin_within(const char *method, const ProtobufCMessage *request, uint64_t ms);
/* The same, of the service that only ours has. */
struct answer *agent_begin_ours(const char *method, const ProtobufCMessage *request, uint64_t ms);
struct answer *agent_begin_bytes(const char *method, struct slice request);
/* Lets things happen until it has ended; false if it has not after so long. */
bool agent_ends_within(const struct answer *answer, unsigned ms);
struct answer *agent_ask(const char *method, const ProtobufCMessage *request);
struct answer *agent_ask_bytes(const char *method, struct slice request);
/* Asks, and expects OK, or this status and these words in the message. */
struct answer *agent_do(const char *method, const ProtobufCMessage *request);
void agent_refuses(const char *method, const ProtobufCMessage *request, enum rpc_status status, const char *words);
void agent_expect(const struct answer *answer, enum rpc_status status, const char *words);

/* ── Containers ── */

/* A container as containerd would describe it, that runs busybox's `sh -c SCRIPT`. Parts of it can be changed before it is created. */
struct sample {
	Oci__Spec spec;
	Oci__Process process;
	Oci__LinuxCapabilities capabilities;
	Oci__User user;
	Oci__Root root;
	Oci__Linux linux_;
	Oci__LinuxNamespace namespaces[3], *namespace_at[3];
	Oci__LinuxResources resources;
	Oci__LinuxMemory memory;
	Oci__LinuxCPU cpu;
	Oci__LinuxPids pids;
	Oci__Mount mounts[8], *mount_at[8];
	char *args[4], *env[3];
	char *caps[4];
	Agent__CreateContainerRequest request;
};

void sample_init(struct sample *sample, const char *id, const char *script);
struct answer *sample_create(struct sample *sample); /* what the agent says */
void agent_create(const char *id, const char *script);
void agent_start(const char *id);
void agent_run(const char *id, const char *script); /* both */
void agent_remove(const char *id);

struct answer *agent_begin_exec(const char *id, const char *exec_id, const char *script);
void agent_exec(const char *id, const char *exec_id, const char *script);
void agent_signal(const char *id, const char *exec_id, unsigned number);
struct answer *agent_begin_wait(const char *id, const char *exec_id);
int agent_wait(const char *id, const char *exec_id);
int agent_status_of(const struct answer *wait);

/* ── Streams: "ReadStdout", "ReadStderr" ── */

struct answer *agent_begin_read(const char *stream, const char *id, const char *exec_id, uint32_t len);
struct slice agent_data_of(const struct answer *read);
/* All until the end, as text; the next call changes it. */
const char *agent_read_all(const char *stream, const char *id, const char *exec_id);
/* Until `text` has come. */
void agent_read_until(const char *id, const char *exec_id, const char *text);
void agent_write(const char *id, const char *exec_id, const char *text);
void agent_close_stdin(const char *id, const char *exec_id);
/* A container that runs the script to its end, is removed, and has printed this. `status` is its exit code. */
void agent_expect_output(const char *id, const char *script, const char *expected, int status);
void sample_expect_output(struct sample *sample, const char *expected, int status);

#endif
