/* SPDX-License-Identifier: BSD-2-Clause */
#include "sourcing.h"

static void make_repository(const struct scratch *s)
{
	sh(s, "git init -q -b main repo && cd repo && echo 1 >a && git add a && git commit -qm 1 && git tag v1 && git tag -a -m x annotated && "
	      "echo 2 >a && git commit -qam 2 && git branch staging && git tag staging v1 && echo 3 >a && git commit -qam 3");
}

static void commit_of(const struct scratch *s, const char *ref,
		      char commit[static 65])
{
	CLEANUP(freep) char *command =
		text_format("git -C %s/repo rev-parse '%s^{commit}'", s->path,
			    ref);
	FILE *from = popen(command, "re");

	assert_int_equal(fscanf(from, "%64s", commit), 1);
	pclose(from);
}

static void assert_checked_out(const struct scratch *s, const char *ref,
			       const char *as, const char *content, bool cache)
{
	struct got got = get_from(s, "git+file://%s/repo", CONTROL_KIND_GIT,
				  ref, cache);
	char commit[65];

	assert_got(&got);
	commit_of(s, as, commit);
	assert_string_equal(got.result.commit, commit);
	assert_string_equal(got.result.top, "tree");
	assert_content(s, "work/tree/a", content);
	/* Not the mirror, nor where that was at the time. */
	sh(s, "[ \"$(git -C work/tree remote get-url origin)\" = file://$PWD/repo ]");
}

static void assert_all_refs(const struct scratch *s, bool cache)
{
	char commit[65];

	make_repository(s);
	commit_of(s, "main~1", commit);
	assert_checked_out(s, NULL, "main", "3\n", cache);
	assert_checked_out(s, "v1", "v1", "1\n", cache);
	assert_checked_out(s, "annotated", "v1", "1\n", cache);
	/* A branch before a tag of the same name. */
	assert_checked_out(s, "staging", "refs/heads/staging", "2\n", cache);
	assert_checked_out(s, commit, "main~1", "2\n", cache);
	commit[10] = '\0';
	assert_checked_out(s, commit, "main~1", "2\n", cache);
}

static void a_branch_tag_or_commit_is_checked_out(void **state)
{
	assert_all_refs(*state, false);
}

static void the_same_comes_through_the_cache(void **state)
{
	assert_all_refs(*state, true);
}

static void the_mirror_follows_what_is_new_and_what_is_rewritten(void **state)
{
	struct scratch *s = *state;

	make_repository(s);
	assert_checked_out(s, "main", "main", "3\n", true);
	sh(s, "cd repo && git reset -q --hard v1 && echo 4 >a && git commit -qam 4");
	assert_checked_out(s, "main", "main", "4\n", true);
	assert_checked_out(s, NULL, "main", "4\n", true);
	sh(s, "cd repo && git checkout -q -b other && git branch -D main && echo 5 >a && git commit -qam 5");
	assert_checked_out(s, NULL, "other", "5\n", true);
}

static void a_commit_in_the_mirror_needs_no_server(void **state)
{
	struct scratch *s = *state;
	char commit[65];
	struct got got;

	make_repository(s);
	commit_of(s, "v1", commit);
	assert_checked_out(s, "main", "main", "3\n", true);
	sh(s, "mv repo moved");
	got = get_from(s, "git+file://%s/repo", CONTROL_KIND_GIT, commit, true);
	assert_got(&got);
	assert_content(s, "work/tree/a", "1\n");
	got = get_from(s, "git+file://%s/repo", CONTROL_KIND_GIT, "main", true);
	assert_failed(&got, -EIO, "git: fatal: '");
}

static void the_ref_may_stand_in_the_url(void **state)
{
	struct scratch *s = *state;
	struct got got;

	make_repository(s);
	got = get(s, "git+file://%s/repo#v1", CONTROL_KIND_GIT);
	assert_got(&got);
	assert_content(s, "work/tree/a", "1\n");
}

static void no_such_ref_is_one_sentence(void **state)
{
	struct scratch *s = *state;
	struct got got;

	make_repository(s);
	for (int cache = 0; cache < 2; cache++) {
		got = get_from(s, "git+file://%s/repo", CONTROL_KIND_GIT,
			       "gone", cache);
		assert_failed(&got, -ENOENT,
			      "no branch, tag or commit gone there; check ref in the control file");
		got = get_from(s, "git+file://%s/repo", CONTROL_KIND_GIT,
			       "deadbeef", cache);
		assert_failed(&got, -ENOENT, "deadbeef");
	}
	assert_int_equal(entries(s, "work"), 0);
}

static void git_gets_no_options_and_runs_no_programs_from_a_url(void **state)
{
	struct scratch *s = *state;
	struct got got = get(s, "--upload-pack=touch %s/pwned",
			     CONTROL_KIND_GIT);

	assert_failed(&got, -EINVAL, "would take it for an option");
	got = get(s, "ext::touch %s/pwned", CONTROL_KIND_GIT);
	assert_failed(&got, -EINVAL, "or a program");
	make_repository(s);
	got = get_from(s, "%s/repo", CONTROL_KIND_GIT, "--help", true);
	assert_failed(&got, -EINVAL, "would take it for an option");
	assert_false(exists(s, "pwned"));
}

static void no_hook_of_a_template_runs(void **state)
{
	struct scratch *s = *state;
	CLEANUP(freep) char *template =
		text_format("%s/template", s->path);

	make_repository(s);
	sh(s, "mkdir -p template/hooks && printf '#!/bin/sh\ntouch %s/pwned\n' $PWD >template/hooks/post-checkout && chmod +x template/hooks/post-checkout");
	setenv("GIT_TEMPLATE_DIR", template, 1);
	assert_checked_out(s, "main", "main", "3\n", false);
	unsetenv("GIT_TEMPLATE_DIR");
	assert_false(exists(s, "pwned"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SOURCE_TEST(a_branch_tag_or_commit_is_checked_out),
		SOURCE_TEST(the_same_comes_through_the_cache),
		SOURCE_TEST(
			the_mirror_follows_what_is_new_and_what_is_rewritten),
		SOURCE_TEST(a_commit_in_the_mirror_needs_no_server),
		SOURCE_TEST(the_ref_may_stand_in_the_url),
		SOURCE_TEST(no_such_ref_is_one_sentence),
		SOURCE_TEST(
			git_gets_no_options_and_runs_no_programs_from_a_url),
		SOURCE_TEST(no_hook_of_a_template_runs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
