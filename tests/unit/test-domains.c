/* SPDX-License-Identifier: BSD-2-Clause */
#include "unit.h"

#include <unistd.h>

#include "xen/domains.h"

/* What the hypervisor answers is shown by the VM test, on real Xen. */

static void without_privcmd_opening_says_so(void **state)
{
	struct domains *domains = NULL;
	struct err e = ERR_NONE;

	(void)state;
	if (access("/dev/xen/privcmd", F_OK) == 0 ||
	    access("/proc/xen/privcmd", F_OK) == 0)
		skip();
	assert_int_equal(domains_open(&domains, &e), -ENOENT);
	assert_string_equal(e.text,
			    "open the hypervisor: No such file or directory");
	assert_null(domains);
}

static void a_domain_is_described_with_its_reason(void **state)
{
	static const struct {
		struct domains_info info;
		const char *text;
	} cases[] = {
		{ { DOMAINS_GONE, DOMAINS_NO_REASON }, "gone" },
		{ { DOMAINS_RUNNING, DOMAINS_NO_REASON }, "running" },
		{ { DOMAINS_BLOCKED, DOMAINS_NO_REASON }, "idle" },
		{ { DOMAINS_PAUSED, DOMAINS_NO_REASON }, "paused" },
		{ { DOMAINS_SHUTDOWN, DOMAINS_CRASH }, "shut down: crash" },
		{ { DOMAINS_SHUTDOWN, DOMAINS_POWEROFF },
		  "shut down: poweroff" },
		{ { DOMAINS_DYING, DOMAINS_WATCHDOG }, "dying: watchdog" },
		{ { DOMAINS_SHUTDOWN, 77 }, "shut down: reason 77" },
	};
	char buffer[48];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		assert_string_equal(domains_describe(&cases[i].info, buffer),
				    cases[i].text);
}

static void closing_nothing_is_fine(void **state)
{
	(void)state;
	domains_close(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_privcmd_opening_says_so),
		cmocka_unit_test(a_domain_is_described_with_its_reason),
		cmocka_unit_test(closing_nothing_is_fine),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
