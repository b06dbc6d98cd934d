/* SPDX-License-Identifier: BSD-2-Clause */
#include "run/iteration.h"

#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <syslog.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/text.h"
#include "run/asking.h"
#include "run/collect.h"
#include "run/environment.h"
#include "run/obtain.h"
#include "run/step.h"

enum {
	COLLECT_LIMIT_S = 15 * 60,
	TAIL_LINES = 5,
};

/* One iteration of one line of the list, while it runs. */
struct iteration {
	struct testing *testing;
	const struct control_entry *entry;
	const struct control_test *test;
	int result_fd; /* LOCAL/TEST/ */
	int dir_fd;    /* tempdir/test_dir, once it is there */
	bool begun;    /* its first step */
	bool resumed;  /* after a reboot that it asked for */
	struct asking *asking; /* while it runs, it may ask for one */
	char refusal[64];      /* what it was told */
	char dir_name[CONTROL_NAME_MAX + 64];

	/* How it ended; goes into the "ended" event. */
	const char *outcome;
	const char *failed_step;
	char message[256];
	struct step_result run;
};

/* ---- the record -------------------------------------------------------- */

int iteration_note(struct testing *testing, struct json *event,
		   struct err *e)
{
	fold_event(testing->fold, event);
	return record_add(testing->record, event, e);
}

struct json *iteration_event(const struct testing *testing, const char *name)
{
	struct json *event = record_event(name);

	json_set_int(event, "entry", (int64_t)testing->entry);
	json_set_int(event, "iteration", testing->iteration);
	return event;
}

static void set_status(struct json *event, const struct step_result *step)
{
	const struct child_result *result = &step->child;

	if (result->timed_out)
		json_set_bool(event, "timed_out", true);
	if (result->term_signal != 0)
		json_set_int(event, "signal", result->term_signal);
	else
		json_set_int(event, "exit_status", result->exit_status);
}

static int note_step(const struct iteration *it, const char *step,
		     const struct step_result *result, const char *message,
		     struct err *e)
{
	struct json *event = iteration_event(it->testing, "step");

	json_set_string(event, "step", step);
	set_status(event, result);
	json_set_string(event, "message", message);
	json_set_int(event, "wall_usec", (int64_t)result->child.wall_usec);
	json_set_int(event, "cpu_usec", (int64_t)result->child.cpu_usec);
	json_set_int(event, "memory_max_kib",
		     (int64_t)result->child.memory_max_kib);
	step_note(event, result);
	return iteration_note(it->testing, event, e);
}

/* With the test's start: one sync fewer for a test that has but one step. */
static const char *first_step(const struct control_test *test)
{
	return test->source.url != NULL	     ? "fetch" :
	       test->build_command != NULL   ? "build" :
	       test->install_command != NULL ? "install" :
					       "run";
}

/* A crash of the machine is charged to the step that the record shows. */
static int note_begin(struct iteration *it, const char *step, struct err *e)
{
	struct json *event;
	int r;

	if (!it->begun) {
		it->begun = true;
		return 0;
	}
	event = iteration_event(it->testing, "begin");
	json_set_string(event, "step", step);
	r = iteration_note(it->testing, event, e);
	return r < 0 ? r : record_sync(it->testing->record, e);
}

static int note_started(const struct iteration *it, struct err *e)
{
	struct json *event = iteration_event(it->testing, "test");
	int r;

	json_set_string(event, "test", it->test->name);
	json_set_string(event, "dir", it->dir_name);
	json_set_string(event, "state", "started");
	json_set_string(event, "step", first_step(it->test));
	r = iteration_note(it->testing, event, e);
	/* Without this a power cut could have the test run twice. */
	return r < 0 ? r : record_sync(it->testing->record, e);
}

static int note_reboot(const struct iteration *it, const char *state,
		       unsigned int number, struct err *e)
{
	struct json *event = iteration_event(it->testing, "test");
	int r;

	json_set_string(event, "test", it->test->name);
	json_set_string(event, "state", state);
	json_set_int(event, "reboot", number);
	json_set_string(event, "step", "run");
	r = iteration_note(it->testing, event, e);
	return r < 0 ? r : record_sync(it->testing->record, e);
}

