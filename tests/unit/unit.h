/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef XENTEST_TESTS_UNIT_H
#define XENTEST_TESTS_UNIT_H

/* What every unit test needs, in the order that cmocka.h asks for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/err.h"

#endif
