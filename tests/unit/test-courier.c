/* SPDX-License-Identifier: BSD-2-Clause */
#include "scratch.h"

#include "run/courier.h"

#define RUN "20261123-200000-1a2b3c4d"
#define BOOT "11111111-2222-3333-4444-555555555555"
#define SHARED_RECORD "share/bob13/" RUN "/record.jsonl"

/* A domain's directory and a courier from there to "share", which is missing. */
struct fixture {
	struct scratch *scratch;
	struct loop *loop;
	struct record *record;
	struct courier *courier;
	struct journal about;
	char *shared_dir;
	int local_fd;
	struct err e;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct share_delivery delivery = { .name = "bob13", .run = RUN };
	void *scratch;

	if (scratch_setup(&scratch) < 0)
		return -1;
	f->scratch = scratch;
	make_dirs(f->scratch, "local");
	f->local_fd = open_dir(f->scratch, "local");
	assert_true(asprintf(&f->shared_dir, "%s/share", f->scratch->path) > 0);
	delivery.shared_dir = f->shared_dir;
	delivery.local_fd = f->local_fd;
	*state = f;
	if (loop_new(&f->loop, &f->e) < 0 ||
	    record_open(f->local_fd, BOOT, &f->record, NULL, NULL, &f->e) < 0 ||
	    record_add(f->record, record_event("begin"), &f->e) < 0)
		return -1;
	return courier_new(f->loop, &delivery, f->record, &f->about,
			   &f->courier, &f->e);
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	void *scratch = f->scratch;

	courier_free(f->courier);
	record_close(f->record);
	loop_free(f->loop);
	fd_close(&f->local_fd);
	free(f->shared_dir);
	free(f);
	return scratch_teardown(&scratch);
}

static void make_share(const struct fixture *f)
{
	make_dirs(f->scratch, "share");
}

static int on_time(void *arg)
{
	bool *over = arg;

	*over = true;
	return 0;
}

static void run_loop_for(struct fixture *f, unsigned int milliseconds)
{
	CLEANUP(loop_source_freep) struct loop_source *timer = NULL;
	bool over = false;

	assert_int_equal(loop_timer(f->loop, milliseconds * 1000, on_time,
				    &over, &timer, &f->e),
			 0);
	assert_int_equal(loop_run(f->loop, &over, &f->e), 0);
}

/* Waits in the loop, five seconds at most. */
static void assert_arrives(struct fixture *f, const char *path)
{
	for (int i = 0; i < 500 && !exists(f->scratch, path); i++)
		run_loop_for(f, 10);
	assert_true(exists(f->scratch, path));
}

static void assert_record_is_there(const struct fixture *f)
{
	CLEANUP(freep) char *here = NULL;
	struct err e = ERR_NONE;

	assert_int_equal(file_read(f->scratch->fd, "local/record.jsonl", 4096,
				   &here, NULL, &e),
			 0);
	assert_content(f->scratch, SHARED_RECORD, here);
}

static void it_delivers_while_the_loop_goes_on(void **state)
{
	struct fixture *f = *state;

	make_share(f);
	make_dirs(f->scratch, "local/LTP");
	put(f->scratch, "local/LTP/run.log", "ran");
	courier_send(f->courier);
	assert_arrives(f, "share/bob13/" RUN "/LTP/run.log");
	assert_record_is_there(f);
}

static void in_a_hurry_the_record_is_there_at_once(void **state)
{
	struct fixture *f = *state;

	make_share(f);
	assert_true(courier_hurry(f->courier, 5000000));
	assert_record_is_there(f);
	record_add(f->record, record_event("more"), &f->e);
	courier_send(f->courier); /* under way, without what comes now */
	record_add(f->record, record_event("still more"), &f->e);
	assert_true(courier_hurry(f->courier, 5000000));
	assert_record_is_there(f);
}

static void trouble_is_no_reason_to_wait(void **state)
{
	struct fixture *f = *state;
	uint64_t began_usec = loop_now_usec();

	assert_false(courier_hurry(f->courier, 60000000));
	assert_false(courier_hurry(f->courier, 60000000));
	assert_in_range(loop_now_usec() - began_usec, 0, 10000000);
}

static void what_failed_is_tried_again(void **state)
{
	struct fixture *f = *state;

	assert_false(courier_hurry(f->courier, 5000000));
	make_share(f);
	assert_arrives(f, SHARED_RECORD);
	assert_record_is_there(f);
	/* The file is there a moment before the courier knows. */
	for (int i = 0; i < 50 && !courier_hurry(f->courier, 5000000); i++)
		run_loop_for(f, 100);
	assert_true(courier_hurry(f->courier, 5000000));
}

/* When it is tried again, the next test is already writing. */
static void only_what_was_there_then_goes_later(void **state)
{
	struct fixture *f = *state;

	make_dirs(f->scratch, "local/LTP");
	courier_send(f->courier);
	run_loop_for(f, 200);
	make_dirs(f->scratch, "local/fio");
	make_share(f);
	assert_arrives(f, "share/bob13/" RUN "/LTP");
	run_loop_for(f, 200);
	assert_true(exists(f->scratch, "local/fio"));
	courier_send(f->courier);
	assert_arrives(f, "share/bob13/" RUN "/fio");
}

static void the_end_is_waited_for_only_so_long(void **state)
{
	struct fixture *f = *state;
	uint64_t began_usec = loop_now_usec();
	int r = courier_finish(f->courier, 1500000, &f->e);

	assert_int_equal(r, -ENOENT);
	assert_non_null(strstr(f->e.text, "/share: No such file"));
	assert_in_range(loop_now_usec() - began_usec, 1500000, 10000000);

	make_share(f);
	make_dirs(f->scratch, "share/bob13");
	put(f->scratch, "share/bob13/xentests.conf", "text");
	assert_int_equal(courier_finish(f->courier, UINT64_MAX, &f->e), 0);
	assert_record_is_there(f);
	assert_false(exists(f->scratch, "share/bob13/xentests.conf"));
}

static int on_stop(void *arg)
{
	courier_stop(arg);
	return 0;
}

static void a_stop_ends_the_wait(void **state)
{
	struct fixture *f = *state;
	CLEANUP(loop_source_freep) struct loop_source *timer = NULL;

	assert_int_equal(loop_timer(f->loop, 300000, on_stop, f->courier,
				    &timer, &f->e),
			 0);
	assert_int_equal(courier_finish(f->courier, UINT64_MAX, &f->e),
			 -ECANCELED);
}

static void freed_while_it_delivers_it_leaves_nobody(void **state)
{
	struct fixture *f = *state;

	make_share(f);
	courier_send(f->courier);
	courier_free(TAKE_PTR(f->courier));
	run_loop_for(f, 50);
}

#define COURIER_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		COURIER_TEST(it_delivers_while_the_loop_goes_on),
		COURIER_TEST(in_a_hurry_the_record_is_there_at_once),
		COURIER_TEST(trouble_is_no_reason_to_wait),
		COURIER_TEST(what_failed_is_tried_again),
		COURIER_TEST(only_what_was_there_then_goes_later),
		COURIER_TEST(the_end_is_waited_for_only_so_long),
		COURIER_TEST(a_stop_ends_the_wait),
		COURIER_TEST(freed_while_it_delivers_it_leaves_nobody),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