static int note_ended(const struct iteration *it, struct err *e)
{
	struct json *event = iteration_event(it->testing, "test");
	bool ran = strcmp(it->outcome, "step failed") != 0;

	json_set_string(event, "test", it->test->name);
	json_set_string(event, "state", "ended");
	json_set_string(event, "outcome", it->outcome);
	if (ran)
		set_status(event, &it->run);
	if (ran && it->run.stalled)
		json_set_bool(event, "stalled", true);
	if (ran && it->entry->expect.given)
		json_set_bool(event, "expected",
			      strcmp(it->outcome, "exited") == 0 &&
				      control_expects(&it->entry->expect,
						      it->run.child.exit_status));
	json_set_string(event, "step", ran ? "run" : it->failed_step);
	if (it->message[0] != '\0')
		json_set_string(event, "message", it->message);
	return iteration_note(it->testing, event, e);
}

/* ---- the journal ------------------------------------------------------- */

static void say_tail(const struct iteration *it, const char *log)
{
	CLEANUP(freep) char *tail = NULL;
	struct err ignored = ERR_NONE;
	char *rest;
	const char *line;

	if (file_tail(it->result_fd, log, TAIL_LINES, &tail, &ignored) < 0)
		return;
	rest = tail;
	while ((line = strsep(&rest, "\n")) != NULL)
		if (line[0] != '\0')
			journal_say(&it->testing->about, JOURNAL_PLAIN,
				    LOG_INFO, "  %s", line);
}

static bool went_well(const struct step_result *result)
{
	return result->child.exit_status == 0 && !result->child.timed_out;
}

static void say_step(const struct iteration *it, const char *step,
		     const struct step_result *result, const char *message,
		     const char *log)
{
	bool good = went_well(result);
	char took[32];

	journal_say(&it->testing->about, JOURNAL_STEP_ENDED,
		    good ? LOG_INFO : LOG_NOTICE, "%s: %s (%s)", step, message,
		    text_duration(took, result->child.wall_usec));
	if (!good)
		say_tail(it, log);
}

/* ---- one step ---------------------------------------------------------- */

static unsigned int reboot_of(const struct iteration *it)
{
	return it->testing->fold->entries[it->testing->entry].reboot;
}

/* For the run step alone. */
static void set_reboot(const struct iteration *it,
		       struct environment *environment)
{
	char number[16];

	snprintf(number, sizeof(number), "%u", reboot_of(it));
	environment_set(environment, ASKING_VARIABLE,
			it->asking == NULL ? NULL : asking_name(it->asking));
	environment_set(environment, "XENTEST_REBOOT",
			it->asking == NULL || reboot_of(it) == 0 ? NULL :
								   number);
}

static void set_environment(const struct iteration *it,
			    struct environment *environment)
{
	const struct testing *testing = it->testing;
	const struct control_domain *domain = testing->domain;
	const char *log_dir = it->test->log_dir;
	CLEANUP(freep) char *full = NULL;
	char iteration[16];

	snprintf(iteration, sizeof(iteration), "%u", testing->iteration);
	if (log_dir != NULL && log_dir[0] != '/')
		full = text_format("%s/%s", domain->tempdir, log_dir);
	environment_init(environment);
	environment_set(environment, "XENTEST_TEST", it->test->name);
	environment_set(environment, "XENTEST_DOMAIN", domain->name);
	environment_set(environment, "XENTEST_HOSTNAME", testing->hostname);
	environment_set(environment, "XENTEST_TEMPDIR", domain->tempdir);
	environment_set(environment, "XENTEST_LOGDIR",
			full == NULL ? log_dir : full);
	environment_set(environment, "XENTEST_SHARED", testing->shared_dir);
	environment_set(environment, "XENTEST_ITERATION", iteration);
	set_reboot(it, environment);
	environment_add(environment,
			testing->control->preferences.environment);
	environment_add(environment, domain->environment);
	environment_add(environment, it->test->environment);
}

static uint64_t usec_of(uint64_t seconds)
{
	return seconds >= UINT64_MAX / 1000000 ? UINT64_MAX : seconds * 1000000;
}

static void announce(struct testing *testing, const char *step)
{
	testing->step = step;
	testing->about.step = step;
	if (testing->progress != NULL)
		testing->progress(testing->arg, testing);
}

static uint64_t stall_usec(const struct iteration *it, const char *step)
{
	return strcmp(step, "run") == 0 ? usec_of(it->test->stall_timeout_s) :
					  UINT64_MAX;
}

