/* SPDX-License-Identifier: BSD-2-Clause */
#include "unit.h"

#include <dirent.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/child.h"
#include "run/asking.h"

#define SECOND_USEC UINT64_C(1000000)

enum { NOBODY = 65534 };

struct fixture {
	struct loop *loop;
	struct asking *asking;
	const char *refusal; /* what the next one is told; NULL: accepted */
	unsigned int asked;
};

static const char *may(void *arg)
{
	struct fixture *f = arg;

	f->asked++;
	return f->refusal;
}

static void open_for(struct fixture *f, const char *user)
{
	struct err e = ERR_NONE;

	assert_int_equal(asking_open(f->loop, user, may, f, &f->asking, &e), 0);
}

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct err e = ERR_NONE;

	*state = f;
	return loop_new(&f->loop, &e);
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	asking_close(f->asking);
	loop_free(f->loop);
	free(f);
	return 0;
}

/* ---- clients, each in a process of its own ----------------------------- */

static int ask(void *arg, struct err *e)
{
	return asking_ask(arg, e);
}

static int ask_as_nobody(void *arg, struct err *e)
{
	return setuid(NOBODY) < 0 ? err_errno(e, "setuid") : asking_ask(arg, e);
}

static int in_child(struct fixture *f, int (*client)(void *arg, struct err *e),
		    struct err *e)
{
	char name[128];

	snprintf(name, sizeof(name), "%s", asking_name(f->asking));
	return child_call(f->loop, "client", client, name, 60 * SECOND_USEC, e);
}

static void assert_accepted(struct fixture *f)
{
	struct err e = ERR_NONE;

	f->refusal = NULL;
	assert_int_equal(in_child(f, ask, &e), 0);
}

static int connect_by_hand(const char *name, struct err *e)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	size_t length = strlen(name);
	int fd = socket(AF_UNIX, SOCK_SEQPACKET, 0);

	memcpy(address.sun_path + 1, name + 1, length - 1);
	length += offsetof(struct sockaddr_un, sun_path);
	if (fd < 0 || connect(fd, (struct sockaddr *)&address,
			      (socklen_t)length) < 0)
		return err_errno(e, "connect");
	return fd;
}

/* Many at once, that say nothing and hear nothing. */
static int be_silent(void *arg, struct err *e)
{
	for (int i = 0; i < 200; i++) {
		int r = connect_by_hand(arg, e);

		if (r < 0)
			return r;
	}
	return asking_ask(arg, e);
}

static int flood(void *arg, struct err *e)
{
	char garbage[4096] = "reboot";

	for (int i = 0; i < 2000; i++) {
		int fd = connect_by_hand(arg, e);

		if (fd < 0)
			return fd;
		send(fd, garbage, sizeof(garbage), MSG_DONTWAIT | MSG_NOSIGNAL);
		close(fd);
	}
	return 0;
}

static size_t count_descriptors(void)
{
	CLEANUP(dir_closep) DIR *dir = opendir("/proc/self/fd");
	size_t count = 0;

	assert_non_null(dir);
	while (readdir(dir) != NULL)
		count++;
	return count;
}

/* ---- the tests --------------------------------------------------------- */

static void who_may_reboot_is_told_so(void **state)
{
	struct fixture *f = *state;

	open_for(f, NULL);
	assert_int_equal(asking_name(f->asking)[0], '@');
	assert_accepted(f);
	assert_int_equal(f->asked, 1);
}

static void who_may_not_is_told_why(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_NONE;

	open_for(f, NULL);
	f->refusal = "it has rebooted 2 of 2 times";
	assert_int_equal(in_child(f, ask, &e), -EPERM);
	assert_string_equal(e.text, "it has rebooted 2 of 2 times");
}

static void another_user_may_not_ask(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_NONE;

	if (geteuid() != 0)
		skip();
	open_for(f, NULL);
	assert_int_equal(in_child(f, ask_as_nobody, &e), -EPERM);
	assert_non_null(strstr(e.text, "only root and the test's user"));
	assert_int_equal(f->asked, 0);
}

static void the_tests_own_user_may(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_NONE;

	if (geteuid() != 0)
		skip();
	open_for(f, "nobody");
	assert_int_equal(in_child(f, ask_as_nobody, &e), 0);
	assert_int_equal(f->asked, 1);
	assert_accepted(f); /* and so may root */
}

static void clients_that_say_nothing_hold_nobody_up(void **state)
{
	struct fixture *f = *state;
	size_t before;
	struct err e = ERR_NONE;

	open_for(f, NULL);
	assert_accepted(f); /* the loop has what it needs now */
	before = count_descriptors();
	f->refusal = "no";
	assert_int_equal(in_child(f, be_silent, &e), -EPERM);
	assert_string_equal(e.text, "no");
	assert_int_equal(f->asked, 202);
	assert_int_equal(count_descriptors(), before);
}

static void a_flood_leaves_nothing_behind(void **state)
{
	struct fixture *f = *state;
	size_t before;
	struct err e = ERR_NONE;

	open_for(f, NULL);
	assert_accepted(f); /* the loop has what it needs now */
	before = count_descriptors();
	f->refusal = "no";
	assert_int_equal(in_child(f, flood, &e), 0);
	assert_accepted(f);
	assert_int_equal(count_descriptors(), before);
}

static void once_it_is_closed_nobody_is_reached(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_NONE;
	char name[128];

	open_for(f, NULL);
	snprintf(name, sizeof(name), "%s", asking_name(f->asking));
	asking_close(TAKE_PTR(f->asking));
	assert_int_equal(asking_ask(name, &e), -ECONNREFUSED);
	assert_non_null(strstr(e.text, "reach xenruntestsd"));
}

static void a_name_that_is_none_is_told(void **state)
{
	char longer[300] = "@";
	struct err e = ERR_NONE;

	(void)state;
	memset(longer + 1, 'x', sizeof(longer) - 2);
	assert_int_equal(asking_ask("/run/socket", &e), -EINVAL);
	assert_int_equal(asking_ask("", &e), -EINVAL);
	assert_int_equal(asking_ask(longer, &e), -EINVAL);
}

#define ASKING_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		ASKING_TEST(who_may_reboot_is_told_so),
		ASKING_TEST(who_may_not_is_told_why),
		ASKING_TEST(another_user_may_not_ask),
		ASKING_TEST(the_tests_own_user_may),
		ASKING_TEST(clients_that_say_nothing_hold_nobody_up),
		ASKING_TEST(a_flood_leaves_nothing_behind),
		ASKING_TEST(once_it_is_closed_nobody_is_reached),
		ASKING_TEST(a_name_that_is_none_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
