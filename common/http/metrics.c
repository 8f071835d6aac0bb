// SPDX-License-Identifier: Apache-2.0
#include "common/http/metrics.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "common/base/utf8.h"

#define NAME_MAX_BYTES 128
#define EXACT_MAX 9007199254740992.0 /* 2^53 */

static const char *const type_names[] = { [METRIC_COUNTER] = "counter", [METRIC_GAUGE] = "gauge", [METRIC_HISTOGRAM] = "histogram" };

/* Backslash and line feed are escaped, and in label values the quote. */
static void add_escaped(struct buf *out, struct slice text, bool quoted)
{
	while (text.n > 0) {
		size_t length = utf8_length(text.p, text.n);
		size_t step = length ? length : 1;
		if (length == 0)
			buf_string(out, "\xef\xbf\xbd"); /* U+FFFD */
		else if (*text.p == '\n')
			buf_string(out, "\\n");
		else if (*text.p == '\\' || (quoted && *text.p == '"'))
			buf_printf(out, "\\%c", *text.p);
		else
			buf_append(out, text.p, length);
		text = slice_from(text.p + step, text.n - step);
	}
}

void metrics_family(struct buf *out, const char *name, enum metric_type type, const char *help)
{
	buf_printf(out, "# HELP %s ", name);
	add_escaped(out, slice_string(help), false);
	buf_printf(out, "\n# TYPE %s %s\n", name, type_names[type]);
}

static void add_value(struct buf *out, double value)
{
	if (isnan(value))
		buf_string(out, "NaN");
	else if (isinf(value))
		buf_string(out, value > 0 ? "+Inf" : "-Inf");
	else if (trunc(value) == value && fabs(value) <= EXACT_MAX)
		buf_printf(out, "%.0f", value);
	else
		buf_printf(out, "%.15g", value);
}

void metrics_write_sample(struct buf *out, const char *name, double value, ...)
{
	const char *label;
	size_t n = 0;
	va_list args;

	buf_string(out, name);
	va_start(args, value);
	while ((label = va_arg(args, const char *))) {
		buf_printf(out, "%c%s=\"", n++ ? ',' : '{', label);
		add_escaped(out, slice_string(va_arg(args, const char *)), true);
		buf_byte(out, '"');
	}
	va_end(args);
	buf_string(out, n ? "} " : " ");
	add_value(out, value);
	buf_byte(out, '\n');
}

void metrics_one(struct buf *out, const char *name, enum metric_type type, double value, const char *help)
{
	metrics_family(out, name, type, help);
	metrics_sample(out, name, value);
}

void metrics_histogram(struct buf *out, const char *name, const char *help, const double *bounds, const uint64_t *counts, size_t n,
		       double sum)
{
	char part[NAME_MAX_BYTES], bound[32];
	uint64_t total = 0;

	metrics_family(out, name, METRIC_HISTOGRAM, help);
	snprintf(part, sizeof(part), "%s_bucket", name);
	for (size_t i = 0; i <= n; i++) {
		total += counts[i];
		snprintf(bound, sizeof(bound), "%g", i < n ? bounds[i] : 0.0);
		metrics_sample(out, part, (double)total, "le", i < n ? bound : "+Inf");
	}
	snprintf(part, sizeof(part), "%s_sum", name);
	metrics_sample(out, part, sum);
	snprintf(part, sizeof(part), "%s_count", name);
	metrics_sample(out, part, (double)total);
}