/* Once for each test, not for each of its steps. */
static void say_limits(const struct iteration *it, const char *step,
		       const struct step_result *result)
{
	if (strcmp(step, "run") == 0 &&
	    (result->child.memory_unlimited || result->child.tasks_unlimited))
		journal_say(&it->testing->about, JOURNAL_PLAIN, LOG_WARNING,
			    "its memory_limit or tasks_limit had no effect: no control group for it");
}

/*
 * Each boot has a log of its own: where a guest's disk forgets, what was
 * written before the reboot lies in the share by now.
 */
static void name_log(const struct iteration *it, const char *step,
		     char log[static 32])
{
	if (it->asking == NULL || reboot_of(it) == 0)
		snprintf(log, 32, "%s.log", step);
	else
		snprintf(log, 32, "%s.%u.log", step, reboot_of(it));
}

/* From here on the test goes on only after the reboot. */
static int go_down(struct iteration *it, const char *step,
		   const struct step_result *result, struct err *e)
{
	unsigned int number = reboot_of(it) + 1;
	int r;

	r = note_step(it, step, result, "ended, to reboot as it asked", e);
	if (r == 0)
		r = note_reboot(it, "rebooting", number, e);
	if (r < 0)
		return r;
	journal_say(&it->testing->about, JOURNAL_REBOOTING, LOG_NOTICE,
		    "Asked for a reboot, number %u of %u at most", number,
		    it->test->reboots);
	return 1;
}

/*
 * Runs @spec as @step with its output in STEP.log. Answers 1 when it asked for
 * a reboot; -ECANCELED when we were told to stop: the record shows the test as
 * begun then.
 */
static int run_step(struct iteration *it, const char *step,
		    struct child_spec *spec, struct step_result *result,
		    struct err *e)
{
	struct testing *testing = it->testing;
	char log[32];
	struct step how = {
		.loop = testing->loop,
		.spec = spec,
		.result_fd = it->result_fd,
		.log = log,
		.output_limit_bytes = it->test->output_limit_bytes,
		.stall_usec = stall_usec(it, step),
		.current = &testing->current,
	};
	char message[256];
	int r;

	name_log(it, step, log);
	r = note_begin(it, step, e);
	if (r < 0)
		return r;
	announce(testing, step);
	spec->name = step;
	r = step_run(&how, result, e);
	if (r < 0)
		return r;
	if (testing->rebooting)
		return go_down(it, step, result, e);
	if (testing->stopping)
		return err_set(e, -ECANCELED, "stopped");
	step_describe(result, spec->function == NULL ? NULL : "done",
		      how.stall_usec, message);
	say_step(it, step, result, message, log);
	say_limits(it, step, result);
	return note_step(it, step, result, message, e);
}

static int run_command(struct iteration *it, const char *step,
		       const char *command, uint64_t limit_s,
		       struct step_result *result, struct err *e)
{
	const char *const argv[] = { "/bin/sh", "-c", command, NULL };
	struct child_spec spec = CHILD_SPEC_NONE;
	struct environment environment;
	bool building = strcmp(step, "build") == 0 ||
			strcmp(step, "install") == 0;
	int r;

	set_environment(it, &environment);
	if (building) {
		unsigned int jobs = it->test->jobs;

		if (jobs == 0)
			jobs = it->testing->control->preferences.jobs;
		environment_set_jobs(&environment, jobs);
	}
	spec.argv = argv;
	spec.environment = (const char *const *)environment.entries;
	spec.dir_fd = it->dir_fd;
	spec.limit_usec = usec_of(limit_s);
	spec.memory_limit_bytes = it->test->memory_limit_bytes;
	spec.tasks_limit = it->test->tasks_limit;
	if (strcmp(step, "run") == 0)
		spec.user = it->test->user;
	r = environment.failed;
	if (r < 0)
		err_set(e, r, "out of memory");
	else
		r = run_step(it, step, &spec, result, e);
	environment_done(&environment);
	return r;
}

/* ---- the steps --------------------------------------------------------- */

/* This test goes no further. Returns 0: the list goes on. */
static int fail(struct iteration *it, const char *step, const char *message)
{
	it->outcome = "step failed";
	it->failed_step = step;
	snprintf(it->message, sizeof(it->message), "%s", message);
	return 0;
}

