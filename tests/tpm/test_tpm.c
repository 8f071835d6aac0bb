// SPDX-License-Identifier: Apache-2.0
/* What is sealed in software is released by a real TPM, and only there, and only while the conditions hold; tpm2-tools are the witness. */
#include "tests/unit/common/cmocka_all.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "tests/tpm/sealing.h"

static struct software_tpm software;
static struct tpm *tpm;
static struct sealing sealing;

static void tool(const char *command)
{
	char out[8192];

	software_tpm_tool(&software, command, out, sizeof(out));
}

static int set_up(void **state)
{
	software_tpm_make(&software);
	tpm = sealing_open(&software);
	return 0;
}

static int tear_down(void **state)
{
	sealing_clear(&sealing);
	sealing = (struct sealing){ 0 };
	tpm_close(tpm);
	software_tpm_remove(&software);
	return 0;
}

/* tpm2-tools have the one connection that swtpm serves. */
static void with_tools(const char *command)
{
	tpm_close(TAKE_PTR(tpm));
	tool(command);
	tpm = sealing_open(&software);
}

static unsigned loaded(void)
{
	tpm_close(TAKE_PTR(tpm));
	unsigned n = software_tpm_loaded(&software);
	tpm = sealing_open(&software);
	return n;
}

static void refused(int code, const char *words)
{
	struct error err = { 0 };
	int r = sealing_unseal(&sealing, tpm, &err);

	if (r != -code || !strstr(err.message, words))
		fail_msg("%d: %s", r, err.message);
	assert_int_equal(loaded(), 0);
}

static void released(void)
{
	struct error err;

	if (sealing_unseal(&sealing, tpm, &err) < 0)
		fail_msg("%s", err.message);
	assert_int_equal(loaded(), 0);
}

static void enrolling_again_changes_nothing(void **state)
{
	struct node_key first = NODE_KEY_EMPTY, second = NODE_KEY_EMPTY;
	struct error err;

	assert_int_equal(tpm_enrol(tpm, &first, &err), 0);
	assert_int_equal(tpm_enrol(tpm, &second, &err), 0);
	assert_true(slice_equals(buf_view(&first.root_public), buf_view(&second.root_public)));
	assert_true(slice_equals(buf_view(&first.hold_public), buf_view(&second.hold_public)));
	assert_int_equal(first.hold_value, second.hold_value);
	assert_true(first.certificate.n > 500);
	assert_int_equal(loaded(), 0);
	node_key_clear(&first);
	node_key_clear(&second);
}

static void what_is_sealed_is_released(void **state)
{
	sealing_make(&sealing, tpm, NULL, 0);
	for (int i = 0; i < 5; i++)
		released();
}

static void an_rsa_root_key_that_is_there_is_used(void **state)
{
	with_tools(
		"cd /tmp && tpm2_createprimary -Q -C o -G rsa2048:aes128cfb -g sha256 -c rsa.ctx && tpm2_evictcontrol -Q -C o -c rsa.ctx "
		"0x81000001 && tpm2_flushcontext -t && rm rsa.ctx");
	sealing_make(&sealing, tpm, NULL, 0);
	assert_int_equal(sealing.node.root.type, TPM2_KEY_RSA);
	released();
}

static void a_foreign_key_at_the_handle_is_left_alone(void **state)
{
	struct node_key key = NODE_KEY_EMPTY;
	struct error err;

	with_tools(
		"cd /tmp && tpm2_createprimary -Q -C o -G ecc256:null -g sha256 -a "
		"'sign|fixedtpm|fixedparent|sensitivedataorigin|userwithauth' -c f.ctx && tpm2_evictcontrol -Q -C o -c f.ctx 0x81000001 && "
		"tpm2_flushcontext -t && rm f.ctx");
	assert_int_equal(tpm_enrol(tpm, &key, &err), -EINVAL);
	assert_non_null(strstr(err.message, "is no storage key"));
	node_key_clear(&key);
}

