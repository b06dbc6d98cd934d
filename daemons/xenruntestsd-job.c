/* SPDX-License-Identifier: BSD-2-Clause */
#include "xenruntestsd.h"

#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <syslog.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/notify.h"
#include "base/text.h"
#include "boot/reboot.h"
#include "run/courier.h"
#include "run/share.h"
#include "source/source.h"

#define SECOND_USEC UINT64_C(1000000)

enum {
	CLEAN_LIMIT_S = 10 * 60,
	FETCH_LIMIT_S = 60,
	BEGUN_LIMIT_S = 30, /* a share that hangs delays one test by this */
	STOP_LIMIT_S = 10,  /* of the unit's TimeoutStopSec */
	REBOOT_LIMIT_S = 60, /* for dom0's record, which is on its disk anyway */
	FINISH_LIMIT_S = 10 * 60, /* until dom0 is told not to wait */
};

/* ---- telling how far it is --------------------------------------------- */

static void put_state(const struct job *job, const char *state,
		      const struct testing *testing)
{
	CLEANUP(json_freep) struct json *object = json_object_new();
	CLEANUP(freep) char *text = NULL;
	struct err ignored = ERR_NONE;

	if (job->store == NULL)
		return;
	json_set_string(object, "run", job->run);
	json_set_string(object, "state", state);
	if (testing != NULL)
		json_set_string(object, "domain", testing->domain->name);
	if (testing != NULL && testing->step != NULL) {
		json_set_string(object, "test",
				testing->fold->entries[testing->entry].test);
		json_set_string(object, "step", testing->step);
		json_set_int(object, "iteration", testing->iteration);
	}
	if (testing != NULL) {
		json_set_int(object, "index", (int64_t)testing->entry + 1);
		json_set_int(object, "count",
			     (int64_t)testing->domain->entry_count);
	}
	text = json_print(object, JSON_ONE_LINE);
	/* Progress is a courtesy: the record is what counts. */
	if (text != NULL)
		store_write(job->store, STORE_STATE, text, &ignored);
}

/* ---- bringing results to the share ------------------------------------- */

static struct share_delivery delivery_of(const struct job *job)
{
	return (struct share_delivery){
		.shared_dir = job->shared_dir,
		.name = job->testing.domain->name,
		.run = job->run,
		.local_fd = job->testing.local_fd,
	};
}

static void on_progress(void *arg, const struct testing *testing)
{
	const struct fold_entry *entry = &testing->fold->entries[testing->entry];
	struct job *job = arg;

	if (testing->step != NULL) {
		notify_status("%s: %s, test %zu of %zu", testing->about.test,
			      testing->step, testing->entry + 1,
			      testing->domain->entry_count);
		put_state(job, "testing", testing);
	} else if (job->courier == NULL) {
		return;
	} else if (entry->state != FOLD_RUNNING) {
		courier_send(job->courier);
	} else if (!job->in_dom0) {
		/*
		 * A guest may have no disk, and find only in the share that a
		 * test had begun when it went down. dom0 has one.
		 */
		courier_hurry(job->courier, BEGUN_LIMIT_S * SECOND_USEC);
	}
}

/* For ever, in a guest: what it has is nowhere else. */
static void deliver_late(struct job *job)
{
	struct err e = ERR_NONE;

	if (job->in_dom0 || courier_finish(job->courier, UINT64_MAX, &e) < 0)
		return;
	journal_say(&job->testing.about, JOURNAL_SHARE_TROUBLE, LOG_NOTICE,
		    "Results have reached the share, late");
	put_state(job, "done", &job->testing);
}

/* ---- the job ----------------------------------------------------------- */

static int on_pause_over(void *arg)
{
	struct job *job = arg;

	job->paused = true;
	return 0;
}

static int pause_for(struct job *job, uint64_t seconds, struct err *e)
{
	CLEANUP(loop_source_freep) struct loop_source *timer = NULL;
	int r;

	job->paused = job->stopping;
	r = loop_timer(job->loop, seconds * SECOND_USEC, on_pause_over, job,
		       &timer, e);
	return r < 0 ? r : loop_run(job->loop, &job->paused, e);
}

