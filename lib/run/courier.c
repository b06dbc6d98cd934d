/* SPDX-License-Identifier: BSD-2-Clause */
#include "run/courier.h"

#include <stdlib.h>
#include <syslog.h>

#include "base/child.h"
#include "base/cleanup.h"

#define SECOND_USEC UINT64_C(1000000)

struct courier {
	struct loop *loop;
	struct share_delivery delivery; /* the next one */
	struct record *record;
	const struct journal *about;

	struct child *child;	   /* delivers; NULL: none */
	struct loop_source *retry; /* armed after a failure */
	uint64_t pause_s;
	uint64_t under_way_bytes; /* of the record, with this child */
	uint64_t there_bytes;	  /* … that are in the share */
	bool wanted;		  /* one more, when this one has ended */
	bool under_way_last;
	bool last_is_there;
	bool trouble; /* the last one failed */
	bool late;    /* had to be given up waiting for */
	int why;      /* of the trouble */
	struct err why_text;

	bool hurried; /* somebody waits, but not through trouble */
	bool over;    /* the wait */
	bool stopped;
};

static void start(struct courier *courier);

/* ---- the end of one ---------------------------------------------------- */

static bool is_all_there(const struct courier *courier)
{
	if (courier->delivery.last)
		return courier->last_is_there;
	return courier->there_bytes >= record_size(courier->record);
}

static void look_whether_over(struct courier *courier)
{
	if (is_all_there(courier) || (courier->hurried && courier->trouble))
		courier->over = true;
}

static void has_arrived(struct courier *courier)
{
	courier->there_bytes = courier->under_way_bytes;
	courier->last_is_there = courier->under_way_last;
	if (courier->trouble || courier->late)
		journal_say(courier->about, JOURNAL_SHARE_TROUBLE, LOG_NOTICE,
			    "The share takes results again");
	courier->trouble = false;
	courier->late = false;
	courier->pause_s = 1;
}

static void has_failed(struct courier *courier)
{
	if (!courier->trouble)
		journal_say(courier->about, JOURNAL_SHARE_TROUBLE, LOG_WARNING,
			    "Results stay here for now, and are tried again: %s",
			    courier->why_text.text);
	courier->trouble = true;
	loop_timer_again(courier->retry, courier->pause_s * SECOND_USEC);
	courier->pause_s *= 2;
	if (courier->pause_s > COURIER_PAUSE_MAX_S)
		courier->pause_s = COURIER_PAUSE_MAX_S;
}

static int set_silent(struct courier *courier, struct err *e)
{
	return err_set(e, -ETIMEDOUT, "%s does not answer",
		       courier->delivery.shared_dir);
}

static void on_delivered(void *arg, const struct child_result *result)
{
	struct courier *courier = arg;

	courier->child = NULL;
	courier->why = result->number;
	if (result->timed_out)
		courier->why = set_silent(courier, &courier->why_text);
	else if (result->number < 0)
		err_set(&courier->why_text, result->number, "%s",
			result->message);
	if (courier->why < 0)
		has_failed(courier);
	else
		has_arrived(courier);
	look_whether_over(courier);
	if (!courier->trouble && courier->wanted)
		start(courier);
}

/* ---- the beginning of one ---------------------------------------------- */

/* In the child, which may live longer than we do. */
static int deliver(void *arg, struct err *e)
{
	struct courier *courier = arg;

	/* Else nobody could take up the record while this one hangs. */
	record_close(courier->record);
	return share_deliver(&courier->delivery, e);
}

static int try_start(struct courier *courier, struct err *e)
{
	struct child_spec spec = CHILD_SPEC_NONE;
	int r;

	/* The share must not know more than we do after a power cut. */
	r = record_sync(courier->record, e);
	if (r < 0)
		return r;
	courier->delivery.record_bytes = record_size(courier->record);
	spec.name = "deliver";
	spec.function = deliver;
	spec.arg = courier;
	spec.limit_usec = COURIER_LIMIT_S * SECOND_USEC;
	spec.kept = true;
	return child_start(courier->loop, &spec, on_delivered, courier,
			   &courier->child, e);
}

