// SPDX-License-Identifier: Apache-2.0
/* The rules of go-yaml v2 (resolve.go), since that is what `kubectl apply` does with the same file. */
#include "common/json/yaml_scalar.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>

#include "common/base/array.h"

#define NUMBER_TEXT_MAX 64 /* longer scalars are strings */

static const struct {
	const char *text;
	enum yaml_meaning meaning;
} words[] = {
	{ "", YAML_MEANS_NULL },	  { "~", YAML_MEANS_NULL },	    { "null", YAML_MEANS_NULL },
	{ "Null", YAML_MEANS_NULL },	  { "NULL", YAML_MEANS_NULL },	    { "true", YAML_MEANS_TRUE },
	{ "True", YAML_MEANS_TRUE },	  { "TRUE", YAML_MEANS_TRUE },	    { "yes", YAML_MEANS_TRUE },
	{ "Yes", YAML_MEANS_TRUE },	  { "YES", YAML_MEANS_TRUE },	    { "on", YAML_MEANS_TRUE },
	{ "On", YAML_MEANS_TRUE },	  { "ON", YAML_MEANS_TRUE },	    { "false", YAML_MEANS_FALSE },
	{ "False", YAML_MEANS_FALSE },	  { "FALSE", YAML_MEANS_FALSE },    { "no", YAML_MEANS_FALSE },
	{ "No", YAML_MEANS_FALSE },	  { "NO", YAML_MEANS_FALSE },	    { "off", YAML_MEANS_FALSE },
	{ "Off", YAML_MEANS_FALSE },	  { "OFF", YAML_MEANS_FALSE },	    { ".nan", YAML_MEANS_NO_NUMBER },
	{ ".NaN", YAML_MEANS_NO_NUMBER }, { ".NAN", YAML_MEANS_NO_NUMBER }, { ".inf", YAML_MEANS_NO_NUMBER },
	{ ".Inf", YAML_MEANS_NO_NUMBER }, { ".INF", YAML_MEANS_NO_NUMBER },
};

static bool is_sign(char c)
{
	return c == '+' || c == '-';
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static unsigned digit_value(char c)
{
	if (is_digit(c))
		return (unsigned)(c - '0');
	if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
		return (unsigned)((c | 0x20) - 'a' + 10);
	return 16;
}

static bool is_no_number(const char *text)
{
	if (is_sign(*text))
		text++;
	return strcmp(text, ".inf") == 0 || strcmp(text, ".Inf") == 0 || strcmp(text, ".INF") == 0;
}

/* Digits with the sign gone: 0x, 0o, 0b and a leading 0 choose the base. */
static unsigned take_base(const char **digits)
{
	const char *text = *digits;

	if (text[0] != '0' || !text[1])
		return 10;
	switch (text[1] | 0x20) {
	case 'x':
		*digits += 2;
		return 16;
	case 'o':
		*digits += 2;
		return 8;
	case 'b':
		*digits += 2;
		return 2;
	default:
		*digits += 1;
		return 8;
	}
}

static bool parse_integer(const char *text, double *ret)
{
	bool negative = *text == '-';
	uint64_t value = 0;

	text += is_sign(*text);
	uint64_t base = take_base(&text);
	if (!*text)
		return false;
	for (; *text; text++) {
		uint64_t digit = digit_value(*text);
		if (digit >= base || __builtin_mul_overflow(value, base, &value) || __builtin_add_overflow(value, digit, &value))
			return false;
	}
	*ret = negative ? -(double)value : (double)value;
	return true;
}

static const char *skip_digits(const char *text)
{
	while (is_digit(*text))
		text++;
	return text;
}

static bool is_float(const char *text)
{
	text += is_sign(*text);
	const char *whole = text;
	text = skip_digits(text);
	bool has_digits = text > whole;
	if (*text == '.') {
		const char *fraction = ++text;
		text = skip_digits(text);
		has_digits |= text > fraction;
	}
	if (!has_digits)
		return false;
	if ((*text | 0x20) == 'e') {
		text++;
		text += is_sign(*text);
		const char *exponent = text;
		text = skip_digits(text);
		if (text == exponent)
			return false;
	}
	return !*text;
}

/* A copy without the underscores that numbers may have; "" if it cannot be a number. */
static void copy_number(struct slice text, char copy[static NUMBER_TEXT_MAX])
{
	size_t n = 0;

	copy[0] = 0;
	if (text.n >= NUMBER_TEXT_MAX || (!is_digit((char)text.p[0]) && !is_sign((char)text.p[0]) && text.p[0] != '.'))
		return;
	for (size_t i = 0; i < text.n; i++) {
		if (text.p[i] != '_')
			copy[n++] = (char)text.p[i];
	}
	copy[n] = 0;
}

enum yaml_meaning yaml_scalar_meaning(struct slice text, double *ret_number)
{
	char number[NUMBER_TEXT_MAX];

	for (size_t i = 0; i < ELEMENTS_OF(words); i++) {
		if (slice_equals_string(text, words[i].text))
			return words[i].meaning;
	}
	copy_number(text, number);
	if (is_no_number(number))
		return YAML_MEANS_NO_NUMBER;
	if (parse_integer(number, ret_number))
		return YAML_MEANS_NUMBER;
	if (!is_float(number) || isinf(strtod(number, NULL)))
		return YAML_MEANS_STRING;
	*ret_number = strtod(number, NULL);
	return YAML_MEANS_NUMBER;
}