static int fetch_record(struct job *job, struct err *e)
{
	struct share_delivery delivery = delivery_of(job);
	struct child_spec spec = CHILD_SPEC_NONE;
	struct child_result result;
	int r;

	spec.name = "fetch the record";
	spec.function = share_fetch_record;
	spec.arg = &delivery;
	spec.limit_usec = FETCH_LIMIT_S * SECOND_USEC;
	spec.kept = true;
	r = child_run(job->loop, &spec, &job->testing.current, &result, e);
	if (r < 0)
		return r;
	if (result.timed_out)
		return err_set(e, -ETIMEDOUT, "%s does not answer",
			       job->shared_dir);
	return result.number < 0 ?
		       err_set(e, result.number, "%s", result.message) :
		       0;
}

/*
 * A guest without a disk of its own lost its record: the share may have it.
 * As long as nobody knows, nothing is run, for it could be for a second time.
 */
static int seed_record(struct job *job, struct err *e)
{
	uint64_t pause_s = 1;

	if (job->in_dom0 || job->once ||
	    faccessat(job->testing.local_fd, RECORD_NAME, F_OK,
		      AT_SYMLINK_NOFOLLOW) == 0)
		return 0;
	for (;;) {
		struct err why = ERR_NONE;
		int r;

		if (fetch_record(job, &why) == 0)
			return 0;
		if (pause_s == 1)
			journal_say(&job->testing.about, JOURNAL_SHARE_TROUBLE,
				    LOG_WARNING,
				    "Waiting to know whether tests have run before: %s",
				    why.text);
		put_state(job, "waiting", NULL);
		r = pause_for(job, pause_s, e);
		if (r < 0)
			return r;
		if (job->stopping)
			return err_set(e, -ECANCELED, "stopped");
		if (pause_s < COURIER_PAUSE_MAX_S)
			pause_s *= 2;
	}
}

static int open_local(struct job *job, const char *name, struct err *e)
{
	CLEANUP(fd_close) int base_fd = -1;
	CLEANUP(freep) char *path = NULL;
	int r;

	if (job->once) {
		path = text_format("%s/%s", name, job->run);
		r = file_open_dir(AT_FDCWD, job->shared_dir, &base_fd, e);
	} else {
		path = text_format(PATH_STATE_DIR "/runs/%s/%s", job->run,
				   name);
		base_fd = dup(job->root_fd);
		r = base_fd < 0 ? err_errno(e, "duplicate a descriptor") : 0;
	}
	if (r < 0)
		return r;
	if (path == NULL)
		return err_set(e, -ENOMEM, "out of memory");
	return file_make_dirs_synced(base_fd, path, 0755,
				     &job->testing.local_fd, e);
}

static int open_temp(struct job *job, const char *tempdir, struct err *e)
{
	CLEANUP(fd_close) int root_fd = -1;
	int r;

	if (file_open_dir(AT_FDCWD, tempdir, &job->testing.temp_fd, e) == 0)
		return 0;
	r = file_open_dir(AT_FDCWD, "/", &root_fd, e);
	if (r == 0)
		r = file_make_dirs(root_fd, tempdir, 0755,
				   &job->testing.temp_fd, e);
	return r;
}

static int open_cache(struct job *job, struct err *e)
{
	if (job->once) {
		job->testing.cache_fd = -1;
		return 0;
	}
	return file_make_dirs(job->root_fd, PATH_STATE_DIR "/cache", 0700,
			      &job->testing.cache_fd, e);
}

static struct json *plan_event(const struct control_domain *domain)
{
	struct json *event = record_event("plan");
	struct json *tests = json_array_new();

	for (size_t i = 0; i < domain->entry_count; i++)
		json_append(tests,
			    json_string_new(domain->entries[i].test->name));
	json_set(event, "tests", tests);
	return event;
}