static void start(struct courier *courier)
{
	courier->wanted = false;
	loop_timer_again(courier->retry, UINT64_MAX);
	courier->why = try_start(courier, &courier->why_text);
	if (courier->why < 0) {
		has_failed(courier);
		return;
	}
	courier->under_way_bytes = courier->delivery.record_bytes;
	courier->under_way_last = courier->delivery.last;
}

static int on_retry(void *arg)
{
	struct courier *courier = arg;

	if (courier->child == NULL)
		start(courier);
	return 0;
}

static void want(struct courier *courier)
{
	courier->wanted = true;
	if (courier->child == NULL && !courier->trouble)
		start(courier);
}

/* ---- for others -------------------------------------------------------- */

int courier_new(struct loop *loop, const struct share_delivery *delivery,
		struct record *record, const struct journal *about,
		struct courier **ret, struct err *e)
{
	struct courier *courier = calloc(1, sizeof(*courier));
	int r;

	if (courier == NULL)
		return err_set(e, -ENOMEM, "out of memory");
	courier->loop = loop;
	courier->delivery = *delivery;
	courier->record = record;
	courier->about = about;
	courier->pause_s = 1;
	r = loop_timer(loop, UINT64_MAX, on_retry, courier, &courier->retry, e);
	if (r < 0) {
		courier_free(courier);
		return r;
	}
	*ret = courier;
	return 0;
}

void courier_free(struct courier *courier)
{
	if (courier == NULL)
		return;
	if (courier->child != NULL)
		child_abandon(courier->child);
	loop_source_free(courier->retry);
	share_list_freep(&courier->delivery.names);
	free(courier);
}

void courier_send(struct courier *courier)
{
	char **names = NULL;
	struct err e = ERR_NONE;

	if (share_list(courier->delivery.local_fd, &names, &e) < 0) {
		journal_say(courier->about, JOURNAL_PLAIN, LOG_WARNING,
			    "List what is to be delivered: %s", e.text);
	} else {
		share_list_freep(&courier->delivery.names);
		courier->delivery.names = names;
	}
	want(courier);
}

static int on_limit(void *arg)
{
	struct courier *courier = arg;

	courier->over = true;
	return 0;
}

static int wait_for_it(struct courier *courier, uint64_t limit_usec,
		       struct err *e)
{
	CLEANUP(loop_source_freep) struct loop_source *timer = NULL;
	int r;

	r = loop_timer(courier->loop, limit_usec, on_limit, courier, &timer, e);
	if (r < 0)
		return r;
	courier->over = false;
	courier->stopped = false;
	look_whether_over(courier);
	return loop_run(courier->loop, &courier->over, e);
}

bool courier_hurry(struct courier *courier, uint64_t limit_usec)
{
	struct err ignored = ERR_NONE;

	want(courier);
	if (courier->late)
		return is_all_there(courier);
	courier->hurried = true;
	wait_for_it(courier, limit_usec, &ignored);
	courier->hurried = false;
	if (is_all_there(courier))
		return true;
	if (!courier->trouble && !courier->stopped) {
		journal_say(courier->about, JOURNAL_SHARE_TROUBLE, LOG_WARNING,
			    "%s is slow or hangs: tests go on without waiting for it",
			    courier->delivery.shared_dir);
		courier->late = true;
	}
	return false;
}

int courier_settle(struct courier *courier, uint64_t limit_usec, struct err *e)
{
	int r;

	courier_send(courier);
	/* However long the pause would still be: it may be back. */
	if (courier->child == NULL)
		start(courier);
	r = wait_for_it(courier, limit_usec, e);
	if (r < 0)
		return r;
	if (is_all_there(courier))
		return 0;
	if (courier->stopped)
		return err_set(e, -ECANCELED, "stopped");
	if (courier->child != NULL && !courier->trouble)
		return set_silent(courier, e);
	return err_set(e, courier->why < 0 ? courier->why : -EIO, "%s",
		       courier->why_text.text);
}

int courier_finish(struct courier *courier, uint64_t limit_usec, struct err *e)
{
	courier->delivery.last = true;
	return courier_settle(courier, limit_usec, e);
}

void courier_stop(struct courier *courier)
{
	if (courier == NULL)
		return;
	courier->stopped = true;
	courier->over = true;
}
