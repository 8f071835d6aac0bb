// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_TESTS_SUPPORT_FOOTPRINT_H
#define HOLDFAST_TESTS_SUPPORT_FOOTPRINT_H

#include <stddef.h>
#include <sys/types.h>

#include "common/base/error.h"

/* What a process holds of its machine. */
struct footprint {
	size_t descriptors, rss_kib;
};

int footprint_read(pid_t pid, struct footprint *ret, struct error *err) must_check;

/* Many of them, at equal distances; zeroed before the first. */
struct footprints {
	size_t n, descriptors_min, descriptors_max;
	double sum, weighted; /* of the memory */
};

void footprints_add(struct footprints *footprints, const struct footprint *footprint);

/* From the first to the last, by a straight line through all (least squares). */
double footprints_growth_kib(const struct footprints *footprints);

#ifdef __SANITIZE_ADDRESS__
#define FOOTPRINT_GROWTH_KIB (4 * 1024 * 1024) /* it keeps what is freed */
#else
#define FOOTPRINT_GROWTH_KIB 512 /* more than this is a leak */
#endif

#endif