static int note_begin(struct job *job, struct err *e)
{
	const struct control_domain *domain = job->testing.domain;
	struct json *event = record_event("domain");
	int r;

	json_set_string(event, "run", job->run);
	json_set_string(event, "domain", domain->name);
	json_set_string(event, "hostname", job->hostname);
	json_set_string(event, "system",
			job->once    ? "bare" :
			job->in_dom0 ? "dom0" :
				       "guest");
	r = record_add(job->testing.record, event, e);
	return r < 0 ? r :
		       record_add(job->testing.record, plan_event(domain), e);
}

static int open_record(struct job *job, struct err *e)
{
	int r;

	r = fold_new(job->testing.domain, &job->testing.fold, e);
	if (r == 0)
		r = run_boot_id(job->boot_id, e);
	if (r < 0)
		return r;
	r = seed_record(job, e);
	if (r < 0)
		return r;
	r = record_open(job->testing.local_fd, job->boot_id,
			&job->testing.record, fold_event, job->testing.fold, e);
	if (r < 0 || record_length(job->testing.record) > 0)
		return r;
	return note_begin(job, e);
}

static int open_courier(struct job *job, struct err *e)
{
	struct share_delivery delivery = delivery_of(job);
	int r = courier_new(job->loop, &delivery, job->testing.record,
			    &job->testing.about, &job->courier, e);

	/* What was here before, and no test is running yet. */
	if (r == 0)
		courier_send(job->courier);
	return r;
}

static int prepare(struct job *job, const struct control_domain *domain,
		   struct err *e)
{
	int r;

	job->testing.loop = job->loop;
	job->testing.domain = domain;
	job->testing.hostname = job->hostname;
	job->testing.shared_dir = job->shared_dir;
	job->testing.boot_id = job->boot_id;
	job->testing.no_reboots =
		job->once ? "this is xenruntestsd --once" : NULL;
	job->testing.death = job->died ? &job->death : NULL;
	job->testing.about = (struct journal){ .run = job->run,
					       .domain = domain->name };
	job->testing.progress = on_progress;
	job->testing.arg = job;
	r = open_local(job, domain->name, e);
	if (r == 0)
		r = open_temp(job, domain->tempdir, e);
	if (r == 0)
		r = open_cache(job, e);
	if (r == 0)
		r = open_record(job, e);
	if (r == 0 && !job->once)
		r = open_courier(job, e);
	return r;
}

static int load_control(struct job *job, struct err *e)
{
	struct control_report report = { 0 };
	int r;

	r = control_load(job->control_bytes, job->control_length,
			 SHARE_CONTROL, &report, &job->control, e);
	if (r == -EINVAL) {
		control_report_print(&report, stderr);
		err_set(e, r, "the control file has errors");
	}
	control_report_done(&report);
	return r;
}

static int note_done(struct job *job, struct err *e)
{
	int r;

	if (job->testing.fold->done)
		return 0;
	r = record_add(job->testing.record, record_event("done"), e);
	return r < 0 ? r : record_sync(job->testing.record, e);
}

static void say_done(const struct job *job)
{
	const struct fold *fold = job->testing.fold;
	size_t good = 0;

	for (size_t i = 0; i < fold->count; i++)
		good += fold_is_good(&fold->entries[i]) ? 1 : 0;
	journal_say(&job->testing.about, JOURNAL_DOMAIN_DONE, LOG_NOTICE,
		    "Done: %zu of %zu tests good", good, fold->count);
	notify_status("Done: %zu of %zu tests good", good, fold->count);
}

static int clean_temp(void *arg, struct err *e)
{
	const struct job *job = arg;

	return source_clean(job->testing.temp_fd, e);
}

/* Trees that a later one replaced: best removed at the end, in one go. */
static void remove_trash(struct job *job)
{
	struct err e = ERR_NONE;

	if (child_call(job->loop, "clean up", clean_temp, job,
		       CLEAN_LIMIT_S * SECOND_USEC, &e) < 0)
		journal_say(&job->testing.about, JOURNAL_PLAIN, LOG_WARNING,
			    "Trash stays in %s: %s",
			    job->testing.domain->tempdir, e.text);
}

