// SPDX-License-Identifier: Apache-2.0
/* Names for sets of classes and of ports, as short as they can be said and never longer than a line. */
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "cni-plugin/policy/engine_internal.h"
#include "cni-plugin/policy/survey.h"
#include "common/base/array.h"

#define NAMES_MAX 4   /* items of a list; the rest is a number */
#define RANGES_MAX 12 /* of one protocol */

/* Cuts `name` at the last '-', `times` times. */
static void cut_tail(char *name, int times)
{
	for (int i = 0; i < times; i++) {
		char *dash = strrchr(name, '-');

		if (!dash || dash == name)
			return;
		*dash = 0;
	}
}

void survey_workload(const struct kube_object *pod, char name[static SURVEY_WORKLOAD_MAX])
{
	static const char *const apps[] = { "app.kubernetes.io/name", "app", "k8s-app" };
	const char *label = NULL;

	snprintf(name, SURVEY_WORKLOAD_MAX, "%s", pod->name);
	if (kube_labels_get(&pod->labels, "pod-template-hash")) {
		cut_tail(name, 2);
		return;
	}
	if (kube_labels_get(&pod->labels, "controller-revision-hash")) {
		cut_tail(name, 1);
		return;
	}
	for (size_t i = 0; i < ELEMENTS_OF(apps) && !label; i++)
		label = kube_labels_get(&pod->labels, apps[i]);
	if (label && *label)
		snprintf(name, SURVEY_WORKLOAD_MAX, "%s", label);
}

/* A list in the making: what comes after NAMES_MAX is only counted. */
struct listing {
	struct buf *out;
	size_t n, total;
};

static bool begin_item(struct listing *list)
{
	list->n++;
	if (list->n > NAMES_MAX)
		return false;
	if (list->n > 1)
		buf_string(list->out, list->n == list->total ? " and " : ", ");
	return true;
}

static void end_list(const struct listing *list)
{
	if (list->n > NAMES_MAX)
		buf_printf(list->out, " and %zu more", list->n - NAMES_MAX);
}

static void print_class(const struct survey_class *class, struct buf *out)
{
	char workload[SURVEY_WORKLOAD_MAX], other[SURVEY_WORKLOAD_MAX];
	const char *namespace = class->pods[0]->namespace;

	if (class->n_pods == 1) {
		buf_printf(out, "%s/%s", namespace, class->pods[0]->name);
		return;
	}
	survey_workload(class->pods[0], workload);
	for (size_t i = 1; i < class->n_pods; i++) {
		survey_workload(class->pods[i], other);
		if (strcmp(workload, other) == 0)
			continue;
		buf_printf(out, "%zu pods of %s like %s", class->n_pods, namespace, class->pods[0]->name);
		return;
	}
	buf_printf(out, "%s/%s (%zu pods)", namespace, workload, class->n_pods);
}

static void print_address(interval_number number, int family, struct buf *out)
{
	struct kube_address address = { .family = family == POLICY_IPV4 ? AF_INET : AF_INET6 };
	char text[INET6_ADDRSTRLEN];

	interval_bytes(number, address.bytes, family == POLICY_IPV4 ? 4 : 16);
	kube_address_format(&address, text);
	buf_string(out, text);
}

/* As a CIDR, if it is one. */
static void print_addresses(const struct interval *range, int family, struct buf *out)
{
	unsigned bits = family == POLICY_IPV4 ? 32 : 128, prefix = bits;
	interval_number size = range->last - range->first; /* less one */

	print_address(range->first, family, out);
	if ((size & (size + 1)) == 0 && (range->first & size) == 0) {
		for (; size; size >>= 1)
			prefix--;
		if (prefix != bits)
			buf_printf(out, "/%u", prefix);
		return;
	}
	buf_byte(out, '-');
	print_address(range->last, family, out);
}

static int family_of_class(const struct survey_class *class)
{
	return class->addresses[POLICY_IPV4].family ? POLICY_IPV4 : POLICY_IPV6;
}

/* The end of the pieces from i on that follow each other without a gap. */
static size_t end_of_run(const struct survey *survey, const uint32_t *classes, size_t n, size_t i)
{
	for (; i + 1 < n; i++) {
		const struct survey_class *a = &survey->classes[classes[i]], *b = &survey->classes[classes[i + 1]];

		if (family_of_class(a) != family_of_class(b) || a->range.last + 1 != b->range.first)
			break;
	}
	return i + 1;
}

