// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_TESTS_TASK_WORLD_H
#define HOLDFAST_TESTS_TASK_WORLD_H

#include "tests/unit/common/cmocka_all.h"

#include "common/rpc/ttrpc.h"
#include "kata-shim/task/service.h"
#include "kata-shim/task/task.pb-c.h"

/* The Task service on a real socket, containerd's place taken by a client, and its events by a server, all on one loop. */
#define SANDBOX "5f3a"

struct world {
	uv_loop_t loop;
	char directory[64], path[96], events_path[96];
	struct publisher *publisher;
	struct service *service;
	struct ttrpc_server *server, *events_server;
	struct ttrpc_client *client;
	char events[16384]; /* "TaskStart c1\n" */
	unsigned refuse_events;
	unsigned n_shutdowns;
};
extern struct world world;

int world_set_up(void **state);
int world_tear_down(void **state);
void events_server_start(void);

/* A call of the Task service; `version` 2 or 3. */
struct told {
	bool ended;
	enum rpc_status status;
	char words[1024];
	uint8_t bytes[8192];
	size_t n;
};
void begin(struct told *told, const char *method, const ProtobufCMessage *request);
void wait_for(const struct told *told);
/* Runs what can be run now, without waiting. */
void settle(void);
/* Until `text` is among the events; fails after 5 s. */
void wait_for_event(const char *text);
/* What has been told since, and forgets it. */
const char *events(void);

/* The whole of a call; fails the test unless it ends with this status. The answer is in *told. */
struct told call(const char *method, const ProtobufCMessage *request, enum rpc_status expected);
/* Of methods that take a process. */
struct told ask(const char *method, const char *id, const char *exec, enum rpc_status expected);
void begin_ask(struct told *told, const char *method, const char *id, const char *exec);

void create(const char *id, enum rpc_status expected);
void begin_create(struct told *told, const char *id);
void start(const char *id, const char *exec);
struct told add_exec(const char *id, const char *exec, enum rpc_status expected);
struct told kill_it(const char *id, const char *exec, uint32_t signal, bool all, enum rpc_status expected);
Task__Status status_of(const char *id, const char *exec);

/* The sandbox runs. */
void sandbox_up(void);
void container_up(const char *id);

#endif
