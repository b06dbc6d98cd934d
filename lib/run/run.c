/* SPDX-License-Identifier: BSD-2-Clause */
#include "run/run.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/random.h>
#include <syslog.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/journal.h"
#include "base/text.h"
#include "run/share.h"
#include "run/summary.h"
#include "source/digest.h"

#define RUNS "runs"
#define UNBORN ".new" /* in there: a run that "current" does not name yet */

enum { SHARE_LIMIT_S = 30 }; /* a summary is small */

int run_boot_id(char boot_id[static 37], struct err *e)
{
	CLEANUP(freep) char *text = NULL;
	int r;

	r = file_read(AT_FDCWD, "/proc/sys/kernel/random/boot_id", 64, &text,
		      NULL, e);
	if (r < 0)
		return r;
	snprintf(boot_id, 37, "%s", text);
	return 0;
}

bool run_is_id(const char *id)
{
	size_t length = strspn(id, "0123456789abcdefghijklmnopqrstuvwxyz-");

	return length > 0 && length < RUN_ID_MAX && id[length] == '\0';
}

int run_new_id(char id[static RUN_ID_MAX], struct err *e)
{
	char seconds[24];
	uint32_t random;
	struct tm utc;
	time_t now;

	if (getrandom(&random, sizeof(random), 0) != sizeof(random))
		return err_errno(e, "get random bytes");
	now = time(NULL);
	gmtime_r(&now, &utc);
	strftime(seconds, sizeof(seconds), "%Y%m%d-%H%M%S", &utc);
	snprintf(id, RUN_ID_MAX, "%s-%08" PRIx32, seconds, random);
	return 0;
}

static int open_state_dir(int root_fd, int *ret_fd, struct err *e)
{
	return file_make_dirs_synced(root_fd, PATH_STATE_DIR, 0755, ret_fd, e);
}

int run_current(int root_fd, char id[static RUN_ID_MAX], struct err *e)
{
	CLEANUP(fd_close) int state_fd = -1;
	CLEANUP(freep) char *text = NULL;
	int r;

	r = file_open_dir(root_fd, PATH_STATE_DIR, &state_fd, e);
	if (r < 0)
		return r;
	r = file_read(state_fd, RUN_CURRENT, RUN_ID_MAX, &text, NULL, e);
	if (r < 0)
		return r;
	text[strcspn(text, "\n")] = '\0';
	if (!run_is_id(text))
		return err_set(e, -EBADMSG,
			       "/" PATH_STATE_DIR "/" RUN_CURRENT
			       " names no run; remove it to give that run up");
	snprintf(id, RUN_ID_MAX, "%s", text);
	return 0;
}

static int load_control(struct run *run, struct err *e)
{
	struct control_report report = { 0 };
	int r;

	r = digest_bytes(run->control_bytes, run->control_length, run->digest,
			 e);
	if (r < 0)
		return r;
	r = control_load(run->control_bytes, run->control_length, RUN_CONTROL,
			 &report, &run->control, e);
	control_report_done(&report);
	return r < 0 ? err_wrap(e, r, "read the run's control file") : 0;
}

static int note_run(struct run *run, const char *file, struct err *e)
{
	struct json *event = record_event("run");

	json_set_string(event, "run", run->id);
	json_set_string(event, "digest", run->digest);
	json_set_string(event, "file", file);
	json_set_string(event, "version", XENTEST_VERSION);
	return record_add(run->record, event, e);
}

/* From its first second on the record names every test that is to come. */
static int note_plan(struct run *run, struct err *e)
{
	for (size_t i = 0; i < run->control->domain_count; i++) {
		const struct control_domain *domain = &run->control->domains[i];
		struct json *event = record_event("plan");
		struct json *tests = json_array_new();
		int r;

		for (size_t j = 0; j < domain->entry_count; j++)
			json_append(tests,
				    json_string_new(
					    domain->entries[j].test->name));
		json_set_string(event, "domain", domain->name);
		json_set(event, "tests", tests);
		r = record_add(run->record, event, e);
		if (r < 0)
			return r;
	}
	return record_sync(run->record, e);
}

static int open_record(struct run *run,
		       void (*visit)(void *arg, const struct json *event),
		       void *arg, struct err *e)
{
	char boot_id[37];
	int r;

	r = run_boot_id(boot_id, e);
	if (r < 0)
		return r;
	return record_open(run->fd, boot_id, &run->record, visit, arg, e);
}

static int fill_run(struct run *run, int runs_fd, const char *file,
		    struct err *e)
{
	int r;

