// SPDX-License-Identifier: Apache-2.0
/*
 * The backend that is ours. `start` of a sandbox leaves a copy of this very process behind, which is the pod's shim from then on. What
 * containerd reads is written by whoever it called, and only once the shim stands, is recorded, and can be found after a restart; the shim
 * ends by itself unless all of that was done.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/base/file.h"
#include "common/rpc/unix_socket.h"
#include "kata-shim/bundle/bundle.h"
#include "kata-shim/cli/call.h"
#include "kata-shim/record/sandbox.h"
#include "kata-shim/task/daemon.h"
#include "kata-shim/task/shim.h"
#include "kata-shim/task/start_answer.h"
#include "kata-shim/vm/qemu/guest.h"
#include "kata-shim/vm/sandbox/sandbox.h"

/* ── Before ── */

static int check_guest(const struct vm_settings *settings, struct error *err)
{
	struct guest guest = GUEST_NONE;
	int r = guest_open(settings, &guest, err);

	guest_close(&guest);
	return r;
}

int call_vm_check(const struct settings *settings, struct error *err)
{
	char path[PATH_MAX];
	int r = vm_settings_find_qemu(&settings->vm, path, err);

	if (r == 0)
		r = vm_settings_find_virtiofsd(&settings->vm, path, err);
	if (r == 0)
		r = vm_settings_check_accelerator(&settings->vm, err);
	return r < 0 ? r : check_guest(&settings->vm, err);
}

static int read_input(const struct call *call, struct start_input *ret, struct error *err)
{
	_cleanup_(buf_free) struct buf text = BUF_MAX(START_INPUT_MAX);
	int r = file_read_fd(STDIN_FILENO, "standard input", &text, err);

	return r < 0 ? r : start_input_parse(buf_view(&text), call->arguments.id, call->arguments.namespace, ret, err);
}

/* Nobody must be there: a second shim would take the first one's socket. */
static int prepare_socket(const char *directory, const char *sandbox, char ret[static SHIM_SOCKET_MAX + 1], struct error *err)
{
	int r = shim_socket_path(directory, sandbox, ret, err);

	if (r == 0)
		r = file_make_directory(*directory ? directory : SHIM_SOCKET_DIRECTORY, 0700, err);
	if (r < 0)
		return r;
	const int tried = unix_socket_try(ret);
	if (tried == 0 || tried == -EAGAIN)
		return error_set(err, EEXIST, "a shim of sandbox %s runs already (%s)", sandbox, ret);
	return 0;
}

/* ── The answer ── */

static int answer(const struct start_input *input, const char *socket, struct error *err)
{
	_cleanup_(buf_free) struct buf out = BUF_MAX(1024);
	char address[SHIM_SOCKET_MAX + sizeof("unix://")];

	snprintf(address, sizeof(address), "unix://%s", socket);
	start_answer(input, address, &out);
	int r = buf_check(&out, "answer", err);
	return r < 0 ? r : file_write_fd(STDOUT_FILENO, buf_view(&out), "standard output", err);
}

/* The pod runs, too, if it cannot be recorded; it has no right then to what only VMs may have. */
static void write_record(const struct spec *spec, const char *id, const char *directory, pid_t shim)
{
	struct record record;

	if (!record_of(spec, id, BACKEND_VM, &record))
		return;
	record.shim = shim;
	record.time = time(NULL);
	if (record_write(directory, &record, NULL) < 0)
		record_remove(directory, id);
}

/* ── The shim ── */

struct heir {
	struct shim shim;
	char **words;
};

/* The process list is to say what this is. */
static int be_shim(void *context, int channel)
{
	struct heir *heir = context;

	for (char **word = heir->words; *word; word++) {
		if (strcmp(*word, "start") == 0)
			memcpy(*word, "shim", sizeof("shim"));
	}
	return shim_run(&heir->shim, channel);
}

static const char *events_of(const struct start_input *input)
{
	const char *address = getenv("TTRPC_ADDRESS");

	if (*input->ttrpc_address || !address)
		address = input->ttrpc_address;
	return strncmp(address, "unix://", 7) == 0 ? address + 7 : address;
}

int call_vm_start_sandbox(const struct call *call, int bundle, const struct spec *spec, const struct settings *settings, struct error *err)
{
	_cleanup_(start_input_clear) struct start_input input = {};
	struct heir heir = { { call->arguments.id, call->arguments.namespace, .settings = &settings->vm }, call->words };
	char socket[SHIM_SOCKET_MAX + 1];
	struct daemon daemon;

	if (spec->kind != SPEC_SANDBOX)
		return error_set(err, EINVAL, "container \"%s\" is not of a pod: only pods can run in a VM", call->arguments.id);
	int r = read_input(call, &input, err);
	if (r == 0)
		r = prepare_socket(input.socket_directory, call->arguments.id, socket, err);
	if (r == 0)
		r = record_make_directory(settings->records, err);
	if (r < 0)
		return r;
	heir.shim.socket = socket;
	heir.shim.events = events_of(&input);
	heir.shim.began_ns = call->began_ns;
	r = daemon_start("log", be_shim, &heir, &daemon, err);
	if (r < 0)
		return r;
	write_record(spec, call->arguments.id, settings->records, daemon.pid);
	r = shim_write_address(bundle, socket, err);
	if (r == 0)
		r = answer(&input, socket, err);
	if (r == 0) {
		daemon_release(&daemon);
		return 0;
	}
	record_remove(settings->records, call->arguments.id);
	daemon_drop(&daemon);
	return r;
}

int call_vm_start_container(const struct call *call, int bundle, const char *sandbox, struct error *err)
{
	_cleanup_(start_input_clear) struct start_input input = {};
	_cleanup_close_ int beside = -1;
	char socket[SHIM_SOCKET_MAX + 1];

	int r = read_input(call, &input, err);
	if (r == 0)
		r = bundle_open_beside(bundle, sandbox, &beside, err);
	if (r == 0)
		r = shim_read_address(beside, socket, err);
	if (r < 0)
		return error_wrap(err, "shim of sandbox %s", sandbox);
	if (unix_socket_try(socket) == -ECONNREFUSED || unix_socket_try(socket) == -ENOENT)
		return error_set(err, ESRCH, "the shim of sandbox %s has ended: the pod has to be made anew", sandbox);
	r = shim_write_address(bundle, socket, err);
	return r < 0 ? r : answer(&input, socket, err);
}

/* ── The end ── */

/* containerd, which knows only that the connection was lost, puts it into its log. */
static void say_killed(const char *sandbox)
{
	fprintf(stderr,
		"%s: the shim of sandbox %s was killed, and its VM with it: by the kernel for want of memory, by somebody, or by itself "
		"because it hung for %d s\n",
		PROGRAM, sandbox, SHIM_HANG_MAX_MS / 1000);
}

void call_vm_delete_sandbox(const struct call *call, int bundle, const struct settings *settings)
{
	char socket[SHIM_SOCKET_MAX + 1];
	struct error why;

	if (bundle >= 0 && shim_read_address(bundle, socket, &why) == 0) {
		const int r = shim_end(socket, &why);

		if (r < 0)
			fprintf(stderr, PROGRAM ": %s\n", why.message);
		else if (r > 0)
			say_killed(call->arguments.id);
	}
	if (settings->vm.state && vm_clean_up(call->arguments.id, &settings->vm, &why) < 0)
		fprintf(stderr, PROGRAM ": cleaning up after the VM of sandbox %s: %s\n", call->arguments.id, why.message);
}
