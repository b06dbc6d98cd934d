/* SPDX-License-Identifier: BSD-2-Clause */
#include "run/announcement.h"

#include <string.h>

#include "run/run.h"
#include "source/digest.h"

int announcement_check(const char *run, const char *shared, const char *digest,
		       struct err *e)
{
	if (!run_is_id(run) || shared[0] != '/' ||
	    strlen(digest) != DIGEST_HEX - 1 ||
	    strspn(digest, "0123456789abcdef") != DIGEST_HEX - 1)
		return err_set(e, -EBADMSG,
			       "what dom0 announces makes no sense");
	return 0;
}
