// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/common/cmocka_all.h"

#include <errno.h>

#include "common/base/array.h"
#include "tests/unit/seal/sealed.h"

static char *print(const struct envelope *envelope)
{
	struct buf out = BUF_MAX(ENVELOPE_MANIFEST_MAX);

	envelope_print_manifest(envelope, &out);
	char *text = buf_take_text(&out);
	assert_non_null(text);
	return text;
}

static void what_is_sealed_can_be_read_and_opened(void **state)
{
	_cleanup_(envelope_freep) struct envelope *made = sealed_make(), *read = NULL;
	_cleanup_free_ char *text = print(made), *again = NULL;
	_cleanup_(secret_free) struct secret content = {};
	struct error err;

	if (sealed_read(text, &read, &err) < 0)
		fail_msg("%s", err.message);
	again = print(read);
	assert_string_equal(again, text);
	assert_int_equal(envelope_open(read, sealed_key, &content, &err), 0);
	assert_true(slice_equals_string(slice_from(content.p, content.n), SEALED_CONTENT));
	assert_int_equal(read->files[1].mode, 0444);
	assert_non_null(envelope_find_recipient(read, "edge-2"));
	assert_null(envelope_find_recipient(read, "edge-3"));
}

static void nothing_of_the_content_is_in_the_manifest(void **state)
{
	_cleanup_(envelope_freep) struct envelope *made = sealed_make();
	_cleanup_free_ char *text = print(made);

	assert_null(strstr(text, "s3cret"));
	assert_null(strstr(text, "content key"));
}

static void another_key_opens_nothing(void **state)
{
	_cleanup_(envelope_freep) struct envelope *made = sealed_make();
	_cleanup_(secret_free) struct secret content = {};
	uint8_t key[WRAP_KEY_SIZE];
	struct error err;

	memcpy(key, sealed_key, sizeof(key));
	key[31] ^= 1;
	assert_int_equal(envelope_open(made, key, &content, &err), -EBADMSG);
	assert_null(content.p);
}

static struct envelope *read_changed(const char *text, const char *from, const char *to)
{
	_cleanup_(buf_free) struct buf changed = BUF_MAX(ENVELOPE_MANIFEST_MAX);
	const char *at = strstr(text, from);
	struct envelope *read = NULL;
	struct error err;

	if (!at)
		fail_msg("not in the manifest: %s", from);
	buf_append(&changed, text, (size_t)(at - text));
	buf_string(&changed, to);
	buf_string(&changed, at + strlen(from));
	if (sealed_read(buf_text(&changed), &read, &err) < 0)
		fail_msg("%s: %s", to, err.message);
	return read;
}

static void an_api_server_may_give_labels_back_in_another_order(void **state)
{
	_cleanup_(envelope_freep) struct envelope *made = sealed_make(), *read = NULL;
	_cleanup_(secret_free) struct secret content = {};
	_cleanup_free_ char *text = print(made);
	struct error err;

	read = read_changed(text, "{\"a.b/tier\":\"back\",\"app\":\"db\"}", "{\"app\":\"db\",\"a.b/tier\":\"back\"}");
	if (envelope_open(read, sealed_key, &content, &err) < 0)
		fail_msg("%s", err.message);
}

/* Each of these is well-formed, and would give the secret to somebody else or in another way. */
static void whoever_changes_a_rule_makes_the_secret_useless(void **state)
{
	static const char *const changes[][2] = {
		{ "name: \"db-password\"", "name: \"db-passwort\"" },
		{ "version: \"3\"", "version: \"4\"" },
		{ "sandbox: \"vm\"", "sandbox: \"any\"" },
		{ "\"name\":\"password\"", "\"name\":\"passwort\"" },
		{ "\"mode\":\"0400\"", "\"mode\":\"0444\"" },
		{ "\"uid\":1000", "\"uid\":1001" },
		{ "\"gid\":1000", "\"gid\":1001" },
		{ "\"namespace\":\"shop\"", "\"namespace\":\"evil\"" },
		{ "\"serviceAccount\":\"db\"", "\"serviceAccount\":\"*\"" },
		{ ",\"labels\":{\"a.b/tier\":\"back\",\"app\":\"db\"}", "" },
		{ ",\"app\":\"db\"", "" },
		{ "\"app\":\"db\"", "\"app\":\"me\"" },
		{ "  - {\"namespace\":\"ops\",\"serviceAccount\":\"*\"}\n", "" },
		{ "\"node\":\"edge-1\"", "\"node\":\"evil-1\"" },
	};
	_cleanup_(envelope_freep) struct envelope *made = sealed_make();
	_cleanup_free_ char *text = print(made);

	for (size_t i = 0; i < ELEMENTS_OF(changes); i++) {
		_cleanup_(envelope_freep) struct envelope *read = read_changed(text, changes[i][0], changes[i][1]);
		_cleanup_(secret_free) struct secret content = {};
		struct error err;

		if (envelope_open(read, sealed_key, &content, &err) != -EBADMSG)
			fail_msg("opened with %s", changes[i][1]);
	}
}