	r = file_remove_tree(runs_fd, UNBORN, e); /* it was cut off here */
	if (r == 0)
		r = file_make_dirs_synced(runs_fd, UNBORN, 0755, &run->fd, e);
	if (r < 0)
		return r;
	r = file_write_atomic(run->fd, RUN_CONTROL, run->control_bytes,
			      run->control_length, 0644, e);
	if (r < 0)
		return r;
	r = open_record(run, NULL, NULL, e);
	if (r < 0)
		return r;
	r = note_run(run, file, e);
	if (r < 0)
		return r;
	return note_plan(run, e);
}

/* The last step of the making; run_load() takes it if a power cut came first. */
static int name_run(const struct run *run, int runs_fd, struct err *e)
{
	if (renameat(runs_fd, UNBORN, runs_fd, run->id) < 0)
		return err_errno(e, "give the run its name");
	return fsync(runs_fd) < 0 ? err_errno(e, "sync " RUNS) : 0;
}

static int make_current(const struct run *run, int state_fd, struct err *e)
{
	char line[RUN_ID_MAX + 1];
	int length = snprintf(line, sizeof(line), "%s\n", run->id);

	return file_write_atomic(state_fd, RUN_CURRENT, line, (size_t)length,
				 0644, e);
}

static struct run *run_alloc(int root_fd)
{
	struct run *run = calloc(1, sizeof(*run));

	if (run != NULL) {
		run->root_fd = root_fd;
		run->fd = -1;
	}
	return run;
}

int run_create(int root_fd, const char *bytes, size_t length, const char *file,
	       struct run **ret, struct err *e)
{
	CLEANUP(run_freep) struct run *run = run_alloc(root_fd);
	CLEANUP(fd_close) int state_fd = -1;
	CLEANUP(fd_close) int runs_fd = -1;
	struct err missing = ERR_NONE;
	char other[RUN_ID_MAX];
	int r;

	if (run == NULL)
		return err_set(e, -ENOMEM, "out of memory");
	r = run_current(root_fd, other, &missing);
	if (r == 0)
		return err_set(e, -EBUSY, "run %s is going on", other);
	if (r != -ENOENT)
		return err_set(e, r, "%s", missing.text);
	run->control_bytes = malloc(length + 1);
	if (run->control_bytes == NULL)
		return err_set(e, -ENOMEM, "out of memory");
	memcpy(run->control_bytes, bytes, length);
	run->control_bytes[length] = '\0';
	run->control_length = length;
	r = load_control(run, e);
	if (r == 0)
		r = run_new_id(run->id, e);
	if (r == 0)
		r = open_state_dir(root_fd, &state_fd, e);
	if (r == 0)
		r = file_make_dirs_synced(state_fd, RUNS, 0755, &runs_fd, e);
	if (r == 0)
		r = fill_run(run, runs_fd, file, e);
	if (r == 0)
		r = make_current(run, state_fd, e);
	if (r == 0)
		r = name_run(run, runs_fd, e);
	if (r < 0)
		return err_wrap(e, r, "make a run");
	*ret = TAKE_PTR(run);
	return 0;
}

static void seek_end(void *arg, const struct json *event)
{
	bool *ended = arg;

	if (strcmp(json_get_string(event, "event", ""), "end") == 0)
		*ended = true;
}

/* One at a time goes on, so only the newest can be without an end. */
static int find_open(struct run *run, int runs_fd, struct err *e)
{
	CLEANUP(dir_closep) DIR *dir = NULL;
	char newest[RUN_ID_MAX] = "";
	const struct dirent *entry;
	bool ended = false;
	int fd;
	int r;

	r = file_open_dir(runs_fd, ".", &fd, e);
	if (r < 0)
		return r;
	dir = fdopendir(fd);
	if (dir == NULL) {
		close(fd);
		return err_errno(e, "list the runs");
	}
	while ((entry = readdir(dir)) != NULL)
		if (run_is_id(entry->d_name) && strcmp(entry->d_name, newest) > 0)
			memcpy(newest, entry->d_name,
			       strlen(entry->d_name) + 1);
	if (newest[0] == '\0')
		return err_set(e, -EBADMSG, "there is no run");
	r = file_open_dir(runs_fd, newest, &run->fd, e);
	if (r == 0)
		r = record_read(run->fd, RECORD_NAME, seek_end, &ended, e);
	if (r == 0 && ended)
		r = err_set(e, -EBADMSG, "the last run has ended");
	if (r == 0)
		memcpy(run->id, newest, sizeof(newest));
	return r;
}

