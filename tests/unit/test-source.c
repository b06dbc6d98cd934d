/* SPDX-License-Identifier: BSD-2-Clause */
#include "sourcing.h"

#include <arpa/inet.h>
#include <poll.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "source/url.h"

/* ---- archives, and how they come into place */

static void make_tarball(const struct scratch *s)
{
	sh(s, "mkdir -p made/suite-1.2 && echo 1 >made/suite-1.2/a && tar -C made -czf suite.tgz suite-1.2");
}

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

/* ---- the program that does it */

static struct got get_with(const struct scratch *s, const char *helper)
{
	CLEANUP(freep) char *usual = strdup(getenv("SOURCE_HELPER"));
	struct got got;

	make_tarball(s);
	setenv("SOURCE_HELPER", helper, 1);
	got = get(s, "%s/suite.tgz", CONTROL_KIND_AUTO);
	setenv("SOURCE_HELPER", usual, 1);
	assert_int_equal(entries(s, "work"), 0);
	return got;
}

static void a_helper_that_is_not_installed_is_one_sentence(void **state)
{
	struct got got = get_with(*state, "/nowhere/xentest-source");

	assert_failed(&got, -ENOPKG,
		      "cannot start /nowhere/xentest-source, which fetches: No such file or directory; install all of xentest");
}

static void a_helper_that_dies_says_how(void **state)
{
	struct scratch *s = *state;
	CLEANUP(freep) char *helper = text_format("%s/helper", s->path);
	struct got got = get_with(s, "/bin/false");

	assert_failed(&got, -EPROTO,
		      "xentest-source ended without an answer, exit status 1");
	put(s, "helper", "#!/bin/sh\nkill -9 $$\n");
	sh(s, "chmod +x helper");
	got = get_with(s, helper);
	assert_failed(&got, -EPROTO,
		      "xentest-source was ended by signal 9 (Killed)");
}

static void an_answer_that_is_none_is_refused(void **state)
{
	struct scratch *s = *state;
	CLEANUP(freep) char *helper = text_format("%s/helper", s->path);
	struct got got;

	put(s, "helper",
	    "#!/bin/bash\njob=$(cat) && fd=${job##*answer_fd\\\":} && echo nonsense >&${fd%%,*}\n");
	sh(s, "chmod +x helper");
	got = get_with(s, helper);
	assert_failed(&got, -EBADMSG, "the answer of xentest-source: ");
}

static void every_byte_of_a_name_arrives(void **state)
{
	struct scratch *s = *state;
	struct got got;

	sh(s, "mkdir 'a%41\xe4 \"' && touch 'a%41\xe4 \"/x' && tar -cf 'b%42\xe4.tar' a*");
	got = get(s, "%s/b%42\xe4.tar", CONTROL_KIND_AUTO);
	assert_got(&got);
	assert_string_equal(got.result.top, "a%41\xe4 \"");
	assert_true(exists(s, "work/a%41\xe4 \"/x"));
}

/* A server that takes connections and says nothing. */
static int listen_silently(char url[static 64])
{
	struct sockaddr_in address = {
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	socklen_t length = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&address, length), 0);
	assert_int_equal(listen(fd, 1), 0);
	assert_int_equal(
		getsockname(fd, (struct sockaddr *)&address, &length), 0);
	snprintf(url, 64, "http://127.0.0.1:%d/x.tgz",
		 ntohs(address.sin_port));
	return fd;
}

static void the_helper_dies_with_whom_it_works_for(void **state)
{
	char url[64], bytes[4096];
	CLEANUP(fd_close) int server = listen_silently(url);
	CLEANUP(fd_close) int client = -1;
	struct pollfd end = { .events = POLLIN };
	pid_t pid = fork();
	ssize_t n;

	if (pid == 0) {
		get(*state, url, CONTROL_KIND_TAR);
		_exit(0);
	}
	client = accept4(server, NULL, NULL, SOCK_CLOEXEC);
	assert_true(read(client, bytes, sizeof(bytes)) > 0); /* its request */
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	end.fd = client;
	assert_int_equal(poll(&end, 1, 20000), 1);
	n = read(client, bytes, sizeof(bytes));
	assert_true(n <= 0);
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
		SOURCE_TEST(sha256_of_a_tree_is_refused),
		SOURCE_TEST(a_helper_that_is_not_installed_is_one_sentence),
		SOURCE_TEST(a_helper_that_dies_says_how),
		SOURCE_TEST(an_answer_that_is_none_is_refused),
		SOURCE_TEST(every_byte_of_a_name_arrives),
		SOURCE_TEST(the_helper_dies_with_whom_it_works_for),
		cmocka_unit_test(a_url_is_shown_without_user_and_password),
		cmocka_unit_test(a_local_path_is_decoded_and_checked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
