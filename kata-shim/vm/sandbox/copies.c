// SPDX-License-Identifier: Apache-2.0
/*
 * A container's volumes that are copied into the guest. It is created there when all of them are, and what fails before that is its reason
 * not to be; later, a copy that cannot be brought up to date is tried again by itself. When the container is removed, its copies go first.
 */
#include <stdlib.h>

#include "common/base/log.h"
#include "kata-shim/vm/copies/copies.h"
#include "kata-shim/vm/sandbox/vm.h"

struct vm_copy {
	struct vm_copy *next;
	struct vm_container *container;
	struct copy *copy;
	struct agent_call call;
	bool there, ended;
};

static void on_sent(struct agent_call *call, const struct error *err, const void *answer)
{
	struct vm_copy *copy = call->context;

	copy_sent(copy->copy, err);
}

static void on_send(void *context, struct copy *unused, const Agent__CopyFileRequest *piece)
{
	struct vm_copy *copy = context;

	agent_call(copy->container->vm->agent, &copy->call, AGENT_COPY_FILE, piece, on_sent);
}

static void on_remove(void *context, struct copy *unused, const char *path)
{
	struct vm_copy *copy = context;
	Agent__RemoveFileRequest request = AGENT__REMOVE_FILE_REQUEST__INIT;

	request.path = (char *)path;
	agent_call(copy->container->vm->agent, &copy->call, AGENT_REMOVE_FILE, &request, on_sent);
}

/* ── Before the container is created ── */

static bool are_there(const struct vm_container *container)
{
	for (const struct vm_copy *copy = container->copies; copy; copy = copy->next) {
		if (!copy->there)
			return false;
	}
	return true;
}

static void on_copied(void *context, struct copy *unused, const struct error *err)
{
	struct vm_copy *copy = context;
	struct vm_container *container = copy->container;
	struct op *op = container->waits_for_copies;

	if (!op || copy->there) {
		copy->there = copy->there || !err;
		if (err)
			log_warn("a volume in a VM is not up to date", "container", container->id, "error", err->message);
		return;
	}
	copy->there = !err;
	if (!err && !are_there(container))
		return;
	container->waits_for_copies = NULL;
	void (*then)(struct op * op) = TAKE_PTR(op->then);
	if (err)
		op->failed(op, err);
	else
		then(op);
}

void container_await_copies(struct vm_container *container, struct op *op, void (*then)(struct op *op),
			    void (*failed)(struct op *op, const struct error *err))
{
	if (are_there(container)) {
		then(op);
		return;
	}
	op->then = then;
	op->failed = failed;
	container->waits_for_copies = op;
}

/* ── Its life ── */

static void on_ended(void *context, struct copy *unused)
{
	struct vm_copy *copy = context;
	struct vm_container *container = copy->container;

	copy->ended = true;
	for (copy = container->copies; copy; copy = copy->next) {
		if (!copy->ended)
			return;
	}
	container->copies_ended(container);
}

static const struct copy_sink sink = { on_send, on_remove, on_copied, on_ended };

int container_copy(struct vm_container *container, const char *host, const char *guest, struct error *err)
{
	struct vm_copy *copy = calloc(1, sizeof(*copy));

	if (!copy)
		return error_nomem(err);
	copy->container = container;
	copy->call.context = copy;
	int r = copy_new(container->vm->loop, host, guest, &sink, copy, &copy->copy, err);
	if (r < 0) {
		free(copy);
		return r;
	}
	copy->next = container->copies;
	container->copies = copy;
	return 0;
}

void container_end_copies(struct vm_container *container, void (*ended)(struct vm_container *container))
{
	struct vm_copy *next;

	container->copies_ended = ended;
	if (!container->copies) {
		ended(container);
		return;
	}
	for (struct vm_copy *copy = container->copies; copy; copy = next) {
		next = copy->next; /* the last one may take the container along */
		copy_end(copy->copy);
	}
}

void container_free_copies(struct vm_container *container)
{
	while (container->copies) {
		struct vm_copy *copy = container->copies;

		container->copies = copy->next;
		agent_cancel(&copy->call);
		copy_free(copy->copy);
		free(copy);
	}
}

void container_lose_copies(struct vm_container *container, const struct error *why)
{
	struct op *op = TAKE_PTR(container->waits_for_copies);

	container_free_copies(container);
	if (op) {
		op->then = NULL;
		op->failed(op, why);
	} else if (container->copies_ended) {
		container->copies_ended(container);
	}
}
