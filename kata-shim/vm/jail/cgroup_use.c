// SPDX-License-Identifier: Apache-2.0
/* What a pod's cgroup says of it and does to it: the same question has another file in each version. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "common/base/number.h"
#include "kata-shim/vm/jail/cgroup_internal.h"

#define FILE_MAX (1024 * 1024)
#define NO_LIMIT (UINT64_C(1) << 62) /* version 1 says "none" as the largest multiple of a page */
#define POLL_MS 5

/* ── usage ── */

/* The first word of `text`, or the word behind `key` at the start of a line. What is no number counts as 0. */
static uint64_t find_number(const struct buf *text, const char *key)
{
	const char *at = buf_text(text);
	size_t n = key ? strlen(key) : 0;
	uint64_t value = 0;

	while (key && !(strncmp(at, key, n) == 0 && at[n] == ' ')) {
		at = strchr(at, '\n');
		if (!at)
			return 0;
		at++;
	}
	at += key ? n + 1 : 0;
	if (number_parse_u64(slice_from(at, strcspn(at, "\n ")), 0, UINT64_MAX, &value, NULL) < 0)
		return 0;
	return value;
}

/* The first error sticks. */
struct reading {
	const struct cgroup *cgroup;
	int failed;
	struct error *err;
};

/* 0 too, if there is no such controller or file. */
static uint64_t read_number(struct reading *reading, const char *controller, const char *file, const char *key)
{
	_cleanup_(buf_free) struct buf text = BUF_MAX(FILE_MAX);
	const struct cgroup_hierarchy *in = cgroup_hierarchy_of(reading->cgroup, controller);

	if (!in || reading->failed)
		return 0;
	int r = cgroup_read(in->directory, file, &text, reading->err);
	if (r < 0 && r != -ENOENT)
		reading->failed = r;
	return r < 0 ? 0 : find_number(&text, key);
}

static bool is_no_limit(const struct cgroup *cgroup, uint64_t limit)
{
	return limit == 0 || (!cgroup->unified && limit >= NO_LIMIT);
}

static void read_v1(struct reading *reading, struct cgroup_usage *ret)
{
	uint64_t tick_ns = UINT64_C(1000000000) / (uint64_t)sysconf(_SC_CLK_TCK);

	ret->cpu_ns = read_number(reading, "cpuacct", "cpuacct.usage", NULL);
	ret->cpu_user_ns = read_number(reading, "cpuacct", "cpuacct.stat", "user") * tick_ns;
	ret->cpu_system_ns = read_number(reading, "cpuacct", "cpuacct.stat", "system") * tick_ns;
	ret->memory_bytes = read_number(reading, "memory", "memory.usage_in_bytes", NULL);
	ret->memory_limit_bytes = read_number(reading, "memory", "memory.limit_in_bytes", NULL);
	ret->memory_inactive_file_bytes = read_number(reading, "memory", "memory.stat", "total_inactive_file");
	ret->oom_kills = read_number(reading, "memory", "memory.oom_control", "oom_kill");
}

static void read_v2(struct reading *reading, struct cgroup_usage *ret)
{
	ret->cpu_ns = read_number(reading, "cpu", "cpu.stat", "usage_usec") * 1000;
	ret->cpu_user_ns = read_number(reading, "cpu", "cpu.stat", "user_usec") * 1000;
	ret->cpu_system_ns = read_number(reading, "cpu", "cpu.stat", "system_usec") * 1000;
	ret->memory_bytes = read_number(reading, "memory", "memory.current", NULL);
	ret->memory_limit_bytes = read_number(reading, "memory", "memory.max", NULL);
	ret->memory_inactive_file_bytes = read_number(reading, "memory", "memory.stat", "inactive_file");
	ret->oom_kills = read_number(reading, "memory", "memory.events", "oom_kill");
}

int cgroup_read_usage(const struct cgroup *cgroup, struct cgroup_usage *ret, struct error *err)
{
	struct reading reading = { .cgroup = cgroup, .err = err };
	struct cgroup_usage usage = { 0 };

	if (cgroup->unified)
		read_v2(&reading, &usage);
	else
		read_v1(&reading, &usage);
	if (is_no_limit(cgroup, usage.memory_limit_bytes))
		usage.memory_limit_bytes = UINT64_MAX;
	usage.processes = read_number(&reading, "pids", "pids.current", NULL);
	if (reading.failed)
		return error_wrap(err, "cgroup %s", cgroup->path);
	*ret = usage;
	return 0;
}

static uint64_t read_limit(struct reading *reading, const char *file)
{
	const uint64_t limit = read_number(reading, "memory", file, NULL);

	return is_no_limit(reading->cgroup, limit) ? UINT64_MAX : limit;
}

int cgroup_read_room(const struct cgroup *cgroup, uint64_t *ret, struct error *err)
{
	static const struct {
		const char *limit, *above, *usage, *active, *inactive;
	} names[] = {
		{ "memory.limit_in_bytes", "../memory.limit_in_bytes", "memory.usage_in_bytes", "total_active_file", "total_inactive_file" },
		{ "memory.max", "../memory.max", "memory.current", "active_file", "inactive_file" },
	};
	struct reading reading = { .cgroup = cgroup, .err = err };
	const __typeof__(names[0]) *name = &names[cgroup->unified];

	const uint64_t own = read_limit(&reading, name->limit), above = read_limit(&reading, name->above);
	const uint64_t limit = own < above ? own : above, used = read_number(&reading, "memory", name->usage, NULL);
	const uint64_t files = read_number(&reading, "memory", "memory.stat", name->active) +
			       read_number(&reading, "memory", "memory.stat", name->inactive);
	if (reading.failed)
		return error_wrap(err, "cgroup %s", cgroup->path);
	const uint64_t taken = used > files ? used - files : 0;
	*ret = limit == UINT64_MAX ? UINT64_MAX : limit > taken ? limit - taken : 0;
	return 0;
}

