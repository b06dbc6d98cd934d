/* SPDX-License-Identifier: BSD-2-Clause */
#include "scratch.h"

#include <sys/file.h>

#include "base/text.h"
#include "source/digest.h"
#include "source/source.h"
#include "source/url.h"

/* Runs a shell script in the scratch directory; it must succeed. */
static void sh(const struct scratch *s, const char *script)
{
	CLEANUP(freep) char *command = text_format(
		"cd %s && exec </dev/null >/dev/null 2>&1 && set -e && "
		"export GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@a GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@a && %s",
		s->path, script);

	assert_int_equal(system(command), 0);
}

static int setup(void **state)
{
	if (scratch_setup(state) != 0)
		return -1;
	make_dirs(*state, "cache");
	make_dirs(*state, "work");
	return 0;
}

struct got {
	int r;
	struct err e;
	struct source_result result;
};

/* @format has one %s: the scratch directory. */
static struct got get_from(const struct scratch *s, const char *format,
			   enum control_kind kind, const char *ref, bool cache)
{
	CLEANUP(freep) char *url = NULL;
	CLEANUP(fd_close) int cache_fd = open_dir(s, "cache");
	CLEANUP(fd_close) int work_fd = open_dir(s, "work");
	struct control_source source = { .kind = kind, .ref = ref };
	const struct source_job job = {
		.source = &source,
		.cache_fd = cache ? cache_fd : -1,
		.work_fd = work_fd,
		.name = "tree",
		.pause_ms = 1,
	};
	struct got got = { .e = ERR_NONE };
	const char *hole = strstr(format, "%s");

	url = hole == NULL ? strdup(format) :
			     text_format("%.*s%s%s", (int)(hole - format),
					 format, s->path, hole + 2);
	source.url = url;
	got.r = source_get(&job, &got.result, &got.e);
	return got;
}

static struct got get(const struct scratch *s, const char *format,
		      enum control_kind kind)
{
	return get_from(s, format, kind, NULL, true);
}

static void assert_got(const struct got *got)
{
	if (got->r != 0)
		fail_msg("%d %s", got->r, got->e.text);
}

static void assert_failed(const struct got *got, int number, const char *text)
{
	if (got->r != number || strstr(got->e.text, text) == NULL)
		fail_msg("%d %s", got->r, got->e.text);
}

static void make_tarball(const struct scratch *s)
{
	sh(s, "mkdir -p made/suite-1.2 && echo 1 >made/suite-1.2/a && tar -C made -czf suite.tgz suite-1.2");
}

/* ---- archives, and how they come into place */

static void a_tarball_s_directory_appears_and_is_named(void **state)
{
	struct scratch *s = *state;
	struct got got;

	make_tarball(s);
	got = get(s, "%s/suite.tgz", CONTROL_KIND_AUTO);
	assert_got(&got);
	assert_string_equal(got.result.top, "suite-1.2");
	assert_int_equal(strlen(got.result.sha256), 64);
	assert_int_equal(got.result.bytes, 2);
	assert_string_equal(got.result.commit, "");
	assert_content(s, "work/suite-1.2/a", "1\n");
	assert_int_equal(entries(s, "work"), 1);
}

static void a_file_url_names_a_tarball_too(void **state)
{
	struct scratch *s = *state;
	struct got got;

	make_tarball(s);
	got = get(s, "file://%s/suite%2Etgz", CONTROL_KIND_TAR);
	assert_got(&got);
	assert_content(s, "work/suite-1.2/a", "1\n");
}

static void several_entries_have_no_top_directory(void **state)
{
	struct scratch *s = *state;
	struct got got;

	sh(s, "mkdir one two && touch file && tar -cf several.tar one two && tar -cf file.tar file");
	got = get(s, "%s/several.tar", CONTROL_KIND_AUTO);
	assert_got(&got);
	assert_string_equal(got.result.top, "");
	assert_true(exists(s, "work/one"));
	assert_true(exists(s, "work/two"));
	got = get(s, "%s/file.tar", CONTROL_KIND_AUTO);
	assert_got(&got);
	assert_string_equal(got.result.top, "");
}

static void nothing_of_a_broken_archive_stays(void **state)
{
	struct scratch *s = *state;
	struct got got;

	make_tarball(s);
	sh(s, "mkdir work/suite-1.2 && echo old >work/suite-1.2/a && truncate -s -3 suite.tgz");
	got = get(s, "%s/suite.tgz", CONTROL_KIND_AUTO);
	assert_failed(&got, -EBADMSG, "/suite.tgz: the gzip data is cut short");
	assert_int_equal(entries(s, "work"), 1);
	assert_content(s, "work/suite-1.2/a", "old\n");
}