static void a_foreign_index_in_the_counters_place_is_left_alone(void **state)
{
	struct node_key key = NODE_KEY_EMPTY;
	struct error err;

	with_tools("tpm2_nvdefine -Q 0x01800048 -C o -s 8 -a 'ownerread|ownerwrite' && printf 12345678 | tpm2_nvwrite -Q -C o -i - "
		   "0x01800048");
	assert_int_equal(tpm_enrol(tpm, &key, &err), -EEXIST);
	assert_non_null(strstr(err.message, "tpm2_nvundefine 0x01800048"));
	with_tools("test \"$(tpm2_nvread -C o 0x01800048)\" = 12345678");
	node_key_clear(&key);
}

static void revoking_makes_everything_sealed_before_useless_and_sealing_again_arms_it(void **state)
{
	uint64_t before, after;
	struct error err;

	sealing_make(&sealing, tpm, NULL, 0);
	before = sealing.node.hold_value;
	assert_int_equal(tpm_revoke(tpm, &after, &err), 0);
	assert_int_equal(after, before + 1);
	refused(EACCES, "holdfast-tpm revoke");
	sealing_clear(&sealing);
	sealing_make(&sealing, tpm, NULL, 0);
	released();
}

static void a_counter_that_is_deleted_and_made_again_brings_nothing_back(void **state)
{
	struct node_key key = NODE_KEY_EMPTY;
	struct error err;

	sealing_make(&sealing, tpm, NULL, 0);
	with_tools("tpm2_nvundefine -Q 0x01800048");
	assert_int_equal(tpm_enrol(tpm, &key, &err), 0);
	assert_true(key.hold_value > sealing.node.hold_value);
	refused(EACCES, "hold");
	node_key_clear(&key);
}

static void a_stolen_disk_is_of_no_use_to_another_tpm(void **state)
{
	struct software_tpm other;
	struct node_key key = NODE_KEY_EMPTY;
	struct error err;

	sealing_make(&sealing, tpm, NULL, 0);
	tpm_close(TAKE_PTR(tpm));
	software_tpm_make_other(&other);
	tpm = sealing_open(&other);
	assert_int_equal(tpm_enrol(tpm, &key, &err), 0);
	assert_int_equal(sealing_unseal(&sealing, tpm, &err), -ESTALE);
	assert_non_null(strstr(err.message, "another TPM"));
	sealing.what.root = key.root.name; /* and if the pinned name is changed with it */
	assert_int_equal(sealing_unseal(&sealing, tpm, &err), -EBADMSG);
	node_key_clear(&key);
	tpm_close(TAKE_PTR(tpm));
	software_tpm_remove(&other);
	tpm = sealing_open(&software);
}

static void a_cleared_tpm_says_so(void **state)
{
	sealing_make(&sealing, tpm, NULL, 0);
	with_tools("tpm2_clear -Q -c p");
	refused(ESTALE, "it was cleared");
}

static void damage_every_byte(const char *part, const struct buf *bytes)
{
	for (size_t at = 0; at < bytes->n; at++) {
		struct error err = { 0 };

		bytes->p[at] ^= 1;
		if (sealing_unseal(&sealing, tpm, &err) == 0 || !*err.message)
			fail_msg("byte %zu of %s is wrong, and it opened", at, part);
		bytes->p[at] ^= 1;
	}
}

static void a_wrap_with_any_byte_damaged_is_refused(void **state)
{
	sealing_make(&sealing, tpm, NULL, 0);
	damage_every_byte("public", &sealing.wrap.public);
	damage_every_byte("private", &sealing.wrap.private);
	damage_every_byte("seed", &sealing.wrap.seed);
	released();
	with_tools("tpm2_getcap properties-variable | grep -q 'TPM2_PT_LOCKOUT_COUNTER: 0x0$'");
}

/* PCR 16 is the one that anybody may reset (debug); 23 is for applications. */
static void pcr_condition(char *text, size_t size)
{
	uint8_t values[POLICY_PCRS][TPM2_DIGEST_SIZE];
	struct error err;
	int n = snprintf(text, size, "{\"type\":\"pcr\",\"pcrs\":[16,23],\"values\":[\"");

	assert_int_equal(tpm_read_pcrs(tpm, (struct policy_pcrs){ 1u << 16 | 1u << 23 }, values, &err), 0);
	for (size_t i = 0; i < TPM2_DIGEST_SIZE; i++)
		n += snprintf(text + n, size - (size_t)n, "%02x", values[16][i]);
	n += snprintf(text + n, size - (size_t)n, "\",\"");
	for (size_t i = 0; i < TPM2_DIGEST_SIZE; i++)
		n += snprintf(text + n, size - (size_t)n, "%02x", values[23][i]);
	snprintf(text + n, size - (size_t)n, "\"]}");
}

