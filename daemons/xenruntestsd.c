/* SPDX-License-Identifier: BSD-2-Clause */
#include "xenruntestsd.h"

#include <fcntl.h>
#include <getopt.h>
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

struct options {
	const char *check;
	const char *dump;
	const char *control;
	const char *shared;
	const char *name;
	const char *root;
	bool once;
	int exit_status; /* when there is nothing else to do, else -1 */
};

enum { OPT_CHECK = 1, OPT_DUMP, OPT_CONTROL, OPT_SHARED, OPT_NAME, OPT_ROOT,
       OPT_ONCE, OPT_HELP, OPT_VERSION };

static const struct option long_options[] = {
	{ "check", required_argument, NULL, OPT_CHECK },
	{ "dump", required_argument, NULL, OPT_DUMP },
	{ "control", required_argument, NULL, OPT_CONTROL },
	{ "shared", required_argument, NULL, OPT_SHARED },
	{ "name", required_argument, NULL, OPT_NAME },
	{ "root", required_argument, NULL, OPT_ROOT },
	{ "once", no_argument, NULL, OPT_ONCE },
	{ "help", no_argument, NULL, OPT_HELP },
	{ "version", no_argument, NULL, OPT_VERSION },
	{ 0 },
};

static void take_option(struct options *options, int option)
{
	switch (option) {
	case OPT_CHECK:
		options->check = optarg;
		break;
	case OPT_DUMP:
		options->dump = optarg;
		break;
	case OPT_CONTROL:
		options->control = optarg;
		break;
	case OPT_SHARED:
		options->shared = optarg;
		break;
	case OPT_NAME:
		options->name = optarg;
		break;
	case OPT_ROOT:
		options->root = optarg;
		break;
	case OPT_ONCE:
		options->once = true;
		break;
	case OPT_HELP:
		fputs(usage, stdout);
		options->exit_status = 0;
		break;
	case OPT_VERSION:
		puts("xenruntestsd " XENTEST_VERSION);
		options->exit_status = 0;
		break;
	default:
		options->exit_status = 2;
	}
}

static void take_options(struct options *options, int argc, char *argv[])
{
	int option;

	*options = (struct options){ .root = "/", .exit_status = -1 };
	while ((option = getopt_long(argc, argv, "", long_options, NULL)) != -1)
		take_option(options, option);
	if (options->exit_status >= 0)
		return;
	if (optind < argc ||
	    options->once != (options->control != NULL) ||
	    options->once != (options->shared != NULL)) {
		fputs(usage, stderr);
		options->exit_status = 2;
	} else if (options->check != NULL) {
		options->exit_status = control_check_main(options->check);
	} else if (options->dump != NULL) {
		options->exit_status = control_dump_main(options->dump);
	}
}

static int on_stop(void *arg, int signal_number)
{
	(void)signal_number;
	notify_stopping();
	job_stop(arg);
	return 0;
}

/* ---- by hand ----------------------------------------------------------- */

static int prepare_once(struct job *job, const struct options *options,
			struct err *e)
{
	struct control_report report = { 0 };
	CLEANUP(control_freep) struct control *control = NULL;
	int r;

	r = control_load_file(options->control, &report, &control, e);
	control_report_print(&report, stderr);
	control_report_done(&report);
	if (r == -EINVAL)
		return err_set(e, r, "%s has errors", options->control);
	if (r == 0)
		r = file_read(AT_FDCWD, options->control, CONTROL_BYTES_MAX,
			      &job->control_bytes, &job->control_length, e);
	if (r < 0)
		return r;
	job->once = true;
	r = run_new_id(job->run, e);
	if (r < 0)
		return r;
	job->shared_dir = realpath(options->shared, NULL);
	if (job->shared_dir == NULL)
		return err_errno(e, "open %s", options->shared);
	return 0;
}

static int run_once(struct job *job, const struct options *options,
		    struct err *e)
{
	int r = prepare_once(job, options, e);

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

static int run_job(struct job *job, const struct options *options,
		   struct err *e)
{
	CLEANUP(loop_freep) struct loop *loop = NULL;
	CLEANUP(loop_source_freep) struct loop_source *term = NULL;
	CLEANUP(loop_source_freep) struct loop_source *interrupt = NULL;
	CLEANUP(fd_close) int root_fd = -1;
	int r;

	r = file_open_dir(AT_FDCWD, options->root, &root_fd, e);
	if (r == 0)
		r = loop_new(&loop, e);
	if (r == 0)
		r = loop_signal(loop, SIGTERM, on_stop, job, &term, e);
	if (r == 0)
		r = loop_signal(loop, SIGINT, on_stop, job, &interrupt, e);
	if (r == 0)
		r = take_hostname(job, options->name, e);
	if (r < 0)
		return r;
	job->loop = loop;
	job->root_fd = root_fd;
	cgroup_prepare();
	return options->once ? run_once(job, options, e) :
			       run_in_domain(job, e);
}

int main(int argc, char *argv[])
{
	struct job job = {
		.own_fd = -1,
		.testing = { .local_fd = -1, .temp_fd = -1, .cache_fd = -1 },
	};
	struct options options;
	struct err e = ERR_NONE;
	int r;

	take_options(&options, argc, argv);
	if (options.exit_status >= 0)
		return options.exit_status;
	r = run_job(&job, &options, &e);
	if (r < 0)
		journal_say(&job.testing.about, JOURNAL_FAILURE, LOG_ERR, "%s",
			    e.text);
	job_done(&job);
	return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
