// SPDX-License-Identifier: Apache-2.0
/*
 * The nosy operator: what is left in the daemon of a secret that it has delivered, for whoever is root, or has its core. The files have 64
 * characters at random. Beside them the content key is looked for, and what is as good as it: the round keys of AES, of which two in a row
 * give it away, and the key stream, which is the difference between a secret and its ciphertext.
 */
#include "tests/unit/common/cmocka_all.h"

#include <byteswap.h>
#include <errno.h>
#include <glob.h>
#include <openssl/evp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "common/base/array.h"
#include "common/base/base64.h"
#include "common/base/file.h"
#include "common/sandbox/sandbox.h"
#include "device-plugin/seal/wrap.h"
#include "tests/support/remnants.h"
#include "tests/tpm/round_keys.h"
#include "tests/tpm/serving.h"

#define CONTENT_SIZE 64

static struct serving serving;
static struct remnants *remnants;

static int set_up(void **state)
{
	serving_make(&serving);
	serving.health_interval = "1h"; /* whatever else the TPM's thread does would go over what it leaves */
	remnants = remnants_new(stdout);
	assert_non_null(remnants);
	return chdir(serving.directory); /* where a core would be */
}

static int tear_down(void **state)
{
	remnants_free(remnants);
	assert_return_code(chdir("/"), errno);
	serving_remove(&serving);
	return 0;
}

/* ── what is looked for ── */

static void look_for(const char *name, const void *bytes, size_t n)
{
	struct error err;

	if (remnants_add(remnants, name, slice_from(bytes, n), &err) < 0)
		fail_msg("%s", err.message);
}

/* In the order of bytes, and as words of this machine. */
static void look_for_round_keys(const uint8_t *key)
{
	uint32_t words[ROUND_KEYS_SIZE / 4];

	round_keys(key, (uint8_t *)words);
	look_for("round keys", words, sizeof(words));
	for (size_t i = 0; i < ELEMENTS_OF(words); i++)
		words[i] = bswap_32(words[i]);
	look_for("round keys", words, sizeof(words));
}

/* What stands behind `key: ` in the manifest. */
static void read_field(const char *key, uint8_t *ret, size_t n)
{
	_cleanup_(secret_free) struct secret bytes = {};
	char command[256], text[512];
	struct error err;

	snprintf(command, sizeof(command), "sed -n 's/^  %s: \"\\(.*\\)\"/\\1/p' %s/manifests/secret-db.yaml", key, serving.directory);
	software_tpm_tool(&serving.tpm, command, text, sizeof(text));
	assert_int_equal(base64_decode(slice_string(text), &bytes, &err), 0);
	assert_true(bytes.n >= n);
	memcpy(ret, bytes.p, n);
}

/* GCM is counter mode, and the first block of the text has the number 2. That the ciphertext comes out shows that we know what to look for.
 */
static void look_for_key_stream(const uint8_t *key, const char *content)
{
	uint8_t counter[16] = { [15] = 2 }, data[CONTENT_SIZE], stream[CONTENT_SIZE] = {};
	EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
	int n;

	read_field("nonce", counter, 12);
	read_field("data", data, CONTENT_SIZE);
	assert_int_equal(EVP_EncryptInit_ex2(context, EVP_aes_256_ctr(), key, counter, NULL), 1);
	assert_int_equal(EVP_EncryptUpdate(context, stream, &n, stream, CONTENT_SIZE), 1);
	EVP_CIPHER_CTX_free(context);
	for (size_t i = 0; i < CONTENT_SIZE; i++)
		assert_int_equal(stream[i], data[i] ^ content[i]);
	look_for("key stream", stream, sizeof(stream));
}

/* As the TPM gives it out, which serves one at a time: while no daemon runs. */
static void read_key(uint8_t *ret)
{
	char command[512], text[2 * WRAP_KEY_SIZE + 2];

	snprintf(command, sizeof(command),
		 "%s/tests/support/unseal %s %s/state " SERVING_NODE " <%s/manifests/secret-db.yaml | sed -n 's/^key //p'",
		 getenv("HOLDFAST_BUILD"), serving.tpm.tcti, serving.directory, serving.directory);
	software_tpm_tool(&serving.tpm, command, text, sizeof(text));
	for (size_t i = 0; i < WRAP_KEY_SIZE; i++)
		assert_int_equal(sscanf(text + 2 * i, "%2hhx", &ret[i]), 1);
}

static char content[CONTENT_SIZE + 1];

