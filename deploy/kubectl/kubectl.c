// SPDX-License-Identifier: Apache-2.0
#include "deploy/kubectl/kubectl.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/show.h"
#include "common/config/config.h"

#define TIMEOUT_MS 15000
#define TIMEOUT_MAX_MS (60 * 60 * 1000)
#define SAID_MAX 300
#define EXIT_CODE_LINE "command terminated with exit code "

void kubectl_init(struct kubectl *kubectl)
{
	const char *program = getenv("KUBECTL");

	*kubectl = (struct kubectl){
		.program = program && *program ? program : "kubectl",
		.holdfast = KUBECTL_HOLDFAST_NAMESPACE,
		.timeout_ms = TIMEOUT_MS,
	};
}

void kubectl_clear(struct kubectl *kubectl)
{
	words_clear(&kubectl->passed);
}

static int take_timeout(struct kubectl *kubectl, const char *value, struct error *err)
{
	uint64_t ms;

	if (!config_parse_duration(value, &ms) || ms == 0 || ms > TIMEOUT_MAX_MS)
		return error_set(err, EINVAL, "--timeout: \"%s\" is no duration up to 1h: write 15s or 2m", SHOW(slice_string(value)));
	kubectl->timeout_ms = ms;
	return 1;
}

int kubectl_take(struct kubectl *kubectl, int option, const char *name, const char *value, struct error *err)
{
	if (option == KUBECTL_OPTION_TIMEOUT)
		return take_timeout(kubectl, value, err);
	if (option == KUBECTL_OPTION_PASSED)
		words_addf(&kubectl->passed, "--%s=%s", name, value);
	else if (option == KUBECTL_OPTION_HOLDFAST)
		kubectl->holdfast = value;
	else if (option == 'n')
		kubectl->namespace = value;
	else
		return 0;
	int r = words_check(&kubectl->passed, err);
	return r < 0 ? r : 1;
}

void kubectl_begin(const struct kubectl *kubectl, struct words *words, const char *const *begin)
{
	words_add(words, kubectl->program);
	if (kubectl->passed.n)
		words_add_all(words, kubectl->passed.items);
	words_add_all(words, begin);
}

void kubectl_begin_exec(const struct kubectl *kubectl, struct words *words, const char *pod, const char *container, bool with_input,
			const char *program)
{
	static const char *const plain[] = { "exec", NULL }, *const fed[] = { "exec", "-i", NULL };
	const char *const rest[] = { "-n", kubectl->holdfast, pod, "-c", container, "--", program, NULL };

	kubectl_begin(kubectl, words, with_input ? fed : plain);
	words_add_all(words, rest);
}

void kubectl_begin_get(const struct kubectl *kubectl, struct words *words, const char *const *what)
{
	static const char *const get[] = { "get", "-o", "json", NULL };

	kubectl_begin(kubectl, words, get);
	words_addf(words, "--request-timeout=%llus", (unsigned long long)(kubectl->timeout_ms + 999) / 1000);
	words_add_all(words, what);
}

/* The last line says what kubectl failed of; those before are warnings, or how it got there. */
static void last_line(const struct buf *errors, char ret[static SAID_MAX])
{
	struct slice text = buf_view(errors);

	while (text.n && (text.p[text.n - 1] == '\n' || text.p[text.n - 1] == ' '))
		text.n--;
	const char *newline = text.n ? memrchr(text.p, '\n', text.n) : NULL;
	if (newline)
		text = slice_from(newline + 1, text.n - (size_t)(newline + 1 - (const char *)text.p));
	show_sentence(text, ret, SAID_MAX);
}

/* kubectl's word for it that what it ran has ended with this exit code, and not kubectl itself. */
static bool says_exit_code(const struct child *child)
{
	return child->exit_code == 0 || strstr(buf_text(&child->errors), EXIT_CODE_LINE);
}

int kubectl_check(const struct kubectl *kubectl, const struct child *child, bool in_container, struct error *err)
{
	char said[SAID_MAX];

	switch (child->end) {
	case CHILD_NOT_STARTED:
		return error_errno(err, child->start_error, "cannot run \"%s\": put kubectl on the PATH, or name it in KUBECTL",
				   kubectl->program);
	case CHILD_TIMED_OUT:
		return error_set(err, ETIMEDOUT, "no answer within %llu s (--timeout)",
				 (unsigned long long)(kubectl->timeout_ms + 999) / 1000);
	case CHILD_SAID_TOO_MUCH:
		return error_set(err, E2BIG, "the answer is longer than %zu bytes", child->out.maximum);
	case CHILD_EXITED:
		break;
	}
	if (in_container ? says_exit_code(child) : child->exit_code == 0)
		return 0;
	last_line(&child->errors, said);
	return error_set(err, EIO, "kubectl: %s", *said ? said : "it has failed, and does not say why");
}

void kubectl_print_errors(const struct child *child, FILE *to)
{
	for (const char *line = buf_text(&child->errors); *line;) {
		size_t n = strcspn(line, "\n");

		if (strncmp(line, EXIT_CODE_LINE, strlen(EXIT_CODE_LINE)) != 0)
			fprintf(to, "%.*s\n", (int)n, line);
		line += n + (line[n] == '\n');
	}
}
