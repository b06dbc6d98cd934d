/* SPDX-License-Identifier: BSD-2-Clause */
#include "xenruntestsd.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <syslog.h>
#include <time.h>

#include "base/cgroup.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "base/journal.h"
#include "base/notify.h"
#include "base/text.h"
#include "options.h"
#include "xen/running.h"

#define PATH_MARKER "etc/xen_start_tests"

static const char usage[] =
	"Usage: xenruntestsd [--root DIR]\n"
	"       xenruntestsd --once --control FILE --shared DIR [--name NAME]\n"
	"       xenruntestsd --check FILE | --dump FILE\n"
	"\n"
	"Run the tests that a control file has for this host. Without options:\n"
	"wait for dom0 to announce a run and for our copy of the control file in\n"
	"the shared directory, run its tests, remove the copy.\n"
	"\n"
	"  --once          run the tests of FILE now, by hand, without Xen\n"
	"  --control FILE  the control file to use with --once\n"
	"  --shared DIR    where results go, in DIR/NAME/RUN/, with --once\n"
	"  --name NAME     be this host instead of the one we are\n"
	"  --check FILE    check a control file: 0 good, 1 errors, 2 unreadable\n"
	"  --dump FILE     print a control file as one JSON object\n"
	"  --root DIR      look for /etc and /var below DIR\n"
	"  --help, --version\n"
	"\n"
	"Exit status: 0 when there is nothing (more) to do, whatever the tests\n"
	"said; 1 after a failure; 2 for a wrong command line.\n"
	"See xenruntestsd(8), xentest.conf(5).\n";

struct arguments {
	struct options common;
	const char *control;
	const char *shared;
	const char *name;
	bool once;
};

enum { OPTION_CONTROL = OPTION_OWN, OPTION_SHARED, OPTION_NAME, OPTION_ONCE };

static const struct option table[] = {
	OPTIONS_COMMON,
	{ "control", required_argument, NULL, OPTION_CONTROL },
	{ "shared", required_argument, NULL, OPTION_SHARED },
	{ "name", required_argument, NULL, OPTION_NAME },
	{ "once", no_argument, NULL, OPTION_ONCE },
	{ 0 },
};

static void take_own(struct arguments *arguments, int option)
{
	switch (option) {
	case OPTION_CONTROL:
		arguments->control = optarg;
		break;
	case OPTION_SHARED:
		arguments->shared = optarg;
		break;
	case OPTION_NAME:
		arguments->name = optarg;
		break;
	default:
		arguments->once = true;
	}
}

static void take_arguments(struct arguments *arguments, int argc, char *argv[])
{
	int option;

	*arguments = (struct arguments){
		.common = OPTIONS("xenruntestsd", usage),
	};
	while ((option = options_next(&arguments->common, argc, argv, table)) !=
	       -1)
		take_own(arguments, option);
	options_finish(&arguments->common,
		       optind == argc &&
			       arguments->once == (arguments->control != NULL) &&
			       arguments->once == (arguments->shared != NULL));
}

static int on_stop(void *arg, int signal_number)
{
	(void)signal_number;
	notify_stopping();
	job_stop(arg);
	return 0;
}

/* ---- by hand ----------------------------------------------------------- */

static int prepare_once(struct job *job, const struct arguments *arguments,
			struct err *e)
{
	struct control_report report = { 0 };
	CLEANUP(control_freep) struct control *control = NULL;
	int r;

	r = control_load_file(arguments->control, &report, &control, e);
	control_report_print(&report, stderr);
	control_report_done(&report);
	if (r == -EINVAL)
		return err_set(e, r, "%s has errors", arguments->control);
	if (r == 0)
		r = file_read(AT_FDCWD, arguments->control, CONTROL_BYTES_MAX,
			      &job->control_bytes, &job->control_length, e);
	if (r < 0)
		return r;
	job->once = true;
	r = run_new_id(job->run, e);
	if (r < 0)
		return r;
	job->shared_dir = realpath(arguments->shared, NULL);
	if (job->shared_dir == NULL)
		return err_errno(e, "open %s", arguments->shared);
	return 0;
}

