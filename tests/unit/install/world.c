// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/common/cmocka_all.h"

#include "tests/unit/install/world.h"

#include <errno.h>
#include <fts.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/file.h"
#include "deploy/install/host/host.h"

#define CUT 42

/*
 * Each act is a child, and what AddressSanitizer keeps of freed memory is the child's too: with what it keeps by default a fork takes longer
 * and longer.
 */
__attribute__((visibility("default"))) const char *__asan_default_options(void);

const char *__asan_default_options(void)
{
	return "quarantine_size_mb=1";
}

char world_directory[64];
static unsigned steps_left;

static const char list[] = "{\n  \"cniVersion\": \"1.0.0\",\n  \"name\": \"edge\",\n  \"plugins\": [\n    {\"type\": \"ptp\"}\n  ]\n}\n";

const char *world_path(const char *name)
{
	static char paths[4][PATH_MAX];
	static unsigned turn;
	char *path = paths[turn++ % 4];

	snprintf(path, PATH_MAX, "%s/%s", world_directory, name);
	return path;
}

void world_make(const char *name)
{
	struct error err = {};

	if (file_make_directory(world_path(name), 0755, &err) < 0)
		fail_msg("%s", err.message);
}

void world_write(const char *name, const char *text, mode_t mode)
{
	struct error err = {};

	if (file_write_atomic(world_path(name), slice_string(text), mode, &err) < 0)
		fail_msg("%s", err.message);
}

/* Of two versions most is the same, something is not, and something comes and goes. */
static void make_tree(const char *name, const char *version)
{
	char path[128];

	for (const char *const *part = (const char *const[]){ "bin", "lib", "share/guest", NULL }; *part; part++) {
		snprintf(path, sizeof(path), "%s/%s", name, *part);
		world_make(path);
	}
	const struct {
		const char *path, *text;
		mode_t mode;
	} files[] = {
		{ "bin/holdfast", version, 0755 },
		{ "bin/holdfast-node", "node", 0755 },
		{ "lib/libc.so.6", "libc", 0755 },
		{ "share/version", version, 0644 },
		{ "share/guest/image", "guest", 0644 },
	};
	for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++) {
		snprintf(path, sizeof(path), "%s/%s", name, files[i].path);
		world_write(path, files[i].text, files[i].mode);
	}
	snprintf(path, sizeof(path), "%s/bin/link-%c", name, *version);
	assert_int_equal(symlink("holdfast", world_path(path)), 0);
}

void world_begin(bool by_hand)
{
	const char *memory = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp"; /* as many calls of fsync are nothing there */

	snprintf(world_directory, sizeof(world_directory), "%s/holdfast-install-XXXXXX", memory);
	assert_non_null(mkdtemp(world_directory));
	world_make("host/etc/cni/net.d");
	world_make("host/opt");
	world_write("host" WORLD_LIST, list, 0600);
	make_tree("v1", "1.0.0");
	make_tree("v2", "2.0.0");
	world_write("settings-1.yaml", "{sandbox: {records: /run/one}, install: {containerd: {configure: false}}}\n", 0644);
	world_write("settings-2.yaml", "{sandbox: {records: /run/two}, install: {containerd: {configure: false}}}\n", 0644);
	if (!by_hand)
		return;
	world_make("host/opt/holdfast/bin");
	world_make("host/opt/holdfast/etc");
	world_make("host/opt/cni/bin");
	world_write("host/opt/holdfast/bin/holdfast-net", "by hand", 0700);
	world_write("host/opt/holdfast/etc/holdfast.yaml", "sandbox: {}\n", 0640);
	world_write("host/opt/holdfast/etc/kubeconfig", "theirs", 0600);
	world_write("host/opt/cni/bin/holdfast", "by hand", 0755);
	world_write("host/opt/cni/bin/ptp", "ptp", 0755);
}

int world_end(void **state)
{
	host_stepped = NULL;
	return host_remove_tree(world_directory, NULL);
}

static int by_name(const FTSENT **a, const FTSENT **b)
{
	return strcmp((*a)->fts_name, (*b)->fts_name);
}

static void print_one(const FTSENT *found, size_t prefix, struct buf *out)
{
	char text[PATH_MAX] = "";
	ssize_t n;

	if (found->fts_info == FTS_DP)
		return;
	if (found->fts_info == FTS_SL || found->fts_info == FTS_SLNONE) {
		n = readlink(found->fts_path, text, sizeof(text) - 1);
		text[n > 0 ? n : 0] = 0;
	} else if (found->fts_info == FTS_F && !strstr(found->fts_path, "/install/lock")) {
		assert_int_equal(listing_hash_file(found->fts_path, text, NULL), 0);
	}
	buf_printf(out, "%06o %s %s\n", found->fts_statp->st_mode, found->fts_path + prefix, text);
}

void world_print(const char *name, struct buf *out)
{
	char *const paths[] = { (char *)world_path(name), NULL };
	FTSENT *found;

	FTS *walk = fts_open(paths, FTS_PHYSICAL | FTS_NOCHDIR, by_name);
	assert_non_null(walk);
	while ((found = fts_read(walk)))
		print_one(found, strlen(world_directory), out);
	fts_close(walk);
}

static int act(enum world_act what, struct node *node, struct node_outcome *ret, struct error *err)
{
	switch (what) {
	case WORLD_INSTALL_1:
	case WORLD_INSTALL_2:
		return node_install(node, ret, err);
	case WORLD_ROLLBACK:
		return node_rollback(node, ret, err);
	case WORLD_UNINSTALL:
		return node_uninstall(node, NODE_POLICIES_KEEP, false, err);
	}
	return -EINVAL;
}

int world_try(enum world_act what, struct node_outcome *ret, struct error *err)
{
	bool install = what == WORLD_INSTALL_1 || what == WORLD_INSTALL_2, second = what == WORLD_INSTALL_2;
	struct node_options options = { .root = world_path("host") };
	struct node node;

	if (install) {
		options.settings = world_path(second ? "settings-2.yaml" : "settings-1.yaml");
		options.from = world_path(second ? "v2" : "v1");
	}
	int r = node_open_locked(&options, "test", install, &node, err);
	r = r < 0 ? r : act(what, &node, ret, err);
	node_close(&node);
	return r;
}

static void count_down(void)
{
	if (steps_left > 0 && --steps_left == 0)
		_exit(CUT);
}

static int act_in_child(enum world_act what, unsigned steps)
{
	struct node_outcome outcome;
	struct error err = {};

	steps_left = steps;
	host_stepped = count_down;
	if (world_try(what, &outcome, &err) == 0)
		return EXIT_SUCCESS;
	fprintf(stderr, "%s\n", err.message);
	return EXIT_FAILURE;
}

bool world_act(enum world_act what, unsigned steps)
{
	int status;

	fflush(NULL);
	pid_t child = fork();
	assert_true(child >= 0);
	if (child == 0)
		_exit(act_in_child(what, steps));
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) != CUT && WEXITSTATUS(status) != EXIT_SUCCESS)
		fail_msg("act %d, cut at %u: ended with %d", what, steps, WEXITSTATUS(status));
	return WEXITSTATUS(status) == EXIT_SUCCESS;
}
