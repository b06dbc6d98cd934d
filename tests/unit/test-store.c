/* SPDX-License-Identifier: BSD-2-Clause */
#include "unit.h"

#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "base/file.h"
#include "base/text.h"
#include "xen/store.h"

/*
 * libxenstore itself, talking to tests/daemon/fake-xen/fakexen.py as it would
 * to xenstored's socket.
 */
struct fixture {
	char dir[64];
	pid_t server;
	struct loop *loop;
	struct store *store;

	bool done;
	unsigned int called;
	char path[128]; /* of the last watch event */
};

static const char *server_path(void)
{
	static char path[512];
	const char *slash = strrchr(__FILE__, '/');

	snprintf(path, sizeof(path), "%.*s../daemon/fake-xen/fakexen.py",
		 (int)(slash - __FILE__ + 1), __FILE__);
	return path;
}

static void start_server(struct fixture *f)
{
	char socket_path[128];

	assert_int_equal(access(server_path(), R_OK), 0);
	f->server = fork();
	if (f->server == 0) {
		execlp("python3", "python3", "-B", server_path(), f->dir,
		       NULL);
		_exit(127);
	}
	snprintf(socket_path, sizeof(socket_path), "%s/socket.0", f->dir);
	for (int i = 0; i < 500 && access(socket_path, F_OK) < 0; i++)
		usleep(20000);
	usleep(20000); /* from bind() to listen() */
	setenv("XENSTORED_PATH", socket_path, 1);
}