static void a_wrong_digest_is_found_before_anything_is_unpacked(void **state)
{
	struct scratch *s = *state;
	CLEANUP(fd_close) int work_fd = open_dir(s, "work");
	CLEANUP(freep) char *url = text_format("%s/suite.tgz", s->path);
	const struct control_source source = {
		.url = url,
		.kind = CONTROL_KIND_TAR,
		.sha256 = "0000000000000000000000000000000000000000000000000000000000000000",
	};
	const struct source_job job = { .source = &source,
					.cache_fd = -1,
					.work_fd = work_fd,
					.name = "tree" };
	struct source_result result;
	struct err e = ERR_NONE;

	make_tarball(s);
	assert_int_equal(source_get(&job, &result, &e), -EBADMSG);
	assert_non_null(strstr(e.text, "correct sha256 or the location"));
	assert_int_equal(entries(s, "work"), 0);
}

static void what_stood_there_goes_to_the_trash_until_it_is_emptied(
	void **state)
{
	struct scratch *s = *state;
	CLEANUP(fd_close) int work_fd = open_dir(s, "work");
	struct err e = ERR_NONE;
	struct got got;

	make_tarball(s);
	for (int i = 0; i < 3; i++) {
		sh(s, "mkdir -p work/suite-1.2 && echo old >work/suite-1.2/old");
		got = get(s, "%s/suite.tgz", CONTROL_KIND_AUTO);
		assert_got(&got);
		assert_false(exists(s, "work/suite-1.2/old"));
	}
	assert_int_equal(entries(s, "work/.xentest-trash"), 3);
	assert_int_equal(source_clean(work_fd, &e), 0);
	assert_int_equal(entries(s, "work"), 1);
}

static void leftovers_of_the_killed_are_removed_and_those_at_work_left_alone(
	void **state)
{
	struct scratch *s = *state;
	struct got got;
	int fd;

	make_tarball(s);
	sh(s, "mkdir work/.xentest-unpack.1 work/.xentest-unpack.2 && touch work/.xentest-unpack.1/a");
	fd = open_dir(s, "work/.xentest-unpack.2");
	assert_int_equal(flock(fd, LOCK_EX | LOCK_NB), 0);
	got = get(s, "%s/suite.tgz", CONTROL_KIND_AUTO);
	assert_got(&got);
	assert_false(exists(s, "work/.xentest-unpack.1"));
	assert_true(exists(s, "work/.xentest-unpack.2"));
	close(fd);
}

static void an_archive_cannot_take_our_own_names(void **state)
{
	struct scratch *s = *state;
	struct got got;

	sh(s, "mkdir .xentest-trash && tar -cf evil.tar .xentest-trash && rmdir .xentest-trash");
	got = get(s, "%s/evil.tar", CONTROL_KIND_AUTO);
	assert_failed(&got, -EEXIST, ".xentest-trash is a name of our own");
	assert_int_equal(entries(s, "work"), 0);
}

static void what_is_not_there_is_one_sentence(void **state)
{
	struct scratch *s = *state;
	struct got got = get(s, "%s/gone.tgz", CONTROL_KIND_AUTO);

	assert_failed(&got, -ENOENT,
		      "/gone.tgz: No such file or directory; check the location");
	got = get(s, "/dev/null", CONTROL_KIND_TAR);
	assert_failed(&got, -EINVAL, "/dev/null: not a file");
	got = get(s, "file://elsewhere/x.tgz", CONTROL_KIND_TAR);
	assert_failed(&got, -EINVAL, "names another host");
	assert_int_equal(entries(s, "work"), 0);
}

static void no_url_is_no_work(void **state)
{
	const struct control_source source = { .url = NULL };
	const struct source_job job = { .source = &source,
					.cache_fd = -1,
					.work_fd = -1 };
	struct source_result result;
	struct err e = ERR_NONE;

	assert_int_equal(source_get(&job, &result, &e), 0);
	assert_string_equal(result.top, "");
}

/* ---- directories and rsync */

static void make_folder(const struct scratch *s)
{
	sh(s, "mkdir -p folder/sub && echo 1 >folder/sub/a && ln -s sub/a folder/l && touch -d @1000000000 folder/sub/a && touch folder/.hidden");
}

static void assert_folder(const struct scratch *s)
{
	struct stat st;

	assert_content(s, "work/tree/sub/a", "1\n");
	assert_true(exists(s, "work/tree/.hidden"));
	assert_int_equal(fstatat(s->fd, "work/tree/sub/a", &st, 0), 0);
	assert_int_equal(st.st_mtime, 1000000000);
	assert_int_equal(fstatat(s->fd, "work/tree/l", &st, AT_SYMLINK_NOFOLLOW),
			 0);
	assert_true(S_ISLNK(st.st_mode));
	assert_int_equal(entries(s, "work"), 1);
}

static void a_directory_is_copied_and_the_original_left_alone(void **state)
{
	struct scratch *s = *state;
	struct got got;

	make_folder(s);
	got = get(s, "%s/folder", CONTROL_KIND_AUTO);
	assert_got(&got);
	assert_string_equal(got.result.top, "tree");
	assert_folder(s);
	put(s, "work/tree/sub/a", "2\n");
	assert_content(s, "folder/sub/a", "1\n");
}