static int finish(struct job *job, struct err *e)
{
	struct err trouble = ERR_NONE;
	int r;

	r = note_done(job, e);
	if (r < 0)
		return r;
	say_done(job);
	put_state(job, "delivering", &job->testing);
	r = job->courier == NULL ? 0 :
				   courier_finish(job->courier,
						  FINISH_LIMIT_S * SECOND_USEC,
						  &trouble);
	if (r == -ECANCELED)
		return err_set(e, r, "stopped");
	if (r < 0)
		journal_say(&job->testing.about, JOURNAL_SHARE_TROUBLE, LOG_ERR,
			    "Results did not reach the share and stay in "
			    "/" PATH_STATE_DIR "/runs/%s/%s: %s",
			    job->run, job->testing.domain->name, trouble.text);
	put_state(job, r < 0 ? "undelivered" : "done", &job->testing);
	remove_trash(job);
	if (r < 0)
		deliver_late(job);
	return 0;
}

/* As testing_run(). */
static int run_list(struct job *job, struct err *e)
{
	int r;

	if (job->testing.fold->done)
		return 0;
	r = testing_run(&job->testing, e);
	/* On the way down, a guest without a disk has nothing but the share. */
	if (r < 0 && job->courier != NULL)
		courier_hurry(job->courier, STOP_LIMIT_S * SECOND_USEC);
	return r;
}

/*
 * The test that asked for it goes on in the next boot. A guest reboots by
 * itself; dom0 does so when all its guests are done, by xenstartdomsd.
 */
static int go_down(struct job *job, struct err *e)
{
	int r = 0;

	notify_status("%s: waits for the reboot that it asked for",
		      job->testing.fold->entries[job->testing.entry].test);
	if (job->in_dom0) {
		courier_send(job->courier);
		courier_hurry(job->courier,
			      (job->stopping ? STOP_LIMIT_S : REBOOT_LIMIT_S) *
				      SECOND_USEC);
	} else if (!job->stopping) {
		/* Its disk may forget: then the share has to know all of it. */
		put_state(job, "delivering", &job->testing);
		r = courier_settle(job->courier, FINISH_LIMIT_S * SECOND_USEC,
				   e);
	}
	if (job->stopping)
		return err_set(e, -ECANCELED, "stopped");
	if (r < 0)
		return err_wrap(e, r, "reboot, with results that are here alone");
	put_state(job, "rebooting", &job->testing);
	return job->in_dom0 ? 0 : reboot_now(e);
}

int job_run(struct job *job, struct err *e)
{
	const struct journal about = { .run = job->run };
	const struct control_domain *domain;
	int r;

	if (job->delivered) {
		put_state(job, "done", NULL);
		return 0;
	}
	r = load_control(job, e);
	if (r < 0)
		return r;
	domain = control_find_domain(job->control, job->hostname);
	if (domain == NULL) {
		journal_say(&about, JOURNAL_PLAIN, LOG_NOTICE,
			    "The control file has no section for \"%s\": "
			    "nothing to run",
			    job->hostname);
		return 0;
	}
	job->testing.control = job->control;
	r = prepare(job, domain, e);
	if (r == 0)
		r = run_list(job, e);
	if (r == 0)
		r = finish(job, e);
	else if (r > 0)
		r = go_down(job, e);
	/* Needs the loop. */
	courier_free(TAKE_PTR(job->courier));
	return r;
}

void job_stop(struct job *job)
{
	job->stopping = true;
	job->woken = true;
	job->paused = true;
	testing_stop(&job->testing);
	courier_stop(job->courier);
}

void job_done(struct job *job)
{
	record_close(job->testing.record);
	fold_free(job->testing.fold);
	fd_close(&job->testing.local_fd);
	fd_close(&job->testing.temp_fd);
	fd_close(&job->testing.cache_fd);
	control_free(job->control);
	free(job->shared_dir);
	free(job->control_bytes);
}