static int fetch(struct iteration *it, struct err *e)
{
	struct obtain_job job = {
		.source = &it->test->source,
		.test_dir = it->test->test_dir,
		.temp_fd = it->testing->temp_fd,
		.cache_fd = it->testing->cache_fd,
		.retries = it->test->retries,
	};
	struct child_spec spec = CHILD_SPEC_NONE;
	struct step_result result;
	char message[256];
	int r;

	if (it->test->source.url == NULL)
		return 0;
	spec.function = obtain;
	spec.arg = &job;
	spec.limit_usec = usec_of(it->test->build_timeout_s);
	r = run_step(it, "fetch", &spec, &result, e);
	if (r < 0)
		return r;
	step_describe(&result, NULL, UINT64_MAX, message);
	return went_well(&result) ? 0 : fail(it, "fetch", message);
}

static int enter_dir(struct iteration *it)
{
	const char *dir = it->test->test_dir;
	struct err e = ERR_NONE;

	if (file_open_dir(it->testing->temp_fd, dir == NULL ? "." : dir,
			  &it->dir_fd, &e) < 0)
		return fail(it, "fetch", e.text);
	return 0;
}

static int build(struct iteration *it, const char *step, const char *command,
		 unsigned int retries, struct err *e)
{
	struct step_result result;
	char message[256];
	int r;

	if (command == NULL || it->outcome != NULL)
		return 0;
	do {
		r = run_command(it, step, command, it->test->build_timeout_s,
				&result, e);
		if (r < 0)
			return r;
	} while (!went_well(&result) && retries-- > 0);
	step_describe(&result, NULL, UINT64_MAX, message);
	return went_well(&result) ? 0 : fail(it, step, message);
}

static int prepare_logs(struct iteration *it)
{
	struct err e = ERR_NONE;

	if (it->test->log_dir == NULL)
		return 0;
	if (collect_prepare(it->testing->temp_fd, it->test->log_dir,
			    it->test->user, &e) < 0)
		return fail(it, "prepare", e.text);
	return 0;
}

static int prepare(struct iteration *it, struct err *e)
{
	int r;

	r = it->testing->iteration == 1 ? fetch(it, e) : 0;
	if (r == 0 && it->outcome == NULL)
		r = enter_dir(it);
	/* Fetched before: it may lie in the tree that came. */
	if (r == 0 && it->outcome == NULL)
		r = prepare_logs(it);
	if (r == 0 && it->testing->iteration == 1)
		r = build(it, "build", it->test->build_command,
			  it->test->retries, e);
	if (r == 0 && it->testing->iteration == 1)
		r = build(it, "install", it->test->install_command, 0, e);
	return r;
}

/* After a reboot: all that was prepared must still be there. */
static int enter_again(struct iteration *it)
{
	const char *dir = it->test->test_dir;
	struct err e = ERR_NONE;

	if (file_open_dir(it->testing->temp_fd, dir == NULL ? "." : dir,
			  &it->dir_fd, &e) < 0) {
		err_wrap(&e, -ENOENT, "go on after the reboot");
		return fail(it, "resume", e.text);
	}
	return 0;
}

/* It asks for a reboot. NULL: it gets one, and its end begins here. */
static const char *on_asked(void *arg)
{
	struct iteration *it = arg;
	struct testing *testing = it->testing;

	if (testing->rebooting)
		return NULL; /* one more of its processes */
	if (testing->no_reboots != NULL)
		return testing->no_reboots;
	if (it->test->reboots == 0)
		return "its section of the control file has no \"reboots\"";
	if (reboot_of(it) >= it->test->reboots) {
		snprintf(it->refusal, sizeof(it->refusal),
			 "it has rebooted %u of %u times", reboot_of(it),
			 it->test->reboots);
		return it->refusal;
	}
	/* At once: no more of the test may run before the reboot. */
	if (testing->stopping || !child_kill(testing->current))
		return "the test is being ended";
	testing->rebooting = true;
	return NULL;
}

static int run_asking(struct iteration *it, struct err *e)
{
	int r;

	r = asking_open(it->testing->loop, it->test->user, on_asked, it,
			&it->asking, e);
	if (r == 0)
		r = run_command(it, "run", it->test->run_command,
				it->test->timeout_s, &it->run, e);
	asking_close(TAKE_PTR(it->asking));
	return r;
}