#define EXTEND(pcr, digit) "tpm2_pcrextend " #pcr ":sha256=$(printf '" #digit "%.0s' $(seq 64))"

static void pcr_values_that_change_keep_the_secret(void **state)
{
	char text[512];
	const char *texts[] = { text };

	with_tools(EXTEND(16, 1));
	pcr_condition(text, sizeof(text));
	sealing_make(&sealing, tpm, texts, 1);
	released();
	with_tools(EXTEND(23, 2));
	refused(EACCES, "the PCRs have other values");
}

/* What ukify and systemd-measure do: the policy of the PCRs is signed. */
static const char sign[] =
	"set -e; cd %s; openssl genrsa -out key.pem 2048 2>/dev/null; openssl rsa -in key.pem -pubout -out public.pem 2>/dev/null; "
	"tpm2_pcrread -Q sha256:16 -o values; tpm2_startauthsession -Q -S s.ctx; tpm2_policypcr -Q -S s.ctx -l sha256:16 -L pol; "
	"tpm2_flushcontext s.ctx; printf '{\"sha256\":[{\"pcrs\":[16],\"pkfp\":\"\",\"pol\":\"%%s\",\"sig\":\"%%s\"}]}' "
	"$(xxd -p -c 64 pol) $(openssl dgst -sha256 -sign key.pem pol | base64 -w0) > signature.json";

static void a_signed_policy_releases_what_its_signer_allows(void **state)
{
	char command[1024], path[128], pem[4096], text[8192], *at = text;
	const char *texts[] = { text };

	with_tools(EXTEND(16, 1));
	snprintf(command, sizeof(command), sign, software.directory);
	with_tools(command);
	snprintf(path, sizeof(path), "%s/public.pem", software.directory);
	FILE *file = fopen(path, "r");
	pem[fread(pem, 1, sizeof(pem) - 1, file)] = 0;
	fclose(file);
	at += sprintf(at, "{\"type\":\"signed-pcr\",\"pcrs\":[16],\"key\":\"");
	for (const char *c = pem; *c; c++)
		at += sprintf(at, *c == '\n' ? "\\n" : "%c", *c);
	sprintf(at, "\"}");
	sealing_make(&sealing, tpm, texts, 1);
	refused(ENOENT, "/nonexistent");
	snprintf(path, sizeof(path), "%s/signature.json", software.directory);
	sealing.what.signatures = path;
	released();
	with_tools(EXTEND(16, 2));
	refused(EACCES, "has no signature for what the PCRs say now");
	with_tools("tpm2_pcrreset 16");
	refused(EACCES, "nothing was measured");
}

static void write_file(const char *name, const struct buf *bytes)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", software.directory, name);
	FILE *file = fopen(path, "w");
	assert_int_equal(fwrite(bytes->p, 1, bytes->n, file), bytes->n);
	fclose(file);
}

/* An independent implementation takes our object and our policy. */
static void tpm2_tools_open_what_we_sealed(void **state)
{
	char command[1024], out[4096];

	sealing_make(&sealing, tpm, NULL, 0);
	write_file("o.pub", &sealing.wrap.public);
	write_file("o.dup", &sealing.wrap.private);
	write_file("o.seed", &sealing.wrap.seed);
	tpm_close(TAKE_PTR(tpm));
	snprintf(command, sizeof(command),
		 "set -e; cd %s; tpm2_import -Q -C 0x81000001 -u o.pub -i o.dup -s o.seed -r o.prv; tpm2_flushcontext -t; "
		 "tpm2_load -Q -C 0x81000001 -u o.pub -r o.prv -c o.ctx; tpm2_flushcontext -t; tpm2_startauthsession -Q --policy-session "
		 "-S s.ctx; "
		 "tpm2_nvread -Q 0x01800048 -o value 2>/dev/null; tpm2_policynv -Q -S s.ctx -i value 0x01800048 eq; "
		 "tpm2_unseal -c o.ctx -p session:s.ctx; tpm2_flushcontext s.ctx",
		 software.directory);
	software_tpm_tool(&software, command, out, sizeof(out));
	assert_memory_equal(out, sealing_key, WRAP_KEY_SIZE);
	tpm = sealing_open(&software);
}

