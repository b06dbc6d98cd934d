/* SPDX-License-Identifier: BSD-2-Clause */
/* What a guest writes to its xenstore node: only names of ours come of it. */
#include "fuzz.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "run/progress.h"

static bool is_ours(const char *step)
{
	static const char *const steps[] = {
		"prepare", "fetch",   "build",	 "install",
		"run",	   "collect", "cleanup", "?",
	};

	for (size_t i = 0; i < ARRAY_SIZE(steps); i++)
		if (strcmp(steps[i], step) == 0)
			return true;
	return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct control_domain *domain = &fuzz_control()->domains[0];
	CLEANUP(freep) char *text = fuzz_text(data, size);
	struct progress said;
	int r = progress_read(text, "20261124-000000-00000000", domain, &said);

	must(r == 0 || r == -EBADMSG || r == -ESTALE);
	if (r < 0)
		return 0;
	must(said.state >= PROGRESS_NOTHING && said.state <= PROGRESS_DONE);
	must(is_ours(said.step));
	must(said.test == NULL || said.test == domain->entries[0].test ||
	     said.test == domain->entries[1].test);
	/* Nothing but the run's id makes it ours. */
	must(progress_read(text, "another", domain, &said) == -ESTALE);
	return 0;
}