/* Sealed, and looked for. */
static void make_secret(unsigned version)
{
	_cleanup_(buf_free) struct buf text = BUF_MAX(256);
	uint8_t random[CONTENT_SIZE / 4 * 3], key[WRAP_KEY_SIZE];
	char options[64];

	assert_int_equal(getrandom(random, sizeof(random), 0), sizeof(random));
	base64_encode(slice_from(random, sizeof(random)), &text);
	memcpy(content, buf_text(&text), CONTENT_SIZE);
	snprintf(options, sizeof(options), "--allow shop/web --version %u", version);
	serving_seal(&serving, "db", content, options);
	look_for("content", content, CONTENT_SIZE);
	read_key(key);
	look_for_round_keys(key);
	look_for_key_stream(key, content);
	look_for("content key", key, sizeof(key));
}

/* FIPS 197, appendix A.3. */
static void round_keys_are_those_of_the_standard(void **state)
{
	static const uint8_t key[WRAP_KEY_SIZE] = {
		0x60, 0x3d, 0xeb, 0x10, 0x15, 0xca, 0x71, 0xbe, 0x2b, 0x73, 0xae, 0xf0, 0x85, 0x7d, 0x77, 0x81,
		0x1f, 0x35, 0x2c, 0x07, 0x3b, 0x61, 0x08, 0xd7, 0x2d, 0x98, 0x10, 0xa3, 0x09, 0x14, 0xdf, 0xf4,
	};
	static const uint8_t last[] = { 0xfe, 0x48, 0x90, 0xd1, 0xe6, 0x18, 0x8d, 0x0b, 0x04, 0x6d, 0xf3, 0x44, 0x70, 0x6c, 0x63, 0x1e };
	uint8_t all[ROUND_KEYS_SIZE];

	round_keys(key, all);
	assert_memory_equal(all + sizeof(all) - sizeof(last), last, sizeof(last));
}

/* ── what is found ── */

static size_t count_remnants(void)
{
	size_t found = 0;
	struct error err;

	if (remnants_in_process(remnants, serving.daemon, &found, &err) < 0)
		fail_msg("%s", err.message);
	return found;
}

static void let_pass(uint64_t ms)
{
	uint64_t until_ns = uv_hrtime() + ms * 1000000;

	SERVING_WAIT(&serving, uv_hrtime() >= until_ns);
}

static const char *deliver(const char *settings)
{
	serving.extra = settings;
	serving_pod(&serving, "shop", "web", "web", NULL);
	const char *device = serving_give(&serving, "shop", "web", "db", 0);
	serving_start(&serving);
	serving_wait_offered(&serving, "db", 16);
	serving_hands_out(&serving, "db", device);
	serving_reads(&serving, "db", device, "value", content);
	return device;
}

/* Between the manifests and another place. */
static void move_manifest(const char *from, const char *to)
{
	char old[128], new[128];

	snprintf(old, sizeof(old), "%s/%s", serving.directory, from);
	snprintf(new, sizeof(new), "%s/%s", serving.directory, to);
	assert_return_code(rename(old, new), errno);
}

static void nothing_is_left_of_a_secret_a_second_after_it_was_delivered_or_rotated(void **state)
{
	char second[sizeof(content)];

	make_secret(2);
	memcpy(second, content, sizeof(content));
	move_manifest("manifests/secret-db.yaml", "second.yaml");
	make_secret(1);
	const char *device = deliver("  reuse: 0s\n");
	let_pass(1000);
	assert_int_equal(count_remnants(), 0);
	move_manifest("second.yaml", "manifests/secret-db.yaml");
	serving_wait_reads(&serving, "db", device, "value", second);
	let_pass(1000);
	assert_int_equal(count_remnants(), 0);
	look_for("device", device, strlen(device));
	assert_true(count_remnants() > 0); /* the search finds what is there */
}

static void a_key_that_may_serve_others_is_in_one_place_and_a_second_after_that_nowhere(void **state)
{
	make_secret(1);
	deliver(NULL);
	assert_int_equal(count_remnants(), 1);
	let_pass(6000);
	assert_int_equal(count_remnants(), 0);
}

/* ── cores ── */

/* Random bytes that only this process has, but for who reads the other end of the pipe. */
static void plant(uint8_t *to, int pipe)
{
	if (getrandom(to, CONTENT_SIZE, 0) != CONTENT_SIZE || write(pipe, to, CONTENT_SIZE) != CONTENT_SIZE)
		_exit(1);
}

static bool allow_cores(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_CORE, &limit) < 0)
		return false;
	limit.rlim_cur = limit.rlim_max;
	return setrlimit(RLIMIT_CORE, &limit) == 0;
}

/* As the daemon, but dumpable: has bytes on the heap, and bytes in memory for secrets. */
static void crash(int pipe, int number)
{
	uint8_t *plain = malloc(CONTENT_SIZE);
	struct secret secret = {};
	struct error err;

	if (!plain || !allow_cores() || secret_make(CONTENT_SIZE, &secret, &err) < 0)
		_exit(1);
	plant(plain, pipe);
	plant(secret.p, pipe);
	signal(number, SIG_DFL); /* cmocka has its own */
	raise(number);
	_exit(1);
}

