// SPDX-License-Identifier: Apache-2.0
/*
 * `self-test`: can this node run a pod in a VM? It boots one. Since that costs seconds of a CPU, a boot that was seen counts until the next
 * start of the node or a change of what it depends on; whether the accelerator, the programs and the guest are still there, and are what
 * they should be, is looked at every time.
 *
 * What was seen stands in <sandbox.vm.state>.self-test: a SHA-256 over all that a boot depends on, and how long it took. The lock on that
 * file keeps two self-tests apart, of which the second would take the first one's VM for a remnant.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "common/base/cleanup.h"
#include "common/base/file.h"
#include "common/base/log.h"
#include "common/base/program.h"
#include "common/base/sha256.h"
#include "common/checkup/checkup.h"
#include "kata-shim/cli/call.h"
#include "kata-shim/cli/trial.h"

#define SEEN_MAX 256
#define BOOT_ID "/proc/sys/kernel/random/boot_id"

static const char usage[] =
	"usage: " PROGRAM " self-test [--again] [-o json]\n"
	"\n"
	"Boots a VM as a pod's, with this node's settings, until its guest answers, and takes it down. A boot that was seen counts until the\n"
	"node is started again, or the programs, the guest or holdfast.yaml change; what it needs is looked at every time.\n"
	"Exit code 0: a VM booted; 2: none does: cause, and cure behind the arrow; 3: usage.\n"
	"\n"
	"  --again   boot one in any case\n";

struct invocation {
	bool again, json, help, bad;
};

/* ── What a boot depends on ── */

static void add_text(struct sha256 *sha, const char *text)
{
	sha256_add(sha, slice_from((const uint8_t *)text, strlen(text) + 1));
}

/* A file is the same as long as nobody has written or replaced it. */
static void add_file(struct sha256 *sha, const char *path)
{
	struct stat status;
	char text[128] = "-";

	if (path && stat(path, &status) == 0)
		snprintf(text, sizeof(text), "%llu.%llu %llu %lld.%09ld", (unsigned long long)status.st_dev,
			 (unsigned long long)status.st_ino, (unsigned long long)status.st_size, (long long)status.st_ctim.tv_sec,
			 status.st_ctim.tv_nsec);
	add_text(sha, path ? path : "");
	add_text(sha, text);
}

static void add_guest(struct sha256 *sha, const struct vm_settings *settings)
{
	char directory[PATH_MAX], path[PATH_MAX + 16];
	struct error ignored;

	add_file(sha, settings->kernel);
	add_file(sha, settings->initrd);
	add_file(sha, settings->image);
	if (settings->kernel || vm_settings_find_guest(settings, directory, &ignored) < 0)
		return;
	snprintf(path, sizeof(path), "%s/guest.json", directory);
	add_file(sha, path);
}

static void add_boot_id(struct sha256 *sha)
{
	_cleanup_(buf_free) struct buf text = BUF_MAX(64);
	struct error ignored;

	if (file_read(BOOT_ID, &text, &ignored) == 0)
		sha256_add(sha, buf_view(&text));
}

static void fingerprint(const struct vm_settings *settings, char ret[static 2 * SHA256_SIZE + 1])
{
	uint8_t digest[SHA256_SIZE];
	char path[PATH_MAX];
	struct error ignored;
	struct sha256 sha;

	sha256_begin(&sha);
	add_text(&sha, HOLDFAST_VERSION);
	add_boot_id(&sha);
	settings_path(path);
	add_file(&sha, path);
	add_file(&sha, "/proc/self/exe");
	if (vm_settings_find_qemu(settings, path, &ignored) == 0)
		add_file(&sha, path);
	if (vm_settings_find_virtiofsd(settings, path, &ignored) == 0)
		add_file(&sha, path);
	add_guest(&sha, settings);
	sha256_end(&sha, digest);
	for (size_t i = 0; i < sizeof(digest); i++)
		snprintf(ret + 2 * i, 3, "%02x", digest[i]);
}

/* ── What was seen ── */

static int open_seen(const struct vm_settings *settings, int *ret, struct error *err)
{
	char path[PATH_MAX];

	int r = file_make_directory(settings->state, 0700, err);
	if (r < 0)
		return r;
	if (snprintf(path, sizeof(path), "%s.self-test", settings->state) >= (int)sizeof(path))
		return error_set(err, ENAMETOOLONG, "sandbox.vm.state %s is too long", settings->state);
	_cleanup_close_ int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return error_errno(err, errno, "cannot open %s", path);
	if (flock(fd, LOCK_EX) < 0)
		return error_errno(err, errno, "cannot lock %s", path);
	*ret = TAKE_FD(fd);
	return 0;
}

