// SPDX-License-Identifier: Apache-2.0
/*
 * The bundle is what containerd would write for a pod of 64 MiB without a network, and is there only while vm_new reads it. The id is always
 * the same, so that what is left of a trial that was killed is found by the next.
 *
 *	clean up → vm_new → vm_boot ─→ booted, failed, or told to end (SIGTERM, SIGINT) → vm_stop → end
 */
#include "kata-shim/cli/trial.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/array.h"
#include "common/base/file.h"
#include "kata-shim/vm/jail/harden.h"
#include "kata-shim/vm/sandbox/sandbox.h"

#define ID "holdfast-self-test"
#define CONFIG "config.json"
#define CONFIG_MAX 4096

/* The cgroup is named as the bundle is, lest it be another node's where several share a machine. */
static const char config_format[] =
	"{\"ociVersion\":\"1.0.2\",\"hostname\":\"self-test\",\"root\":{\"path\":\"rootfs\"},"
	"\"process\":{\"cwd\":\"/\",\"user\":{\"uid\":0,\"gid\":0},\"args\":[\"/pause\"]},"
	"\"annotations\":{\"io.kubernetes.cri.container-type\":\"sandbox\",\"io.kubernetes.cri.sandbox-id\":\"" ID "\","
	"\"io.kubernetes.cri.sandbox-memory\":\"67108864\"},"
	"\"linux\":{\"cgroupsPath\":\"/" ID "%s\",\"namespaces\":[{\"type\":\"mount\"},{\"type\":\"pid\"},{\"type\":\"ipc\"},"
	"{\"type\":\"uts\"},{\"type\":\"network\"}]}}\n";

struct trial {
	uv_loop_t loop;
	uv_signal_t signals[2];
	struct vm *vm;
	bool stopping;
	struct error why; /* code 0: it booted */
	uint64_t began_ns, took_ns;
};

static const int signal_numbers[] = { SIGTERM, SIGINT };

/* ── The end ── */

static void on_stopped(void *context, const struct error *err)
{
	struct trial *trial = context;

	if (err && trial->why.code == 0) {
		trial->why = *err;
		(void)!error_wrap(&trial->why, "the VM booted, and cannot be taken down");
	}
	vm_free(trial->vm);
	for (size_t i = 0; i < ELEMENTS_OF(signal_numbers); i++)
		uv_close((uv_handle_t *)&trial->signals[i], NULL);
}

static void stop(struct trial *trial)
{
	if (trial->stopping)
		return;
	trial->stopping = true;
	vm_stop(trial->vm, on_stopped, trial);
}

static void on_booted(void *context, const struct error *err)
{
	struct trial *trial = context;

	trial->took_ns = uv_hrtime() - trial->began_ns;
	if (trial->why.code == 0 && err)
		trial->why = *err;
	stop(trial);
}

static void on_signal(uv_signal_t *signal, int number)
{
	struct trial *trial = signal->data;

	if (trial->why.code == 0)
		error_set(&trial->why, EINTR, "the trial was ended by signal %d", number);
	stop(trial);
}

/* ── What a pod's shim does, too ── */

static int on_started(void *context, struct error *err)
{
	return harden_shim(SANDBOX_ENFORCE, err);
}

static void on_exited(void *context, const char *container, const char *exec, uint32_t status, const struct timespec *at)
{
}

static void on_oom(void *context, const char *container)
{
}

static void on_lost(void *context, const char *why)
{
}

static const struct vm_listener listener = { on_exited, on_oom, on_lost, on_started };

/* ── The beginning ── */

static int write_bundle(const char *directory, struct error *err)
{
	_cleanup_(buf_free) struct buf text = BUF_MAX(CONFIG_MAX);
	char path[PATH_MAX + sizeof(CONFIG)];

	snprintf(path, sizeof(path), "%s/" CONFIG, directory);
	buf_printf(&text, config_format, strrchr(directory, '.'));
	int r = buf_check(&text, path, err);
	return r < 0 ? r : file_write_atomic(path, buf_view(&text), 0600, err);
}

static void remove_bundle(const char *directory)
{
	char path[PATH_MAX + sizeof(CONFIG)];

	snprintf(path, sizeof(path), "%s/" CONFIG, directory);
	unlink(path);
	rmdir(directory);
}

static int make_vm(struct trial *trial, const struct vm_settings *settings, struct error *err)
{
	char directory[PATH_MAX];

	if (snprintf(directory, sizeof(directory), "%s.self-test.XXXXXX", settings->state) >= (int)sizeof(directory))
		return error_set(err, ENAMETOOLONG, "sandbox.vm.state %s is too long", settings->state);
	if (!mkdtemp(directory))
		return error_errno(err, errno, "cannot make the directory %s", directory);
	int r = write_bundle(directory, err);
	if (r == 0)
		r = vm_new(&trial->loop, ID, directory, settings, &listener, trial, &trial->vm, err);
	remove_bundle(directory);
	return r;
}

static void run(struct trial *trial)
{
	for (size_t i = 0; i < ELEMENTS_OF(signal_numbers); i++) {
		trial->signals[i].data = trial;
		uv_signal_init(&trial->loop, &trial->signals[i]);
		uv_signal_start(&trial->signals[i], on_signal, signal_numbers[i]);
	}
	trial->began_ns = uv_hrtime();
	vm_boot(trial->vm, on_booted, trial);
	uv_run(&trial->loop, UV_RUN_DEFAULT);
}

int trial_run(const struct vm_settings *settings, uint64_t *ret_ms, struct error *err)
{
	struct trial trial = { 0 };

	signal(SIGPIPE, SIG_IGN);
	int r = file_make_directory(settings->state, 0700, err);
	if (r == 0)
		r = vm_clean_up(ID, settings, err);
	if (r < 0)
		return r;
	uv_loop_init(&trial.loop);
	r = make_vm(&trial, settings, err);
	if (r == 0) {
		run(&trial);
		r = -trial.why.code;
	}
	uv_loop_close(&trial.loop);
	if (trial.why.code)
		*err = trial.why;
	*ret_ms = trial.took_ns / 1000000;
	return r;
}
