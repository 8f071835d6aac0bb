// SPDX-License-Identifier: Apache-2.0
#include "kata-shim/cli/arguments.h"

#include <errno.h>
#include <string.h>

#include "common/base/array.h"
#include "common/base/show.h"

struct flag_row {
	const char *name;
	size_t text; /* offset of a const char * in struct arguments; 0: of no interest */
	bool is_truth;
	size_t truth;       /* offset of its bool; 0: … */
	enum action action; /* … it asks for something, or is of no interest */
};

#define FIELD(field) offsetof(struct arguments, field)

static const struct flag_row flag_rows[] = {
	{ "id", FIELD(id) },
	{ "namespace", FIELD(namespace) },
	{ "bundle", FIELD(bundle) },
	{ "publish-binary", FIELD(containerd) },
	{ "address" },
	{ "socket" },
	{ "debug-socket" },
	{ "v", .is_truth = true, .action = ACTION_VERSION },
	{ "version", .is_truth = true, .action = ACTION_VERSION },
	{ "info", .is_truth = true, .action = ACTION_INFO },
	{ "debug", .is_truth = true, .truth = FIELD(debug) },
};

struct flag {
	struct slice name;
	const char *value; /* behind '='; NULL: none */
};

static bool read_flag(const char *word, struct flag *ret)
{
	if (word[0] != '-' || !word[1])
		return false;
	word += word[1] == '-' ? 2 : 1;
	const size_t n = strcspn(word, "=");
	*ret = (struct flag){ slice_from(word, n), word[n] ? word + n + 1 : NULL };
	return n > 0;
}

static const struct flag_row *find_row(struct slice name)
{
	for (size_t i = 0; i < ELEMENTS_OF(flag_rows); i++) {
		if (slice_equals_string(name, flag_rows[i].name))
			return &flag_rows[i];
	}
	return NULL;
}

/* As strconv.ParseBool, of which the rest is an error to Go too. */
static bool is_false(const char *value)
{
	static const char *const names[] = { "0", "f", "F", "false", "FALSE", "False" };

	for (size_t i = 0; value && i < ELEMENTS_OF(names); i++) {
		if (strcmp(value, names[i]) == 0)
			return true;
	}
	return false;
}

/* An unknown flag's value, if the next word can be one. */
static bool takes_next(int argc, char **argv, int at)
{
	return at + 2 < argc && argv[at + 1][0] != '-';
}

static void take_truth(const struct flag_row *row, bool truth, struct arguments *arguments)
{
	if (row->truth)
		*(bool *)((char *)arguments + row->truth) = truth;
	else if (row->action && truth)
		arguments->action = row->action;
}

static int take_flag(int argc, char **argv, int *at, const struct flag *flag, struct arguments *arguments, struct error *err)
{
	const struct flag_row *row = find_row(flag->name);

	if (!row) {
		*at += !flag->value && takes_next(argc, argv, *at);
		return 0;
	}
	if (row->is_truth) {
		take_truth(row, !is_false(flag->value), arguments);
		return 0;
	}
	const char *value = flag->value;
	if (!value && ++*at >= argc)
		return error_set(err, EINVAL, "flag -%s needs a value", row->name);
	if (!value)
		value = argv[*at];
	if (row->text)
		*(const char **)((char *)arguments + row->text) = value;
	return 0;
}

static int take_action(const char *word, struct arguments *arguments, struct error *err)
{
	if (arguments->action)
		return 0; /* -v and -info do what they do, whatever follows */
	if (strcmp(word, "start") == 0)
		arguments->action = ACTION_START;
	else if (strcmp(word, "delete") == 0)
		arguments->action = ACTION_DELETE;
	else
		return error_set(err, EINVAL, "\"%s\" is no action: containerd asks for start or delete", SHOW(slice_string(word)));
	return 0;
}

int arguments_read(int argc, char **argv, struct arguments *ret, struct error *err)
{
	struct arguments arguments = {};
	struct flag flag;
	int r = 0;
	int i = 1;

	for (; r == 0 && i < argc && strcmp(argv[i], "--") != 0 && read_flag(argv[i], &flag); i++)
		r = take_flag(argc, argv, &i, &flag, &arguments, err);
	i += i < argc && strcmp(argv[i], "--") == 0;
	if (r == 0 && i < argc)
		r = take_action(argv[i], &arguments, err);
	if (r == 0)
		*ret = arguments;
	return r;
}