/* "<fingerprint> <milliseconds>" */
static bool has_booted(int seen, const char *print, unsigned long long *ret_ms)
{
	char text[SEEN_MAX], found[2 * SHA256_SIZE + 1];
	ssize_t n = pread(seen, text, sizeof(text) - 1, 0);

	if (n <= 0)
		return false;
	text[n] = 0;
	return sscanf(text, "%64s %llu", found, ret_ms) == 2 && strcmp(found, print) == 0;
}

/* One that cannot be written costs the next self-test a boot. */
static void note_boot(int seen, const char *print, uint64_t ms)
{
	char text[SEEN_MAX];
	int n = snprintf(text, sizeof(text), "%s %llu\n", print, (unsigned long long)ms);

	if (pwrite(seen, text, (size_t)n, 0) != n)
		log_warn("the boot that was seen cannot be noted");
}

static void forget_boot(int seen)
{
	if (ftruncate(seen, 0) < 0)
		log_warn("the boot that was seen cannot be forgotten");
}

/* ── The test ── */

static const char *cure_of(const struct settings *settings, const struct error *err)
{
	if (err->code == ETIMEDOUT)
		return "raise sandbox.vm.bootTimeout in holdfast.yaml, or give the node a CPU with KVM";
	return settings->vm.accelerator == VM_KVM ? "look at docs/sandbox.md: what a node needs; sandbox.vm in holdfast.yaml"
						  : "look at sandbox.vm in holdfast.yaml";
}

static int boot(const struct settings *settings, int seen, const char *print, uint64_t *ret_ms, struct error *err)
{
	forget_boot(seen);
	int r = trial_run(&settings->vm, ret_ms, err);
	if (r == 0)
		note_boot(seen, print, *ret_ms);
	return r;
}

static int test(const struct settings *settings, bool again, unsigned long long *ret_ms, bool *ret_earlier, struct error *err)
{
	char print[2 * SHA256_SIZE + 1];
	_cleanup_close_ int seen = -1;
	uint64_t ms = 0;

	int r = call_vm_check(settings, err);
	if (r == 0)
		r = open_seen(&settings->vm, &seen, err);
	if (r < 0)
		return r;
	fingerprint(&settings->vm, print);
	*ret_earlier = !again && has_booted(seen, print, ret_ms);
	if (*ret_earlier)
		return 0;
	r = boot(settings, seen, print, &ms, err);
	*ret_ms = ms;
	return r;
}

static void test_vm(struct checkup *checkup)
{
	_cleanup_(settings_clear) struct settings settings = {};
	const struct invocation *invocation = checkup->options;
	unsigned long long ms = 0;
	bool earlier = false;
	struct error err;

	if (settings_load(&settings, &err) < 0) {
		checkup_fail(checkup, PROGRAM " route --print-config", "%s", err.message);
		return;
	}
	if (test(&settings, invocation->again, &ms, &earlier, &err) < 0)
		checkup_fail(checkup, cure_of(&settings, &err), "no VM boots: %s", err.message);
	else
		checkup_ok(checkup, "a VM booted in %llu ms with %s%s", ms, vm_accelerator_names[settings.vm.accelerator],
			   earlier ? ", earlier; what it needs is still there, and the same" : "");
}

static const struct checkup_row rows[] = { { "vm", test_vm, true } };

static struct invocation parse(int argc, char **argv)
{
	static const struct option known[] = {
		{ "again", no_argument, NULL, 'a' },
		{ "output", required_argument, NULL, 'o' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	struct invocation ret = { 0 };
	int c;

	while ((c = getopt_long(argc, argv, "ho:", known, NULL)) != -1) {
		if (c == 'a')
			ret.again = true;
		else if (c == 'o')
			ret.bad |= !program_take_format(PROGRAM, optarg, &ret.json);
		else
			*(c == 'h' ? &ret.help : &ret.bad) = true;
	}
	ret.bad |= optind != argc;
	return ret;
}

int command_self_test(int argc, char **argv)
{
	const struct invocation invocation = parse(argc, argv);

	if (invocation.help || invocation.bad) {
		fputs(usage, invocation.bad ? stderr : stdout);
		return invocation.bad ? CHECKUP_EXIT_UNKNOWN : EXIT_SUCCESS;
	}
	log_setup(LOG_LEVEL_WARN, LOG_FORMAT_LOGFMT);
	_cleanup_(checkup_clear) struct checkup checkup;
	checkup_init(&checkup);
	checkup.options = &invocation;
	return checkup_report(&checkup, rows, 1, PROGRAM, invocation.json);
}