static int run_once(struct job *job, const struct arguments *arguments,
		    struct err *e)
{
	int r = prepare_once(job, arguments, e);

	if (r == 0)
		r = job_run(job, e);
	if (r == 0 && job->testing.domain != NULL)
		printf("%s/%s/%s\n", job->shared_dir, job->testing.domain->name,
		       job->run);
	return r;
}

/* ---- in a domain ------------------------------------------------------- */

/* Says why there is nothing to do; otherwise answers true. */
static bool has_role(struct job *job, struct err *e, int *r)
{
	const struct journal about = { .run = NULL };
	struct running running;

	*r = running_read(job->root_fd, &running, e);
	if (*r < 0)
		return false;
	job->in_dom0 = running.role == RUNNING_DOM0;
	if (running.role == RUNNING_NONE) {
		journal_say(&about, JOURNAL_PLAIN, LOG_INFO,
			    "No Xen here: nothing to do (see --once)");
		return false;
	}
	if (job->in_dom0 &&
	    faccessat(job->root_fd, PATH_MARKER, F_OK, 0) < 0) {
		journal_say(&about, JOURNAL_PLAIN, LOG_INFO,
			    "No run is going on (no /" PATH_MARKER
			    "): nothing to do");
		return false;
	}
	return true;
}

static int run_in_domain(struct job *job, struct err *e)
{
	CLEANUP(store_closep) struct store *store = NULL;
	int r;

	/* Nobody waits for the tests to end: they may take days. */
	notify_ready();
	if (!has_role(job, e, &r))
		return r;
	r = store_open(job->loop, &store, e);
	if (r < 0)
		return r;
	job->store = store;
	r = job_wait(job, e);
	if (r == 0)
		r = job_run(job, e);
	return r == -ECANCELED ? 0 : r;
}

/* ---- both -------------------------------------------------------------- */

static int take_hostname(struct job *job, const char *name, struct err *e)
{
	if (name != NULL)
		snprintf(job->hostname, sizeof(job->hostname), "%s", name);
	else if (gethostname(job->hostname, sizeof(job->hostname) - 1) < 0)
		return err_errno(e, "read the host name");
	return 0;
}

static int run_job(struct job *job, const struct arguments *arguments,
		   struct err *e)
{
	CLEANUP(loop_freep) struct loop *loop = NULL;
	CLEANUP(loop_source_freep) struct loop_source *term = NULL;
	CLEANUP(loop_source_freep) struct loop_source *interrupt = NULL;
	CLEANUP(fd_close) int root_fd = -1;
	int r;

	r = file_open_dir(AT_FDCWD, arguments->common.root, &root_fd, e);
	if (r == 0)
		r = loop_new(&loop, e);
	if (r == 0)
		r = loop_signal(loop, SIGTERM, on_stop, job, &term, e);
	if (r == 0)
		r = loop_signal(loop, SIGINT, on_stop, job, &interrupt, e);
	if (r == 0)
		r = take_hostname(job, arguments->name, e);
	if (r < 0)
		return r;
	job->loop = loop;
	job->root_fd = root_fd;
	cgroup_prepare();
	return arguments->once ? run_once(job, arguments, e) :
			       run_in_domain(job, e);
}

int main(int argc, char *argv[])
{
	struct job job = {
		.testing = { .local_fd = -1, .temp_fd = -1, .cache_fd = -1 },
	};
	struct arguments arguments;
	struct err e = ERR_NONE;
	int r;

	take_arguments(&arguments, argc, argv);
	if (arguments.common.exit_status >= 0)
		return arguments.common.exit_status;
	r = run_job(&job, &arguments, &e);
	if (r < 0)
		journal_say(&job.testing.about, JOURNAL_FAILURE, LOG_ERR, "%s",
			    e.text);
	job_done(&job);
	return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