static int run_test(struct iteration *it, struct err *e)
{
	int r;

	r = run_asking(it, e);
	if (r != 0)
		return r;
	if (it->run.child.timed_out)
		it->outcome = "timed out";
	else if (it->run.child.term_signal != 0)
		it->outcome = "signaled";
	else
		it->outcome = "exited";
	if (it->run.child.timed_out)
		step_describe(&it->run, NULL, stall_usec(it, "run"),
			      it->message);
	return 0;
}

static int collect(struct iteration *it, struct err *e)
{
	struct collect_job job = {
		.temp_fd = it->testing->temp_fd,
		.log_dir = it->test->log_dir,
		.patterns = it->test->log_files,
		.result_fd = it->result_fd,
	};
	struct child_spec spec = CHILD_SPEC_NONE;
	struct step_result result;

	if (it->test->log_dir == NULL)
		return 0;
	spec.function = collect_logs;
	spec.arg = &job;
	spec.limit_usec = usec_of(COLLECT_LIMIT_S);
	return run_step(it, "collect", &spec, &result, e);
}

static int clean_up(struct iteration *it, struct err *e)
{
	struct step_result result;

	if (it->test->cleanup_command == NULL || it->dir_fd < 0)
		return 0;
	return run_command(it, "cleanup", it->test->cleanup_command,
			   it->test->build_timeout_s, &result, e);
}

/* ---- an iteration ------------------------------------------------------ */

static bool is_last(const struct iteration *it, uint64_t until_usec)
{
	if (strcmp(it->outcome, "step failed") == 0)
		return true;
	return it->testing->iteration >= it->test->repeat &&
	       loop_now_usec() >= until_usec;
}

static int open_results(struct iteration *it, struct err *e)
{
	const struct fold *fold = it->testing->fold;
	unsigned int times = it->resumed ? 0 : 1;

	for (size_t i = 0; i <= it->testing->entry; i++)
		if (strcmp(fold->entries[i].test, it->test->name) == 0)
			times += fold->entries[i].iterations;
	if (times == 1)
		snprintf(it->dir_name, sizeof(it->dir_name), "%s",
			 it->test->name);
	else
		snprintf(it->dir_name, sizeof(it->dir_name), "%s.%u",
			 it->test->name, times);
	return file_make_dirs(it->testing->local_fd, it->dir_name, 0755,
			      &it->result_fd, e);
}

static void say_ended(const struct iteration *it)
{
	const struct fold_entry *entry =
		&it->testing->fold->entries[it->testing->entry];
	char outcome[320];

	it->testing->about.step = NULL;
	journal_say(&it->testing->about, JOURNAL_TEST_ENDED,
		    fold_is_good(entry) ? LOG_INFO : LOG_NOTICE, "Ended: %s",
		    fold_describe(entry, outcome));
}

/* Up to the command that is the test; with @it->outcome it does not come to it. */
static int get_ready(struct iteration *it, struct err *e)
{
	int r;

	r = it->resumed ? note_reboot(it, "resumed", reboot_of(it), e) :
			  note_started(it, e);
	if (r < 0)
		return r;
	announce(it->testing, NULL);
	return it->resumed ? enter_again(it) : prepare(it, e);
}

static int run_steps(struct iteration *it, uint64_t until_usec, bool *last,
		     struct err *e)
{
	int r;

	r = open_results(it, e);
	if (r == 0)
		r = get_ready(it, e);
	if (r == 0 && it->outcome == NULL)
		r = run_test(it, e);
	if (r == 0)
		r = collect(it, e);
	if (r == 0)
		r = note_ended(it, e);
	if (r != 0)
		return r;
	say_ended(it);
	*last = is_last(it, until_usec);
	return *last ? clean_up(it, e) : 0;
}

int iteration_run(struct testing *testing, uint64_t until_usec, bool *last,
		  struct err *e)
{
	const struct control_entry *entry =
		&testing->domain->entries[testing->entry];
	struct iteration it = {
		.testing = testing,
		.entry = entry,
		.test = entry->test,
		.resumed = testing->fold->entries[testing->entry].state ==
			   FOLD_REBOOTING,
		.result_fd = -1,
		.dir_fd = -1,
	};
	int r;

	r = run_steps(&it, until_usec, last, e);
	fd_close(&it.result_fd);
	fd_close(&it.dir_fd);
	if (r == 0)
		announce(testing, NULL);
	return r;
}