/* "current" was cut off: the run that it named is known all the same. */
static int find_lost(struct run *run, struct err *e)
{
	CLEANUP(fd_close) int state_fd = -1;
	CLEANUP(fd_close) int runs_fd = -1;
	struct err why = ERR_NONE;
	int r;

	r = open_state_dir(run->root_fd, &state_fd, &why);
	if (r == 0)
		r = file_open_dir(state_fd, RUNS, &runs_fd, &why);
	if (r == 0)
		r = find_open(run, runs_fd, &why);
	return r < 0 ? -EBADMSG : make_current(run, state_fd, e);
}

static int open_run(struct run *run, struct err *e)
{
	CLEANUP(fd_close) int runs_fd = -1;
	struct err missing = ERR_NONE;
	int r;

	r = file_open_dir(run->root_fd, PATH_STATE_DIR "/" RUNS, &runs_fd, e);
	if (r < 0)
		return r;
	r = file_open_dir(runs_fd, run->id, &run->fd, e);
	if (r != -ENOENT)
		return r;
	r = name_run(run, runs_fd, &missing);
	return r < 0 ? r : file_open_dir(runs_fd, run->id, &run->fd, e);
}

static int load_run(struct run *run,
		    void (*visit)(void *arg, const struct json *event),
		    void *arg, struct err *e)
{
	int r;

	r = file_read(run->fd, RUN_CONTROL, CONTROL_BYTES_MAX,
		      &run->control_bytes, &run->control_length, e);
	if (r < 0)
		return r;
	r = load_control(run, e);
	if (r < 0)
		return r;
	return open_record(run, visit, arg, e);
}

int run_load(int root_fd, struct run **ret,
	     void (*visit)(void *arg, const struct json *event), void *arg,
	     struct err *e)
{
	CLEANUP(run_freep) struct run *run = run_alloc(root_fd);
	int r;

	if (run == NULL)
		return err_set(e, -ENOMEM, "out of memory");
	r = run_current(root_fd, run->id, e);
	if (r == -ENOENT)
		return r;
	if (r == 0)
		r = open_run(run, e);
	if (r == -ENOENT)
		r = -EBADMSG; /* not the same as "no run is going on" */
	if (r == -EBADMSG)
		r = find_lost(run, e);
	if (r < 0)
		return r;
	r = load_run(run, visit, arg, e);
	if (r < 0)
		return err_wrap(e, r, "take up run %s", run->id);
	*ret = TAKE_PTR(run);
	return 0;
}

static int add_and_sync(struct run *run, struct json *event, struct err *e)
{
	int r = record_add(run->record, event, e);

	return r < 0 ? r : record_sync(run->record, e);
}

int run_note_stage(struct run *run, const char *stage, const char *state,
		   const char *message, struct err *e)
{
	struct json *event = record_event("stage");

	json_set_string(event, "stage", stage);
	json_set_string(event, "state", state);
	json_set_string(event, "message", message);
	return add_and_sync(run, event, e);
}

int run_note_domain(struct run *run, const char *domain, const char *state,
		    const char *message, const char *reason, const char *test,
		    struct err *e)
{
	struct json *event = record_event("domain");

	json_set_string(event, "domain", domain);
	json_set_string(event, "state", state);
	json_set_string(event, "message", message);
	json_set_string(event, "reason", reason);
	json_set_string(event, "test", test);
	return add_and_sync(run, event, e);
}

int run_note_trouble(struct run *run, const char *domain, const char *message,
		     struct err *e)
{
	struct json *event = record_event("trouble");

	json_set_string(event, "domain", domain);
	json_set_string(event, "message", message);
	return add_and_sync(run, event, e);
}

int run_note_started(struct run *run, const char *domain, const char *message,
		     unsigned int domid, struct err *e)
{
	struct json *event = record_event("domain");

	json_set_string(event, "domain", domain);
	json_set_string(event, "state", "started");
	json_set_string(event, "message", message);
	json_set_int(event, "domid", domid);
	return add_and_sync(run, event, e);
}

int run_note_death(struct run *run, const char *domain, const char *message,
		   const char *test, const struct death *death, struct err *e)
{
	struct json *event = record_event("domain");

	json_set_string(event, "domain", domain);
	json_set_string(event, "state", "died");
	json_set_string(event, "message", message);
	json_set_string(event, "test", test);
	death_to_json(death, event);
	return add_and_sync(run, event, e);
}

int run_note_reboot(struct run *run, const char *cause, struct err *e)
{
	struct json *event = record_event("reboot");

	json_set_string(event, "cause", cause);
	return add_and_sync(run, event, e);
}

int run_note_shutdown(struct run *run, struct err *e)
{
	return add_and_sync(run, record_event("shutdown"), e);
}

int run_domain_dir(const struct run *run, const char *domain, int *ret_fd,
		   struct err *e)
{
	return file_make_dirs_synced(run->fd, domain, 0755, ret_fd, e);
}

