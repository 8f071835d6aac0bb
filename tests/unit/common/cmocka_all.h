// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_TESTS_UNIT_COMMON_CMOCKA_ALL_H
#define HOLDFAST_TESTS_UNIT_COMMON_CMOCKA_ALL_H

/* cmocka.h needs these four first, in this order. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#endif
