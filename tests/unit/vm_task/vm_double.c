// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/vm_task/vm_double.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kata-shim/task/usage.h"

struct vm {
	uv_timer_t timer; /* the first: answers come from the loop */
	char id[80];
	const struct vm_listener *listener;
	void *context;
};

struct answer {
	struct answer *next;
	vm_done *done;
	vm_stats_done *stats;
	void *context;
	struct error err; /* code 0: well */
	bool held;
};

static struct {
	struct vm *vm;
	int living;
	char asked[65536], shown[65536], hold[64], fail[64];
	struct error failure;
	struct answer *answers;
} world;

void double_set_up(void)
{
	memset(&world, 0, sizeof(world));
}

const char *double_asked(void)
{
	memcpy(world.shown, world.asked, sizeof(world.shown));
	world.asked[0] = 0;
	return world.shown;
}

void double_hold(const char *what)
{
	snprintf(world.hold, sizeof(world.hold), "%s", what);
}

void double_fail(const char *what, int code, const char *words)
{
	snprintf(world.fail, sizeof(world.fail), "%s", what);
	error_set(&world.failure, code, "%s", words);
}

int double_living(void)
{
	return world.living;
}

static void deliver(struct answer *answer)
{
	static const Agent__StatsContainerResponse none = AGENT__STATS_CONTAINER_RESPONSE__INIT;
	const struct error *err = answer->err.code ? &answer->err : NULL;

	if (answer->stats)
		answer->stats(answer->context, err, err ? NULL : &none);
	else
		answer->done(answer->context, err);
	free(answer);
}

static struct answer *take_answer(void)
{
	for (struct answer **at = &world.answers; *at; at = &(*at)->next) {
		struct answer *answer = *at;
		if (!answer->held) {
			*at = answer->next;
			return answer;
		}
	}
	return NULL;
}

static void on_timer(uv_timer_t *timer)
{
	struct answer *answer;

	while ((answer = take_answer()))
		deliver(answer);
}

void double_release(void)
{
	world.hold[0] = 0;
	for (struct answer *answer = world.answers; answer; answer = answer->next)
		answer->held = false;
	uv_timer_start(&world.vm->timer, on_timer, 0, 0);
}

static bool begins(const char *text, const char *with)
{
	return *with && strncmp(text, with, strlen(with)) == 0;
}

static void ask(struct vm *vm, vm_done *done, vm_stats_done *stats, void *context, const char *what)
{
	struct answer **at = &world.answers;
	struct answer *answer = calloc(1, sizeof(*answer));

	assert(vm == world.vm && strlen(world.asked) + strlen(what) + 2 < sizeof(world.asked));
	strcat(strcat(world.asked, what), "\n");
	*answer = (struct answer){ .done = done, .stats = stats, .context = context, .held = begins(what, world.hold) };
	if (begins(what, world.fail)) {
		answer->err = world.failure;
		world.fail[0] = 0;
	}
	while (*at)
		at = &(*at)->next;
	*at = answer;
	uv_timer_start(&vm->timer, on_timer, 0, 0);
}

#define ASK(vm, done, stats, context, ...)                          \
	do {                                                        \
		char what_[1024];                                   \
		snprintf(what_, sizeof(what_), __VA_ARGS__);        \
		ask(vm, done, stats, context, what_);               \
	} while (0)

int vm_new(uv_loop_t *loop, const char *id, const char *bundle, const struct vm_settings *settings, const struct vm_listener *listener,
	   void *context, struct vm **ret, struct error *err)
{
	if (begins("new", world.fail)) {
		*err = world.failure;
		world.fail[0] = 0;
		return -err->code;
	}
	struct vm *vm = calloc(1, sizeof(*vm));
	uv_timer_init(loop, &vm->timer);
	snprintf(vm->id, sizeof(vm->id), "%s", id);
	vm->listener = listener;
	vm->context = context;
	world.vm = vm;
	world.living++;
	*ret = vm;
	return 0;
}

static void on_closed(uv_handle_t *handle)
{
	free(handle);
}

void vm_free(struct vm *vm)
{
	if (!vm)
		return;
	assert(!world.answers);
	world.living--;
	uv_close((uv_handle_t *)&vm->timer, on_closed);
}

