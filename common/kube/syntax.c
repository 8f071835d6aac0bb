// SPDX-License-Identifier: Apache-2.0
#include "common/kube/syntax.h"

#include <stddef.h>
#include <string.h>

#define LABEL_MAX 63
#define PORT_NAME_MAX 15

static bool is_lower_or_digit(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

static bool is_alphanumeric(char c)
{
	return is_lower_or_digit(c) || (c >= 'A' && c <= 'Z');
}

/* [a-z0-9]([-a-z0-9]*[a-z0-9])? */
static bool is_dns_label(const char *text, size_t n)
{
	if (n == 0 || !is_lower_or_digit(text[0]) || !is_lower_or_digit(text[n - 1]))
		return false;
	for (size_t i = 0; i < n; i++) {
		if (!is_lower_or_digit(text[i]) && text[i] != '-')
			return false;
	}
	return true;
}

static bool is_dns_subdomain(const char *text, size_t n)
{
	size_t start = 0;

	if (n == 0 || n > KUBE_NAME_MAX)
		return false;
	for (size_t i = 0; i <= n; i++) {
		if (i < n && text[i] != '.')
			continue;
		if (!is_dns_label(text + start, i - start))
			return false;
		start = i + 1;
	}
	return true;
}

/* ([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9] */
static bool is_label_word(const char *text, size_t n)
{
	if (n == 0 || n > LABEL_MAX || !is_alphanumeric(text[0]) || !is_alphanumeric(text[n - 1]))
		return false;
	for (size_t i = 0; i < n; i++) {
		if (!is_alphanumeric(text[i]) && text[i] != '-' && text[i] != '_' && text[i] != '.')
			return false;
	}
	return true;
}

bool kube_syntax_name(const char *text)
{
	return is_dns_subdomain(text, strlen(text));
}

bool kube_syntax_namespace(const char *text)
{
	size_t n = strlen(text);

	return n <= LABEL_MAX && is_dns_label(text, n);
}

bool kube_syntax_label_key(const char *text)
{
	const char *slash = strchr(text, '/');
	const char *word = slash ? slash + 1 : text;

	if (slash && !is_dns_subdomain(text, (size_t)(slash - text)))
		return false;
	return is_label_word(word, strlen(word));
}

bool kube_syntax_label_value(const char *text)
{
	return !*text || is_label_word(text, strlen(text));
}

bool kube_syntax_port_name(const char *text)
{
	size_t n = strlen(text);
	bool has_letter = false;

	if (n > PORT_NAME_MAX || !is_dns_label(text, n) || strstr(text, "--"))
		return false;
	for (size_t i = 0; i < n; i++)
		has_letter |= text[i] >= 'a' && text[i] <= 'z';
	return has_letter;
}