static int note_end(struct run *run, const char *result, const char *message,
		    struct err *e)
{
	struct json *event;
	bool ended = false;
	int r;

	r = record_read(run->fd, RECORD_NAME, seek_end, &ended, e);
	if (r < 0 || ended)
		return r; /* ended: a power cut came between this and the rest */
	event = record_event("end");
	json_set_string(event, "result", result);
	json_set_string(event, "message", message);
	return add_and_sync(run, event, e);
}

struct sharing {
	const char *dir;
	const char *text;
};

static int put_summary(void *arg, struct err *e)
{
	const struct sharing *sharing = arg;
	CLEANUP(fd_close) int fd = -1;
	int r;

	r = file_open_dir(AT_FDCWD, sharing->dir, &fd, e);
	return r < 0 ? r :
		       file_write_atomic(fd, RUN_SUMMARY, sharing->text,
					 strlen(sharing->text), 0644, e);
}

/* In a child, as all that touches the share, with a loop of its own. */
static int put_in_child(struct sharing *sharing, struct err *e)
{
	CLEANUP(loop_freep) struct loop *loop = NULL;
	int r = loop_new(&loop, e);

	return r < 0 ? r :
		       share_call(loop, "share the summary", put_summary,
				  sharing, SHARE_LIMIT_S * UINT64_C(1000000), e);
}

/* The share may be gone; the run's own directory has the summary too. */
static void share_summary(const struct run *run, const char *text)
{
	const char *dir = run->control->preferences.shared_dir;
	const struct journal about = { .run = run->id };
	struct sharing sharing = { .dir = dir, .text = text };
	struct err e = ERR_NONE;

	if (put_in_child(&sharing, &e) < 0)
		journal_say(&about, JOURNAL_SHARE_TROUBLE, LOG_WARNING,
			    "The summary could not be put into %s: %s", dir,
			    e.text);
}

static void say_summary(const struct run *run, const char *text)
{
	const struct journal about = { .run = run->id };
	CLEANUP(freep) char *copy = strdup(text);
	char *rest = copy;
	char *line = strsep(&rest, "\n");

	journal_say(&about, JOURNAL_RUN_ENDED, LOG_NOTICE, "%s",
		    line == NULL ? "" : line);
	while ((line = strsep(&rest, "\n")) != NULL)
		if (line[0] != '\0')
			journal_say(&about, JOURNAL_PLAIN, LOG_NOTICE, "%s",
				    line);
}

static int write_summary(const struct run *run, struct err *e)
{
	CLEANUP(json_freep) struct json *summary = NULL;
	CLEANUP(freep) char *text = NULL;
	int r;

	r = summary_make(run->fd, &summary, e);
	if (r < 0)
		return r;
	text = summary_text(summary);
	if (text == NULL)
		return err_set(e, -ENOMEM, "out of memory");
	r = file_write_atomic(run->fd, RUN_SUMMARY, text, strlen(text), 0644,
			      e);
	if (r < 0)
		return r;
	share_summary(run, text);
	say_summary(run, text);
	return 0;
}

/* A newer request that waits there is not ours to take away. */
static int remove_request(const struct run *run, struct err *e)
{
	CLEANUP(fd_close) int fd = -1;
	CLEANUP(freep) char *bytes = NULL;
	struct err missing = ERR_NONE;
	size_t length;

	if (file_open_dir(run->root_fd, PATH_REQUEST_DIR, &fd, &missing) < 0 ||
	    file_read(fd, PATH_REQUEST, CONTROL_BYTES_MAX, &bytes, &length,
		      &missing) < 0)
		return 0;
	if (length != run->control_length ||
	    memcmp(bytes, run->control_bytes, length) != 0)
		return 0;
	return file_remove(fd, PATH_REQUEST, e);
}

int run_end(struct run *run, const char *result, const char *message,
	    struct err *e)
{
	CLEANUP(fd_close) int state_fd = -1;
	int r;

	r = note_end(run, result, message, e);
	if (r == 0)
		r = write_summary(run, e);
	if (r == 0)
		r = remove_request(run, e);
	if (r == 0)
		r = open_state_dir(run->root_fd, &state_fd, e);
	if (r == 0)
		r = file_remove(state_fd, RUN_CURRENT, e);
	return r < 0 ? err_wrap(e, r, "end run %s", run->id) : 0;
}

void run_free(struct run *run)
{
	if (run == NULL)
		return;
	record_close(run->record);
	control_free(run->control);
	free(run->control_bytes);
	fd_close(&run->fd);
	free(run);
}

void run_freep(struct run **run)
{
	run_free(*run);
}
