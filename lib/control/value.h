/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef XENTEST_CONTROL_VALUE_H
#define XENTEST_CONTROL_VALUE_H

#include "control/check.h"

/*
 * The kinds of values: each reads @found->text into @to, or adds an error
 * that quotes it. All have the type of struct rule's read.
 */

/* const char *: any text; what must be absolute; what must stay in tempdir. */
void value_text(struct checker *checker, const struct found *found, void *to);
void value_absolute(struct checker *checker, const struct found *found,
		    void *to);
void value_inside(struct checker *checker, const struct found *found, void *to);
/* const char *: absolute or inside tempdir, and safe to be emptied. */
void value_log_dir(struct checker *checker, const struct found *found,
		   void *to);
/* const char *: a path, NULL for "none". */
void value_config(struct checker *checker, const struct found *found, void *to);
void value_user(struct checker *checker, const struct found *found, void *to);
void value_host_name(struct checker *checker, const struct found *found,
		     void *to);
void value_sha256(struct checker *checker, const struct found *found, void *to);
/* struct control_source: its url, kind and, from "#REF", ref. */
void value_url(struct checker *checker, const struct found *found, void *to);
/* uint64_t, seconds: a limit that "none" lifts; a span, 0 for "none". */
void value_limit(struct checker *checker, const struct found *found, void *to);
void value_duration(struct checker *checker, const struct found *found,
		    void *to);
/* uint64_t, bytes or a count: a limit that "none" lifts. */
void value_size(struct checker *checker, const struct found *found, void *to);
void value_tasks(struct checker *checker, const struct found *found, void *to);
/* struct control_source: what fits its kind; url comes first. */
void value_ref(struct checker *checker, const struct found *found, void *to);
void value_sha256_of(struct checker *checker, const struct found *found,
		     void *to);
/* unsigned int, each within its range. */
void value_repeat(struct checker *checker, const struct found *found, void *to);
void value_retries(struct checker *checker, const struct found *found,
		   void *to);
void value_reboots(struct checker *checker, const struct found *found,
		   void *to);
void value_restarts(struct checker *checker, const struct found *found,
		    void *to);
void value_jobs(struct checker *checker, const struct found *found, void *to);
void value_yes_no(struct checker *checker, const struct found *found, void *to);
void value_boot_method(struct checker *checker, const struct found *found,
		       void *to);
void value_on_failure(struct checker *checker, const struct found *found,
		      void *to);
void value_on_crash(struct checker *checker, const struct found *found,
		    void *to);
/* struct control_expect */
void value_expect(struct checker *checker, const struct found *found, void *to);
/* const char *const *: NAME=value, one a line. */
void value_environment(struct checker *checker, const struct found *found,
		       void *to);
/* An optional key whose effect is yet to be written. */
void value_refused(struct checker *checker, const struct found *found,
		   void *to);

/* What a location's "kind" says, against what its URL says. */
void value_kind(struct checker *checker, const struct found *found,
		struct control_source *source);

#endif