static void a_directory_comes_with_rsync_too(void **state)
{
	struct scratch *s = *state;
	struct got got;

	make_folder(s);
	sh(s, "ln -s /etc/passwd folder/out");
	got = get(s, "file://%s/folder", CONTROL_KIND_RSYNC);
	assert_got(&got);
	assert_string_equal(got.result.top, "tree");
	assert_folder(s);
	assert_false(exists(s, "work/tree/out")); /* it leads out */
}

static void what_the_programs_say_is_the_reason(void **state)
{
	struct scratch *s = *state;
	struct got got = get(s, "%s/gone", CONTROL_KIND_RSYNC);

	assert_failed(&got, -EIO, "/gone: rsync: ");
	got = get(s, "%s/gone", CONTROL_KIND_DIR);
	assert_failed(&got, -EIO, "No such file or directory");
	got = get(s, "http://127.0.0.1:1/x", CONTROL_KIND_DIR);
	assert_failed(&got, -EINVAL, "not a directory of this machine");
	assert_int_equal(entries(s, "work"), 0);
}

/* ---- git */

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

static void sha256_of_a_tree_is_refused(void **state)
{
	struct scratch *s = *state;
	CLEANUP(fd_close) int work_fd = open_dir(s, "work");
	const struct control_source source = { .url = s->path,
					       .kind = CONTROL_KIND_DIR,
					       .sha256 = "00" };
	const struct source_job job = { .source = &source,
					.cache_fd = -1,
					.work_fd = work_fd,
					.name = "tree" };
	struct source_result result;
	struct err e = ERR_NONE;

	assert_int_equal(source_get(&job, &result, &e), -EINVAL);
	assert_non_null(strstr(e.text, "sha256 is for archives"));
}

/* ---- URLs */

static void a_url_is_shown_without_user_and_password(void **state)
{
	static const char *const cases[][2] = {
		{ "http://u:p@h/x", "http://h/x" },
		{ "http://u:p@ss@h:1/x@y", "http://h:1/x@y" },
		{ "http://h/x@y", "http://h/x@y" },
		{ "/a@b", "/a@b" },
		{ "git+https://t@h/x", "git+https://h/x" },
		{ "http://h?u=a@b", "http://h?u=a@b" },
		{ "http://h/\x1b[31m", "http://h/?[31m" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		CLEANUP(freep) char *got = url_plain(cases[i][0]);

		assert_string_equal(got, cases[i][1]);
	}
}

static void a_local_path_is_decoded_and_checked(void **state)
{
	CLEANUP(freep) char *a = NULL;
	CLEANUP(freep) char *b = NULL;
	struct err e = ERR_NONE;
	char *none;

	(void)state;
	assert_int_equal(url_local_path("file:///a%20b", &a, &e), 0);
	assert_string_equal(a, "/a b");
	assert_int_equal(url_local_path("/a%20b", &b, &e), 0);
	assert_string_equal(b, "/a%20b");
	assert_int_equal(url_local_path("http://h/a", &none, &e), 0);
	assert_null(none);
	assert_int_equal(url_local_path("file:///a%2", &none, &e), -EINVAL);
	assert_int_equal(url_local_path("file:///a%00b", &none, &e), -EINVAL);
	assert_int_equal(url_local_path("file://h/a", &none, &e), -EINVAL);
}

#define SOURCE_TEST(name) \
	cmocka_unit_test_setup_teardown(name, setup, scratch_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		SOURCE_TEST(a_tarball_s_directory_appears_and_is_named),
		SOURCE_TEST(a_file_url_names_a_tarball_too),
		SOURCE_TEST(several_entries_have_no_top_directory),
		SOURCE_TEST(nothing_of_a_broken_archive_stays),
		SOURCE_TEST(
			a_wrong_digest_is_found_before_anything_is_unpacked),
		SOURCE_TEST(
			what_stood_there_goes_to_the_trash_until_it_is_emptied),
		SOURCE_TEST(
			leftovers_of_the_killed_are_removed_and_those_at_work_left_alone),
		SOURCE_TEST(an_archive_cannot_take_our_own_names),
		SOURCE_TEST(what_is_not_there_is_one_sentence),
		SOURCE_TEST(no_url_is_no_work),
		SOURCE_TEST(a_directory_is_copied_and_the_original_left_alone),
		SOURCE_TEST(a_directory_comes_with_rsync_too),
		SOURCE_TEST(what_the_programs_say_is_the_reason),
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
		SOURCE_TEST(sha256_of_a_tree_is_refused),
		cmocka_unit_test(a_url_is_shown_without_user_and_password),
		cmocka_unit_test(a_local_path_is_decoded_and_checked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
