// SPDX-License-Identifier: Apache-2.0
/*
 * crun's stdio becomes the container's, so its own words have to go elsewhere: to a memfd that it opens as its log. Its input and the pid
 * file are memfds, too: there is nothing to clean up after a crash, and a guest's root file system may be read-only.
 *
 *	0 1 2  the container's    3  log    4  input    5  pid file
 *
 * What crun says is a line for each level that failed, the cause first.
 */
#include "kata-shim/guest/crun.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "common/base/array.h"
#include "common/base/cleanup.h"
#include "common/base/file.h"
#include "common/base/number.h"
#include "common/base/show.h"

#define CRUN "/usr/bin/crun"
#define ARGS_MAX 16

enum { LOG_FD = 3, INPUT_FD = 4, PID_FD = 5, FD_END = 6 };

struct crun {
	uv_timer_t timer; /* the first: freed with it */
	struct agent *agent;
	pid_t pid;
	int log, pid_file;
	bool killed, late;
	uint64_t time_ms;
	crun_ended *ended;
	void *context;
	char verb[16];
};

static void on_closed(uv_handle_t *handle)
{
	free(handle->data);
}

static void crun_free(struct crun *crun)
{
	cleanup_close(&crun->log);
	cleanup_close(&crun->pid_file);
	uv_close((uv_handle_t *)&crun->timer, on_closed);
}

/* ── How it ended ── */

/* The first line that it wrote, which is the cause; what crun prints about it after that only says who heard of it. */
static void read_words(const struct crun *crun, char ret[static CRUN_WORDS_MAX])
{
	ssize_t n = pread(crun->log, ret, CRUN_WORDS_MAX - 1, 0);

	ret[n > 0 ? n : 0] = 0;
	ret[strcspn(ret, "\n")] = 0;
	for (char *c = ret; *c; c++) {
		if ((unsigned char)*c < ' ' || *c == 0x7f)
			*c = '?';
	}
}

static pid_t read_pid(const struct crun *crun)
{
	char text[16];
	struct error ignored;
	uint32_t pid;
	ssize_t n = pread(crun->pid_file, text, sizeof(text), 0);

	return n > 0 && number_parse_u32(slice_from(text, (size_t)n), 1, INT32_MAX, &pid, &ignored) == 0 ? (pid_t)pid : 0;
}

static int judge(const struct crun *crun, int status, struct error *err)
{
	char words[CRUN_WORDS_MAX];

	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	if (crun->late)
		return error_set(
			err, ETIMEDOUT,
			"crun %s did not end in %.1f seconds: the guest is too slow, or a file system that the host shares does not answer",
			crun->verb, (double)crun->time_ms / 1000);
	if (crun->killed)
		return error_set(err, ECANCELED, "crun %s was given up, because the container is removed", crun->verb);
	read_words(crun, words);
	if (words[0])
		return error_set(err, EIO, "%s", words);
	if (WIFSIGNALED(status))
		return error_set(err, EIO, "crun %s ended by signal %d: the guest's memory may be too small", crun->verb, WTERMSIG(status));
	return error_set(err, EIO, "crun %s ended with %d and said nothing", crun->verb, WEXITSTATUS(status));
}

static void on_ended(void *context, pid_t pid, int status)
{
	struct crun *crun = context;
	struct error err = {};
	int r = judge(crun, status, &err);
	pid_t made = read_pid(crun);

	crun->pid = 0;
	if (crun->ended)
		crun->ended(crun->context, r, made, &err);
	crun_free(crun);
}

static void on_late(uv_timer_t *timer)
{
	struct crun *crun = timer->data;

	crun->late = true;
	kill(crun->pid, SIGKILL);
}

/* ── How it begins ── */

static int make_memory(const char *name, struct slice content, int *ret, struct error *err)
{
	_cleanup_close_ int fd = memfd_create(name, MFD_CLOEXEC);

	if (fd < 0)
		return error_errno(err, errno, "cannot have memory for crun's %s", name);
	if (content.n > 0) {
		int r = file_write_fd(fd, content, name, err);
		if (r < 0)
			return r;
	}
	*ret = TAKE_FD(fd);
	return 0;
}