static pid_t begin_to_crash(int number, int *ret_pipe)
{
	int ends[2];

	assert_return_code(pipe(ends), errno);
	fflush(stdout);
	pid_t child = fork();
	assert_return_code(child, errno);
	if (child == 0)
		crash(ends[1], number);
	close(ends[1]);
	*ret_pipe = ends[0];
	return child;
}

/* What the kernel says: also of a core that a program takes (core_pattern). */
static bool has_left_core(pid_t pid, int number)
{
	int status;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), number);
	return WCOREDUMP(status);
}

/* Ends the test where no process leaves a core. */
static void need_cores(bool there_is_one)
{
	if (there_is_one)
		return;
	print_message("# no process leaves a core here: look at kernel.core_pattern and `ulimit -Hc`\n");
	skip();
}

/* The path of one that is a file in our directory; false: a program has it, or it is elsewhere. */
static bool find_core(char *ret, size_t size)
{
	glob_t found = {};
	char pattern[128];

	snprintf(pattern, sizeof(pattern), "%s/core*", serving.directory);
	bool is_there = glob(pattern, 0, NULL, &found) == 0;
	if (is_there)
		snprintf(ret, size, "%s", found.gl_pathv[0]);
	globfree(&found);
	return is_there;
}

static bool is_in_core(int pipe, const char *path)
{
	_cleanup_(remnants_freep) struct remnants *planted = remnants_new(NULL);
	uint8_t bytes[CONTENT_SIZE];
	size_t found = 0;
	struct error err;

	assert_int_equal(read(pipe, bytes, sizeof(bytes)), sizeof(bytes));
	assert_int_equal(remnants_add(planted, "planted", slice_from(bytes, sizeof(bytes)), &err), 0);
	if (remnants_in_files(planted, path, &found, &err) < 0)
		fail_msg("%s", err.message);
	return found > 0;
}

static void memory_for_secrets_is_in_no_core_of_a_process_that_leaves_one(void **state)
{
	_cleanup_close_ int pipe = -1;
	char core[256];

	need_cores(has_left_core(begin_to_crash(SIGSEGV, &pipe), SIGSEGV));
	if (!find_core(core, sizeof(core)))
		skip();
	assert_true(is_in_core(pipe, core));
	assert_false(is_in_core(pipe, core));
}

static void must_leave_no_core(int number)
{
	const struct rlimit limit = { RLIM_INFINITY, RLIM_INFINITY };
	char core[256];

	make_secret(1);
	deliver("  reuse: 60s\n");
	assert_int_equal(count_remnants(), 1);
	if (prlimit(serving.daemon, RLIMIT_CORE, &limit, NULL) < 0) /* test_sandbox shows that being not dumpable is enough */
		print_message("# without CAP_SYS_RESOURCE its limit is 0 too\n");
	assert_return_code(kill(serving.daemon, number), errno);
	pid_t daemon = serving.daemon;
	serving.daemon = 0;
	assert_false(has_left_core(daemon, number));
	assert_false(find_core(core, sizeof(core)));
}

/* Whatever limit it has: the kernel makes none of a process that is not dumpable. */
static void must_leave_no_core_where_another_does(int number)
{
	_cleanup_close_ int pipe = -1;
	char core[256];

	need_cores(has_left_core(begin_to_crash(number, &pipe), number));
	if (find_core(core, sizeof(core)))
		assert_return_code(unlink(core), errno);
	must_leave_no_core(number);
}

static void a_daemon_that_crashes_leaves_no_core_where_another_process_leaves_one(void **state)
{
	must_leave_no_core_where_another_does(SIGSEGV);
}

static void a_daemon_that_aborts_leaves_no_core_where_another_process_leaves_one(void **state)
{
	must_leave_no_core_where_another_does(SIGABRT);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(round_keys_are_those_of_the_standard),
		TEST(nothing_is_left_of_a_secret_a_second_after_it_was_delivered_or_rotated),
		TEST(a_key_that_may_serve_others_is_in_one_place_and_a_second_after_that_nowhere),
		TEST(memory_for_secrets_is_in_no_core_of_a_process_that_leaves_one),
		TEST(a_daemon_that_crashes_leaves_no_core_where_another_process_leaves_one),
		TEST(a_daemon_that_aborts_leaves_no_core_where_another_process_leaves_one),
	};

	if (!sandbox_is_complete()) {
		puts("a build with a sanitizer can be dumped, and has memory of its own");
		return 77;
	}
	serving_isolate();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