static size_t count_namespace(const struct survey *survey, const char *namespace, size_t *ret_pods)
{
	size_t n = 0;

	*ret_pods = 0;
	for (size_t i = 0; i < survey->n_pod_classes; i++) {
		if (strcmp(survey->classes[i].pods[0]->namespace, namespace) != 0)
			continue;
		n++;
		*ret_pods += survey->classes[i].n_pods;
	}
	return n;
}

/* The end of the classes from i on that are of one namespace; `*ret_whole`: all of them, and more than one. */
static size_t end_of_namespace(const struct survey *survey, const uint32_t *classes, size_t n, size_t i, bool *ret_whole, size_t *ret_pods)
{
	const char *namespace = survey->classes[classes[i]].pods[0]->namespace;
	size_t end = i;

	while (end < n && strcmp(survey->classes[classes[end]].pods[0]->namespace, namespace) == 0)
		end++;
	*ret_whole = end - i > 1 && end - i == count_namespace(survey, namespace, ret_pods);
	return end;
}

/* Walks twice: once to count the items, once to write them. */
static void list_pods(const struct survey *survey, const uint32_t *classes, size_t n, struct listing *list)
{
	for (size_t i = 0; i < n;) {
		size_t pods;
		bool whole;
		size_t end = end_of_namespace(survey, classes, n, i, &whole, &pods);

		if (whole) {
			if (begin_item(list) && list->out)
				buf_printf(list->out, "all of %s (%zu pods)", survey->classes[classes[i]].pods[0]->namespace, pods);
			i = end;
			continue;
		}
		for (; i < end; i++) {
			if (begin_item(list))
				print_class(&survey->classes[classes[i]], list->out);
		}
	}
}

static void list_outside(const struct survey *survey, const uint32_t *classes, size_t n, struct listing *list)
{
	size_t all = survey->n - survey->n_pod_classes;

	if (n == all && n > 0) {
		if (begin_item(list))
			buf_string(list->out, "anywhere outside the cluster");
		return;
	}
	for (size_t i = 0; i < n;) {
		size_t end = end_of_run(survey, classes, n, i);
		const struct survey_class *first = &survey->classes[classes[i]];
		const struct interval range = { first->range.first, survey->classes[classes[end - 1]].range.last };

		if (begin_item(list))
			print_addresses(&range, family_of_class(first), list->out);
		i = end;
	}
}

static void list_classes(const struct survey *survey, const uint32_t *classes, size_t n, struct listing *list)
{
	size_t n_pods = 0;

	while (n_pods < n && classes[n_pods] < survey->n_pod_classes)
		n_pods++;
	if (n_pods == survey->n_pod_classes && n_pods > 1) {
		if (begin_item(list))
			buf_string(list->out, "every pod");
	} else {
		list_pods(survey, classes, n_pods, list);
	}
	list_outside(survey, classes + n_pods, n - n_pods, list);
}

void survey_print_classes(const struct survey *survey, const uint32_t *classes, size_t n, struct buf *out)
{
	_cleanup_(buf_free) struct buf ignored = BUF_MAX(64 * 1024);
	struct listing count = { .out = &ignored }, list = { .out = out };

	list_classes(survey, classes, n, &count);
	list.total = count.n;
	list_classes(survey, classes, n, &list);
	end_list(&list);
}

static bool is_all(const struct survey_range *range)
{
	return range->first == 1 && range->last == UINT16_MAX;
}

void survey_print_ranges(const struct survey_range *ranges, size_t n, struct buf *out)
{
	size_t of_protocol = 0;

	if (n == 3 && is_all(&ranges[0]) && is_all(&ranges[1]) && is_all(&ranges[2])) {
		buf_string(out, "all ports");
		return;
	}
	for (size_t i = 0; i < n; i++) {
		bool begins = i == 0 || ranges[i].protocol != ranges[i - 1].protocol;

		of_protocol = begins ? 0 : of_protocol + 1;
		if (of_protocol > RANGES_MAX)
			continue;
		buf_string(out, i == 0 ? "" : ", ");
		if (of_protocol == RANGES_MAX) {
			buf_string(out, "...");
			continue;
		}
		if (begins)
			buf_printf(out, "%s ", kube_protocol_name(ranges[i].protocol));
		if (is_all(&ranges[i]))
			buf_string(out, "all");
		else if (ranges[i].first == ranges[i].last)
			buf_printf(out, "%u", ranges[i].first);
		else
			buf_printf(out, "%u-%u", ranges[i].first, ranges[i].last);
	}
}