/* The counter of failed authorizations is the whole TPM's, and full means that nothing is released any more. */
static void a_secret_that_names_another_index_is_refused_before_the_tpm_counts_a_failure(void **state)
{
	sealing_make(&sealing, tpm, NULL, 0);
	with_tools("tpm2_nvdefine -Q 0x01800049 -C o -s 8 -p other -a 'authread|authwrite|ownerread|ownerwrite' && printf 12345678 | "
		   "tpm2_nvwrite -Q -C o -i - 0x01800049");
	sealing.conditions[0].hold.index = 0x01800049;
	refused(EINVAL, "names NV index 0x01800049");
	with_tools("tpm2_getcap properties-variable | grep -q 'TPM2_PT_LOCKOUT_COUNTER: 0x0$'");
}

static void the_tpm_says_who_made_it_and_whether_it_is_locked_out(void **state)
{
	struct tpm_description description;
	struct error err;

	assert_int_equal(tpm_describe(tpm, &description, &err), 0);
	assert_string_equal(description.manufacturer, "IBM");
	assert_string_equal(description.model, "SW   TPM");
	assert_true(strchr(description.firmware, '.'));
	assert_false(description.locked_out);
	assert_int_equal(description.failed_tries, 0);
	assert_true(description.maximum_tries > 0);
	with_tools("tpm2_dictionarylockout -Q --setup-parameters --max-tries=1 --recovery-time=60 --lockout-recovery-time=60 && "
		   "tpm2_nvdefine -Q 0x01800049 -C o -s 8 -p other -a 'authread|authwrite' && "
		   "! tpm2_nvread -Q -C 0x01800049 -P wrong 0x01800049");
	assert_int_equal(tpm_describe(tpm, &description, &err), 0);
	assert_true(description.locked_out);
	assert_int_equal(description.failed_tries, 1);
	assert_int_equal(description.maximum_tries, 1);
	assert_int_equal(description.forgets_try_s, 60);
	assert_int_equal(loaded(), 0);
}

static void where_no_tpm_is_the_error_says_so(void **state)
{
	struct tpm *other = NULL;
	struct error err;

	assert_int_equal(tpm_open("swtpm:host=127.0.0.1,port=1", &other, &err), -ENODEV);
	assert_non_null(strstr(err.message, "there is no TPM at \"swtpm:host=127.0.0.1,port=1\""));
	assert_int_equal(tpm_open("mssim:host=127.0.0.1", &other, &err), -ENODEV);
	assert_non_null(strstr(err.message, "there is no TPM at \"mssim:host=127.0.0.1\": give it as \"device:/dev/tpmrm0\" or"));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(enrolling_again_changes_nothing),
		TEST(what_is_sealed_is_released),
		TEST(an_rsa_root_key_that_is_there_is_used),
		TEST(a_foreign_key_at_the_handle_is_left_alone),
		TEST(a_foreign_index_in_the_counters_place_is_left_alone),
		TEST(revoking_makes_everything_sealed_before_useless_and_sealing_again_arms_it),
		TEST(a_counter_that_is_deleted_and_made_again_brings_nothing_back),
		TEST(a_stolen_disk_is_of_no_use_to_another_tpm),
		TEST(a_cleared_tpm_says_so),
		TEST(a_wrap_with_any_byte_damaged_is_refused),
		TEST(pcr_values_that_change_keep_the_secret),
		TEST(a_signed_policy_releases_what_its_signer_allows),
		TEST(tpm2_tools_open_what_we_sealed),
		TEST(a_secret_that_names_another_index_is_refused_before_the_tpm_counts_a_failure),
		TEST(the_tpm_says_who_made_it_and_whether_it_is_locked_out),
		TEST(where_no_tpm_is_the_error_says_so),
	};

	software_tpm_isolate();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