static int make_loop(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct err e = ERR_NONE;

	strcpy(f->dir, "/tmp/test-store.XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	assert_int_equal(loop_new(&f->loop, &e), 0);
	*state = f;
	return 0;
}

static int set_up(void **state)
{
	struct err e = ERR_NONE;
	struct fixture *f;
	int r;

	make_loop(state);
	f = *state;
	start_server(f);
	r = store_open(f->loop, &f->store, &e);
	if (r < 0)
		print_error("store_open: %s\n", e.text);
	return r;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_NONE;

	store_close(f->store);
	loop_free(f->loop);
	if (f->server > 0) {
		kill(f->server, SIGKILL);
		waitpid(f->server, NULL, 0);
	}
	unsetenv("XENSTORED_PATH");
	file_remove_tree(AT_FDCWD, f->dir, &e);
	free(f);
	return 0;
}

static void put(struct fixture *f, const char *path, const char *text)
{
	struct err e = ERR_NONE;

	assert_int_equal(store_write(f->store, path, text, &e), 0);
}

static void what_was_written_is_read(void **state)
{
	struct fixture *f = *state;
	CLEANUP(freep) char *value = NULL;
	struct err e = ERR_NONE;

	put(f, "/local/domain/3/xentest/run", "20261123-1");
	assert_int_equal(store_read(f->store, "/local/domain/3/xentest/run",
				    10, &value, &e),
			 0);
	assert_string_equal(value, "20261123-1");
}

static void a_value_that_is_too_long_is_refused(void **state)
{
	struct fixture *f = *state;
	char *value = NULL;
	struct err e = ERR_NONE;

	put(f, "/x", "12345");
	assert_int_equal(store_read(f->store, "/x", 4, &value, &e), -EFBIG);
	assert_string_equal(e.text, "/x has 5 bytes, 4 at most");
	assert_null(value);
}

/* As a guest might, which has libraries of its own. */
static void put_nul(struct fixture *f)
{
	static const char program[] =
		"import sys; sys.path.insert(0, sys.argv[1].rsplit('/', 1)[0]); "
		"import fakexen; "
		"fakexen.Store(sys.argv[2]).write('/x', b'a\\0b')";
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		execlp("python3", "python3", "-B", "-c", program, server_path(),
		       f->dir, NULL);
		_exit(127);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void a_value_with_a_nul_byte_is_refused(void **state)
{
	struct fixture *f = *state;
	char *value = NULL;
	struct err e = ERR_NONE;

	put_nul(f);
	assert_int_equal(store_read(f->store, "/x", 9, &value, &e), -EBADMSG);
	assert_string_equal(e.text, "/x has a NUL byte");
}

static void a_missing_node_is_enoent(void **state)
{
	struct fixture *f = *state;
	char *value = NULL;
	struct err e = ERR_NONE;

	assert_int_equal(store_read(f->store, "/nope", 9, &value, &e), -ENOENT);
	assert_string_equal(e.text, "read /nope: No such file or directory");
}

static void too_much_is_not_even_sent(void **state)
{
	struct fixture *f = *state;
	char text[STORE_VALUE_MAX + 2];
	struct err e = ERR_NONE;

	memset(text, 'x', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	assert_int_equal(store_write(f->store, "/x", text, &e), -E2BIG);
	assert_string_equal(e.text, "2049 bytes are too many for /x");
}

static void relative_paths_are_of_this_domain(void **state)
{
	struct fixture *f = *state;
	CLEANUP(freep) char *value = NULL;
	struct err e = ERR_NONE;
	unsigned int domid = 9;

	put(f, STORE_STATE, "{}");
	assert_int_equal(store_read(f->store,
				    "/local/domain/0/data/xentest/state", 9,
				    &value, &e),
			 0);
	assert_int_equal(store_domid(f->store, &domid, &e), 0);
	assert_int_equal(domid, 0);
}

static void names_are_listed(void **state)
{
	struct fixture *f = *state;
	CLEANUP(freep) char **names = NULL;
	struct err e = ERR_NONE;

	put(f, "/local/domain/3/name", "a");
	put(f, "/local/domain/14/name", "b");
	assert_int_equal(store_list(f->store, "/local/domain", &names, &e), 0);
	assert_string_equal(names[0], "0");
	assert_string_equal(names[1], "14");
	assert_string_equal(names[2], "3");
	assert_null(names[3]);
	assert_int_equal(store_list(f->store, "/nope", &names, &e), -ENOENT);
}

static void removing_what_is_not_there_is_fine(void **state)
{
	struct fixture *f = *state;
	char *value = NULL;
	struct err e = ERR_NONE;

	put(f, "/a/b", "x");
	assert_int_equal(store_remove(f->store, "/a", &e), 0);
	assert_int_equal(store_read(f->store, "/a/b", 9, &value, &e), -ENOENT);
	assert_int_equal(store_remove(f->store, "/a", &e), 0);
}

/* ---- watches ----------------------------------------------------------- */

static int on_watch(void *arg, const char *path)
{
	struct fixture *f = arg;

	f->called++;
	snprintf(f->path, sizeof(f->path), "%s", path);
	f->done = true;
	return 0;
}

static int on_late(void *arg)
{
	struct fixture *f = arg;

	f->done = true;
	return 0;
}

/* Until the watch came, or half a second. Return: how often it came. */
static unsigned int wait_for(struct fixture *f)
{
	CLEANUP(loop_source_freep) struct loop_source *timer = NULL;
	struct err e = ERR_NONE;

	f->done = false;
	f->called = 0;
	assert_int_equal(loop_timer(f->loop, 500000, on_late, f, &timer, &e),
			 0);
	assert_int_equal(loop_run(f->loop, &f->done, &e), 0);
	return f->called;
}

static void a_watch_comes_once_at_first_and_with_each_change(void **state)
{
	struct fixture *f = *state;
	struct store_watch *watch = NULL;
	struct err e = ERR_NONE;

	assert_int_equal(store_watch(f->store, "/local/domain/5/data", on_watch,
				     f, &watch, &e),
			 0);
	assert_int_equal(wait_for(f), 1);
	assert_string_equal(f->path, "/local/domain/5/data");
	put(f, "/local/domain/5/data/xentest/state", "x");
	assert_int_equal(wait_for(f), 1);
	assert_string_equal(f->path, "/local/domain/5/data/xentest/state");
	put(f, "/local/domain/6/data/xentest/state", "x");
	assert_int_equal(wait_for(f), 0);
	assert_int_equal(store_remove(f->store, "/local/domain/5", &e), 0);
	assert_int_equal(wait_for(f), 1);
}

static void a_closed_watch_is_silent(void **state)
{
	struct fixture *f = *state;
	struct store_watch *watch = NULL;
	struct err e = ERR_NONE;

	assert_int_equal(store_watch(f->store, "/a", on_watch, f, &watch, &e),
			 0);
	put(f, "/a", "1");
	store_unwatch(watch); /* with two events under way */
	assert_int_equal(wait_for(f), 0);
	put(f, "/a", "2");
	assert_int_equal(wait_for(f), 0);
}

static void two_watches_on_one_node_both_come(void **state)
{
	struct fixture *f = *state;
	struct store_watch *first = NULL;
	struct store_watch *second = NULL;
	struct err e = ERR_NONE;

	assert_int_equal(store_watch(f->store, "/a", on_watch, f, &first, &e),
			 0);
	assert_int_equal(store_watch(f->store, "/a", on_watch, f, &second, &e),
			 0);
	wait_for(f);
	while (wait_for(f) > 0)
		;
	put(f, "/a", "1");
	usleep(100000);
	assert_int_equal(wait_for(f), 2);
	store_unwatch(first);
	put(f, "/a", "2");
	usleep(100000);
	assert_int_equal(wait_for(f), 1);
}

static int unwatch_myself(void *arg, const char *path)
{
	struct store_watch **watch = arg;

	(void)path;
	store_unwatch(*watch);
	*watch = NULL;
	return 0;
}

static void a_watch_may_close_itself(void **state)
{
	struct fixture *f = *state;
	struct store_watch *watch = NULL;
	struct err e = ERR_NONE;

	assert_int_equal(
		store_watch(f->store, "/a", unwatch_myself, &watch, &watch, &e),
		0);
	put(f, "/a", "1");
	wait_for(f);
	assert_null(watch);
}

/* Another domain, so that nothing here waits for its answers. */
static void write_often(struct fixture *f, unsigned int times)
{
	static const char program[] =
		"import sys; sys.path.insert(0, sys.argv[1].rsplit('/', 1)[0]); "
		"import fakexen; s = fakexen.Store(sys.argv[2]); "
		"[s.write('/a', str(i)) for i in range(int(sys.argv[3]))]";
	char number[16];
	pid_t pid = fork();
	int status;

	snprintf(number, sizeof(number), "%u", times);
	if (pid == 0) {
		execlp("python3", "python3", "-B", "-c", program, server_path(),
		       f->dir, number, NULL);
		_exit(127);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

/* More than are taken at once, and each is read by a round trip otherwise. */
static void a_flood_of_changes_comes_as_few_and_the_last_is_not_lost(void **state)
{
	struct fixture *f = *state;
	CLEANUP(freep) char *value = NULL;
	struct store_watch *watch = NULL;
	struct err e = ERR_NONE;
	unsigned int called = 0;
	unsigned int now;

	assert_int_equal(store_watch(f->store, "/a", on_watch, f, &watch, &e),
			 0);
	wait_for(f);
	write_often(f, 3500);
	while ((now = wait_for(f)) > 0)
		called += now;
	assert_in_range(called, 4, 20);
	assert_int_equal(store_read(f->store, "/a", 9, &value, &e), 0);
	assert_string_equal(value, "3499");
}

/* ---- no xenstored ------------------------------------------------------ */

static void without_devices_there_is_no_store(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_NONE;

	if (access("/dev/xen/xenbus", F_OK) == 0)
		skip();
	assert_int_equal(store_open(f->loop, &f->store, &e), -ENOENT);
	assert_string_equal(e.text,
			    "there is no /dev/xen/xenbus: no xenstore here");
}

static void a_xenstored_that_does_not_answer_is_given_up(void **state)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct fixture *f = *state;
	CLEANUP(fd_close) int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	struct err e = ERR_NONE;

	snprintf(address.sun_path, sizeof(address.sun_path), "%.60s/mute",
		 f->dir);
	assert_int_equal(
		bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(fd, 1), 0); /* and nobody accepts */
	setenv("XENSTORED_PATH", address.sun_path, 1);
	assert_int_equal(store_open(f->loop, &f->store, &e), -ETIMEDOUT);
	assert_string_equal(e.text, "xenstored does not answer; is it running?");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
#define TEST_ALONE(name) \
	cmocka_unit_test_setup_teardown(name, make_loop, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_was_written_is_read),
		TEST(a_value_that_is_too_long_is_refused),
		TEST(a_value_with_a_nul_byte_is_refused),
		TEST(a_missing_node_is_enoent),
		TEST(too_much_is_not_even_sent),
		TEST(relative_paths_are_of_this_domain),
		TEST(names_are_listed),
		TEST(removing_what_is_not_there_is_fine),
		TEST(a_watch_comes_once_at_first_and_with_each_change),
		TEST(a_closed_watch_is_silent),
		TEST(two_watches_on_one_node_both_come),
		TEST(a_watch_may_close_itself),
		TEST(a_flood_of_changes_comes_as_few_and_the_last_is_not_lost),
		TEST_ALONE(without_devices_there_is_no_store),
		TEST_ALONE(a_xenstored_that_does_not_answer_is_given_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