void vm_boot(struct vm *vm, vm_done *done, void *context)
{
	ASK(vm, done, NULL, context, "boot %s", vm->id);
}

void vm_boot_times(const struct vm *vm, struct vm_times *ret)
{
	*ret = (struct vm_times){ 21500, 3000, 100000, 2000000, 1000, 2040 };
}

pid_t vm_pid(const struct vm *vm)
{
	return DOUBLE_PID;
}

static const char *text(const char *path)
{
	return path ? path : "";
}

void vm_create(struct vm *vm, const char *container, const char *bundle, const struct vm_rootfs *rootfs, size_t n, const struct vm_stdio *stdio,
	       vm_done *done, void *context)
{
	ASK(vm, done, NULL, context, "create %s bundle=%s rootfs=%zu,%s,%s,%s in=%s out=%s err=%s tty=%d", container, bundle, n,
	    n ? rootfs->type : "", n ? rootfs->source : "", n && rootfs->n_options ? rootfs->options[0] : "", text(stdio->in),
	    text(stdio->out), text(stdio->err), stdio->terminal);
}

void vm_exec(struct vm *vm, const char *container, const char *exec, struct slice json, const struct vm_stdio *stdio, vm_done *done,
	     void *context)
{
	ASK(vm, done, NULL, context, "exec %s %s " SLICE_FORMAT " out=%s tty=%d", container, exec, SLICE_ARGS(json), text(stdio->out),
	    stdio->terminal);
}

void vm_start(struct vm *vm, const char *container, const char *exec, vm_done *done, void *context)
{
	ASK(vm, done, NULL, context, "start %s %s", container, exec);
}

void vm_kill(struct vm *vm, const char *container, const char *exec, int signal, bool all, vm_done *done, void *context)
{
	ASK(vm, done, NULL, context, "kill %s %s %d %s", container, exec, signal, all ? "all" : "one");
}

void vm_resize(struct vm *vm, const char *container, const char *exec, uint32_t width, uint32_t height, vm_done *done, void *context)
{
	ASK(vm, done, NULL, context, "resize %s %s %ux%u", container, exec, width, height);
}

void vm_close_stdin(struct vm *vm, const char *container, const char *exec, vm_done *done, void *context)
{
	ASK(vm, done, NULL, context, "close %s %s", container, exec);
}

void vm_pause(struct vm *vm, const char *container, vm_done *done, void *context)
{
	ASK(vm, done, NULL, context, "pause %s", container);
}

void vm_resume(struct vm *vm, const char *container, vm_done *done, void *context)
{
	ASK(vm, done, NULL, context, "resume %s", container);
}

void vm_update(struct vm *vm, const char *container, struct slice json, vm_done *done, void *context)
{
	ASK(vm, done, NULL, context, "update %s " SLICE_FORMAT, container, SLICE_ARGS(json));
}

void vm_stats(struct vm *vm, const char *container, vm_stats_done *done, void *context)
{
	ASK(vm, NULL, done, context, "stats %s", container);
}

void vm_remove(struct vm *vm, const char *container, const char *exec, vm_done *done, void *context)
{
	ASK(vm, done, NULL, context, "remove %s %s", container, exec);
}

/* What is under way fails first. */
void vm_stop(struct vm *vm, vm_done *done, void *context)
{
	for (struct answer *answer = world.answers; answer; answer = answer->next) {
		answer->held = false;
		error_set(&answer->err, ECONNRESET, "the VM is stopped");
	}
	ASK(vm, done, NULL, context, "stop");
}

void double_exit(const char *container, const char *exec, uint32_t status)
{
	const struct timespec at = { .tv_sec = 1764095000, .tv_nsec = 7 };

	world.vm->listener->exited(world.vm->context, container, exec, status, &at);
}

void double_oom(const char *container)
{
	world.vm->listener->oom(world.vm->context, container);
}

void double_lose(const char *why)
{
	world.vm->listener->lost(world.vm->context, why);
}

/* ── The host ── */

bool usage_host_is_v2(void)
{
	return true;
}

int usage_of_process(pid_t pid, struct usage *ret, struct error *err)
{
	assert(pid == DOUBLE_PID);
	*ret = (struct usage){ .memory = 77 };
	return 0;
}