int cgroup_read_limit(const char *path, uint64_t *ret, struct error *err)
{
	_cleanup_(cgroup_freep) struct cgroup *cgroup = NULL;
	struct reading reading = { .err = err };

	int r = cgroup_open(path, false, &cgroup, err);
	if (r < 0)
		return r;
	if (!cgroup_hierarchy_of(cgroup, "memory"))
		return error_set(err, ENOENT, "there is no cgroup %s with memory", path);
	reading.cgroup = cgroup;
	*ret = read_limit(&reading, cgroup->unified ? "memory.max" : "memory.limit_in_bytes");
	return reading.failed ? error_wrap(err, "cgroup %s", path) : 0;
}

/* ── CPUs ── */

/* In version 1 none is no way to say all. */
int cgroup_set_cpus(const struct cgroup *cgroup, const char *cpus, struct error *err)
{
	const struct cgroup_hierarchy *in = cgroup_hierarchy_of(cgroup, "cpuset");
	_cleanup_(buf_free) struct buf above = BUF_MAX(FILE_MAX);

	if (!in)
		return error_set(err, ENOTSUP, "cgroup %s cannot be kept to CPUs %s: the cpuset controller is not mounted", cgroup->path, cpus);
	int r = *cpus || cgroup->unified ? 0 : cgroup_read(in->directory, "../cpuset.cpus", &above, err);
	if (r == 0)
		r = cgroup_write(in->directory, "cpuset.cpus", *cpus ? cpus : cgroup->unified ? "\n" : buf_text(&above), err);
	return r < 0 ? error_wrap(err, "cgroup %s", cgroup->path) : 0;
}

/* ── freeze, kill ── */

int cgroup_freeze(const struct cgroup *cgroup, bool freeze, struct error *err)
{
	const struct cgroup_hierarchy *in = cgroup_hierarchy_of(cgroup, "freezer");

	if (!in)
		return error_set(err, ENOTSUP, "cgroup %s cannot be frozen: the freezer controller is not mounted, or it has no directory",
				 cgroup->path);
	if (cgroup->unified)
		return cgroup_write(in->directory, "cgroup.freeze", freeze ? "1" : "0", err);
	return cgroup_write(in->directory, "freezer.state", freeze ? "FROZEN" : "THAWED", err);
}

/* One signal to each in cgroup.procs of one directory. How many there were, and one of them. */
static size_t kill_listed(int directory, pid_t *ret_one)
{
	_cleanup_(buf_free) struct buf text = BUF_MAX(FILE_MAX);
	size_t n = 0;
	char *rest = NULL;

	if (cgroup_read(directory, "cgroup.procs", &text, NULL) < 0 || text.n == 0)
		return 0;
	for (const char *word = strtok_r((char *)text.p, "\n", &rest); word; word = strtok_r(NULL, "\n", &rest)) {
		uint32_t pid;
		if (number_parse_u32(slice_string(word), 1, INT32_MAX, &pid, NULL) < 0)
			continue;
		kill((pid_t)pid, SIGKILL);
		*ret_one = (pid_t)pid;
		n++;
	}
	return n;
}

static size_t kill_all_listed(const struct cgroup *cgroup, pid_t *ret_one)
{
	size_t n = 0;

	for (size_t i = 0; i < cgroup->n; i++)
		if (cgroup->hierarchies[i].directory >= 0)
			n += kill_listed(cgroup->hierarchies[i].directory, ret_one);
	return n;
}

/* A frozen process of version 1 dies when it is thawed. */
static void thaw(const struct cgroup *cgroup)
{
	if (!cgroup->unified && cgroup_freeze(cgroup, false, NULL) < 0)
		return;
}

int cgroup_kill(const struct cgroup *cgroup, unsigned timeout_ms, struct error *err)
{
	const struct timespec pause = { .tv_nsec = POLL_MS * 1000000 };
	pid_t left = 0;

	for (unsigned waited_ms = 0; kill_all_listed(cgroup, &left) > 0; waited_ms += POLL_MS) {
		if (waited_ms >= timeout_ms)
			return error_set(err, ETIMEDOUT, "process %d in cgroup %s was killed and is still there after %u ms", left,
					 cgroup->path, timeout_ms);
		thaw(cgroup);
		nanosleep(&pause, NULL);
	}
	return 0;
}

/* A child of a shim that was killed may have been on its way in. */
int cgroup_clear(const struct cgroup *cgroup, unsigned timeout_ms, struct error *err)
{
	const struct timespec pause = { .tv_nsec = POLL_MS * 1000000 };

	for (unsigned waited_ms = 0;; waited_ms += POLL_MS) {
		int r = cgroup_kill(cgroup, timeout_ms, err);
		if (r == 0)
			r = cgroup_remove(cgroup, err);
		if (r != -EBUSY || waited_ms >= timeout_ms)
			return r;
		nanosleep(&pause, NULL);
	}
}