/* The loop has taken the low descriptors long before, so that none is overwritten here before it is copied. */
static int map_descriptors(posix_spawn_file_actions_t *actions, const int from[static FD_END])
{
	int r = 0;

	for (int to = 0; to < FD_END && r == 0; to++)
		r = from[to] < FD_END ? EBADF : posix_spawn_file_actions_adddup2(actions, from[to], to);
	return r;
}

/* Signals as a program expects them: the agent ignores SIGPIPE, and what is ignored stays so for a container's processes. */
static int default_signals(posix_spawnattr_t *attributes)
{
	sigset_t all, none;

	memset(&all, 0xff, sizeof(all)); /* sigfillset(3) leaves out two that are libc's own, and what is left out would be ignored */
	sigemptyset(&none);
	int r = posix_spawnattr_setsigdefault(attributes, &all);
	if (r == 0)
		r = posix_spawnattr_setsigmask(attributes, &none);
	return r ? r : posix_spawnattr_setflags(attributes, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
}

static int spawn(const char *const *args, const int descriptors[static FD_END], pid_t *ret)
{
	static const char *const environment[] = { "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", NULL };
	const char *argv[ARGS_MAX + 5] = { CRUN, "--root=" CRUN_ROOT, "--cgroup-manager=cgroupfs", "--log=/proc/self/fd/3" };
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;

	for (size_t i = 0; args[i] && i < ARGS_MAX; i++)
		argv[4 + i] = args[i];
	int r = posix_spawn_file_actions_init(&actions);
	if (r)
		return r;
	r = posix_spawnattr_init(&attributes);
	if (r == 0) {
		r = map_descriptors(&actions, descriptors);
		if (r == 0)
			r = default_signals(&attributes);
		if (r == 0)
			r = posix_spawn(ret, CRUN, &actions, &attributes, (char *const *)argv, (char *const *)environment);
		posix_spawnattr_destroy(&attributes);
	}
	posix_spawn_file_actions_destroy(&actions);
	return r;
}

static int begin(struct crun *crun, const struct crun_command *command, struct error *err)
{
	_cleanup_close_ int input = -1;
	_cleanup_close_ int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	int descriptors[FD_END];

	if (null < 0)
		return error_errno(err, errno, "cannot open /dev/null");
	int r = make_memory("log", slice_string(""), &crun->log, err);
	if (r == 0)
		r = make_memory("pid file", slice_string(""), &crun->pid_file, err);
	if (r == 0)
		r = make_memory("input", command->input, &input, err);
	if (r < 0)
		return r;
	for (int i = 0; i < 3; i++)
		descriptors[i] = command->stdio ? command->stdio[i] : null;
	descriptors[LOG_FD] = crun->log;
	descriptors[INPUT_FD] = input;
	descriptors[PID_FD] = crun->pid_file;
	r = spawn(command->args, descriptors, &crun->pid);
	if (r)
		return error_errno(err, r, "cannot start " CRUN);
	return 0;
}

/* Before the caller's own end, who would else never hear why. */
static uint64_t choose_time(uint64_t left_ms)
{
	const uint64_t time_ms = left_ms - left_ms / 10;

	return left_ms > 0 && time_ms < CRUN_TIME_MAX_MS ? time_ms : CRUN_TIME_MAX_MS;
}

int crun_start(struct agent *agent, const struct crun_command *command, crun_ended *ended, void *context, struct crun **ret,
	       struct error *err)
{
	struct crun *crun = calloc(1, sizeof(*crun));

	if (!crun)
		return error_nomem(err);
	*crun = (struct crun){ .agent = agent, .log = -1, .pid_file = -1, .ended = ended, .context = context };
	snprintf(crun->verb, sizeof(crun->verb), "%s", command->args[0]);
	uv_timer_init(agent->loop, &crun->timer);
	crun->timer.data = crun;
	int r = begin(crun, command, err);
	if (r == 0) {
		r = children_watch(agent->children, crun->pid, on_ended, crun, err);
		if (r < 0)
			kill(crun->pid, SIGKILL);
	}
	if (r < 0) {
		crun_free(crun);
		return r;
	}
	crun->time_ms = choose_time(command->left_ms);
	uv_timer_start(&crun->timer, on_late, crun->time_ms, 0);
	*ret = crun;
	return 0;
}

void crun_kill(struct crun *crun)
{
	crun->killed = true;
	kill(crun->pid, SIGKILL);
}

void crun_abandon(struct crun *crun)
{
	crun->ended = NULL;
	crun_kill(crun);
}