/* It is refused when it is read, or does not open, or nothing has changed but what YAML does not mean. */
static void damaged(char *text, char *at, uint8_t flip)
{
	_cleanup_(envelope_freep) struct envelope *read = NULL;
	_cleanup_(secret_free) struct secret content = {};
	_cleanup_free_ char *again = NULL;
	struct error err;

	*at ^= (char)flip;
	bool opened = sealed_read(text, &read, &err) == 0 && read && envelope_open(read, sealed_key, &content, &err) == 0;
	*at ^= (char)flip;
	if (!opened)
		return;
	again = print(read);
	assert_string_equal(again, text);
}

static void no_damaged_byte_goes_unnoticed(void **state)
{
	static const uint8_t flips[] = { 0x01, 0x20, 0x80 };
	_cleanup_(envelope_freep) struct envelope *made = sealed_make();
	_cleanup_free_ char *text = print(made);

	for (char *at = strstr(text, "metadata:"); *at; at++) {
		for (size_t i = 0; i < ELEMENTS_OF(flips); i++)
			damaged(text, at, flips[i]);
	}
}

static void refused(const char *from, const char *to, const char *words)
{
	_cleanup_(envelope_freep) struct envelope *made = sealed_make(), *read = NULL;
	_cleanup_(buf_free) struct buf changed = BUF_MAX(ENVELOPE_MANIFEST_MAX);
	_cleanup_free_ char *text = print(made);
	const char *at = strstr(text, from);
	struct error err;

	assert_non_null(at);
	buf_append(&changed, text, (size_t)(at - text));
	buf_string(&changed, to);
	buf_string(&changed, at + strlen(from));
	assert_int_equal(sealed_read(buf_text(&changed), &read, &err), -EINVAL);
	if (!strstr(err.message, words))
		fail_msg("\"%s\" does not say \"%s\"", err.message, words);
}

static void what_is_malformed_is_refused_with_its_place(void **state)
{
	refused("\"name\":\"password\"", "\"name\":\"../passwd\"", "spec.files[0].name: \"../passwd\" is no file name");
	refused("\"name\":\"password\"", "\"name\":\"..data\"", "must not begin with \"..\"");
	refused("\"name\":\"tls.crt\"", "\"name\":\"password\"", "spec.files[1]: file \"password\" is there twice");
	refused("\"mode\":\"0400\"", "\"mode\":\"4755\"", "spec.files[0].mode");
	refused("\"size\":6", "\"size\":7", "spec.data: has 33 bytes; the files and the tag have 34");
	refused("\"namespace\":\"shop\"", "\"namespace\":\"Shop\"", "spec.allow[0].namespace");
	refused("\"node\":\"edge-2\"", "\"node\":\"edge-1\"", "spec.recipients[1]: node \"edge-1\" is there twice");
	refused("\"type\":\"hold\"", "\"type\":\"prayer\"", "\"prayer\" is no release condition that this version of Holdfast knows");
	refused("\"value\":\"7\"", "\"value\":\"8\"", "another policy than its release conditions say");
	refused("\"value\":\"7\"", "\"value\":\"0\"", "spec.recipients[0].release[0].value");
	refused("sandbox: \"vm\"", "sandbox: \"none\"", "\"none\" is no sandbox requirement");
	refused("sandbox: \"vm\"", "sandbox: \"vm\"\n  extra: 1", "unknown key \"extra\"");
	refused("version: \"3\"", "version: 3", "spec.version");
}

static void a_secret_without_rules_or_files_is_refused(void **state)
{
	_cleanup_(envelope_freep) struct envelope *read = NULL;
	struct error err;

	assert_int_equal(sealed_read("apiVersion: tpm.holdfast/v1alpha1\nkind: TPMSecret\nmetadata: {name: a}\n"
				     "spec: {version: \"1\", sandbox: any, files: [], allow: [], recipients: [], nonce: a, data: a}\n",
				     &read, &err),
			 -EINVAL);
	assert_non_null(strstr(err.message, "spec.files: is empty"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_sealed_can_be_read_and_opened),
		cmocka_unit_test(nothing_of_the_content_is_in_the_manifest),
		cmocka_unit_test(another_key_opens_nothing),
		cmocka_unit_test(an_api_server_may_give_labels_back_in_another_order),
		cmocka_unit_test(whoever_changes_a_rule_makes_the_secret_useless),
		cmocka_unit_test(no_damaged_byte_goes_unnoticed),
		cmocka_unit_test(what_is_malformed_is_refused_with_its_place),
		cmocka_unit_test(a_secret_without_rules_or_files_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
