/* SPDX-License-Identifier: BSD-2-Clause */
#include "unit.h"

#include "boot/cause.h"

static void each_combination_of_signs_has_its_one_cause(void **state)
{
	static const struct {
		struct cause_signs signs;
		enum cause cause;
	} cases[] = {
		/* Nothing at all is no cause, and no guess. */
		{ { .asked = CAUSE_UNKNOWN }, CAUSE_UNKNOWN },
		{ { .ring_found = true, .ring = RING_SILENT }, CAUSE_UNKNOWN },
		/* What was asked for, and came. */
		{ { .asked = CAUSE_XENBUILDD, .clean = true }, CAUSE_XENBUILDD },
		{ { .asked = CAUSE_TEST }, CAUSE_TEST },
		{ { .asked = CAUSE_TEST, .ring_found = true,
		    .ring = RING_REBOOT },
		  CAUSE_TEST },
		{ { .asked = CAUSE_XENSTARTDOMSD, .clean = true,
		    .memory_lost = true },
		  CAUSE_XENSTARTDOMSD },
		/* A panic on the way down to it is a panic. */
		{ { .asked = CAUSE_TEST, .clean = true, .ring_found = true,
		    .ring = RING_PANIC },
		  CAUSE_XEN_PANIC },
		{ { .asked = CAUSE_TEST, .dump = true }, CAUSE_DOM0_PANIC },
		{ { .asked = CAUSE_XENBUILDD, .memory_lost = true },
		  CAUSE_POWER_LOSS },
		/* The ring's last words. */
		{ { .ring_found = true, .ring = RING_PANIC }, CAUSE_XEN_PANIC },
		{ { .ring_found = true, .ring = RING_WATCHDOG },
		  CAUSE_XEN_WATCHDOG },
		{ { .ring_found = true, .ring = RING_DOM0_CRASH },
		  CAUSE_DOM0_PANIC },
		{ { .ring_found = true, .ring = RING_DOM0_WATCHDOG },
		  CAUSE_DOM0_WATCHDOG },
		/* dom0 rebooted, and none of us had asked. */
		{ { .ring_found = true, .ring = RING_REBOOT }, CAUSE_OPERATOR },
		{ { .clean = true }, CAUSE_OPERATOR },
		{ { .clean = true, .ring_found = true, .ring = RING_SILENT },
		  CAUSE_OPERATOR },
		/* Xen knows better than an old dump, a dump than nothing. */
		{ { .dump = true, .ring_found = true, .ring = RING_WATCHDOG },
		  CAUSE_XEN_WATCHDOG },
		{ { .dump = true, .memory_lost = true }, CAUSE_DOM0_PANIC },
		{ { .memory_lost = true }, CAUSE_POWER_LOSS },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		if (cause_decide(&cases[i].signs) != cases[i].cause)
			fail_msg("case %zu: %s", i,
				 cause_text(cause_decide(&cases[i].signs)));
}

static void a_cause_is_found_again_by_its_words(void **state)
{
	(void)state;
	for (int i = CAUSE_UNKNOWN; i <= CAUSE_POWER_LOSS; i++)
		assert_int_equal(cause_from_text(cause_text((enum cause)i)), i);
	assert_int_equal(cause_from_text("asked for"), CAUSE_UNKNOWN);
	assert_string_equal(cause_text((enum cause)99), "unknown");
}

static void crashes_and_wishes_are_told_apart(void **state)
{
	(void)state;
	assert_true(cause_is_asked(CAUSE_TEST));
	assert_false(cause_is_asked(CAUSE_OPERATOR));
	assert_false(cause_is_crash(CAUSE_OPERATOR));
	assert_false(cause_is_crash(CAUSE_POWER_LOSS));
	assert_false(cause_is_crash(CAUSE_UNKNOWN));
	assert_true(cause_is_crash(CAUSE_DOM0_WATCHDOG));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_combination_of_signs_has_its_one_cause),
		cmocka_unit_test(a_cause_is_found_again_by_its_words),
		cmocka_unit_test(crashes_and_wishes_are_told_apart),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
