/* SPDX-License-Identifier: BSD-2-Clause */
#include "xenbuildd.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <syslog.h>

#include "base/cgroup.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "base/notify.h"
#include "options.h"
#include "base/text.h"

static const char usage[] =
	"Usage: xenbuildd [--no-reboot] [--root DIR] [FILE]\n"
	"       xenbuildd --check FILE | --dump FILE\n"
	"\n"
	"Fetch, build and install the Xen tree that the control file\n"
	"/etc/xen/xentest.conf names, arrange for it to be booted once, reboot.\n"
	"\n"
	"  FILE          copy FILE to /etc/xen/xentest.conf first\n"
	"  --no-reboot   do everything but the reboot\n"
	"  --check FILE  check a control file: 0 good, 1 errors, 2 unreadable\n"
	"  --dump FILE   print a control file as one JSON object\n"
	"  --root DIR    look for /etc, /var and /boot below DIR; no reboot then\n"
	"  --help, --version\n"
	"\n"
	"Exit status: 0 when the machine is to reboot, or there is nothing to do;\n"
	"1 when the request was rejected, a stage failed or we did; 2 for a wrong\n"
	"command line. See xenbuildd(8), xentest.conf(5).\n";

static const struct {
	const char *name;
	int (*run)(struct build *build, struct err *e);
	bool needs_tree; /* skipped with xen-tree = none */
	const char *doing;
} stages[] = {
	{ "check", stage_check, false, "Checking that the machine comes back" },
	{ "fetch", stage_fetch, true, "Fetching the tree" },
	{ "build", stage_build, true, "Building" },
	{ "install", stage_install, true, "Installing" },
	{ "boot", stage_boot, false, "Arranging the boot" },
	{ "reboot", stage_reboot, false, "Rebooting" },
};

/* ---- the command line -------------------------------------------------- */

struct arguments {
	struct options common;
	const char *file;
	bool no_reboot;
};

enum { OPTION_NO_REBOOT = OPTION_OWN };

static const struct option table[] = {
	OPTIONS_COMMON,
	{ "no-reboot", no_argument, NULL, OPTION_NO_REBOOT },
	{ 0 },
};

static void take_arguments(struct arguments *arguments, int argc, char *argv[])
{
	*arguments = (struct arguments){
		.common = OPTIONS("xenbuildd", usage),
	};
	while (options_next(&arguments->common, argc, argv, table) != -1)
		arguments->no_reboot = true;
	if (optind + 1 == argc)
		arguments->file = argv[optind++];
	options_finish(&arguments->common, optind == argc);
}

/* ---- the stages -------------------------------------------------------- */

static int run_stage(struct build *build, size_t number, struct err *e)
{
	const char *name = stages[number].name;
	uint64_t began_usec = loop_now_usec();
	char took[32];
	int r;

	build->about.step = name;
	build->outcome[0] = '\0';
	if (stages[number].needs_tree &&
	    build->run->control->preferences.tree == NULL)
		return run_note_stage(build->run, name, "skipped",
				      "xen-tree = none", e);
	notify_status("Run %s: %s", build->run->id, stages[number].doing);
	journal_say(&build->about, JOURNAL_STAGE_STARTED, LOG_INFO, "%s",
		    stages[number].doing);
	r = run_note_stage(build->run, name, "started", NULL, e);
	if (r == 0)
		r = stages[number].run(build, e);
	if (r < 0)
		return r;
	text_duration(took, loop_now_usec() - began_usec);
	journal_say(&build->about, JOURNAL_STAGE_ENDED, LOG_INFO, "%s: done in %s%s%s",
		    name, took, build->outcome[0] == '\0' ? "" : ": ",
		    build->outcome);
	return run_note_stage(build->run, name, "ok",
			      build->outcome[0] == '\0' ? NULL :
							  build->outcome,
			      e);
}

/* The end of the run: its evidence is in the record and in STAGE.log. */
static int give_up(struct build *build, const char *stage, int number,
		   struct err *e)
{
	struct err later = ERR_NONE;
	char message[sizeof(e->text) + 64];
	int r;

	snprintf(message, sizeof(message), "%s: %s", stage, e->text);
	build_say_tail(build, stage);
	journal_say(&build->about, JOURNAL_STAGE_FAILED, LOG_ERR, "%s failed: %s",
		    stage, e->text);
	undo_boot(build);
	r = run_note_stage(build->run, stage, "failed", e->text, &later);
	if (r == 0)
		r = run_end(build->run, "failed", message, &later);
	if (r < 0)
		journal_say(&build->about, JOURNAL_FAILURE, LOG_ERR, "%s",
			    later.text);
	return err_wrap(e, number, "%s", stage);
}

static int on_settled(void *arg)
{
	*(bool *)arg = true;
	return 0;
}

bool build_is_stopping(const struct build *build)
{
	CLEANUP(loop_source_freep) struct loop_source *timer = NULL;
	struct err ignored = ERR_NONE;
	bool settled = false;

	/* A timer comes after what has happened already. */
	if (!build->stopping &&
	    loop_timer(build->loop, 0, on_settled, &settled, &timer,
		       &ignored) == 0)
		loop_run(build->loop, &settled, &ignored);
	return build->stopping;
}

static int run_stages(struct build *build, struct err *e)
{
	for (size_t i = 0; i < ARRAY_SIZE(stages); i++) {
		int r = build_is_stopping(build) ? -ECANCELED :
						   run_stage(build, i, e);

		if (r == -ECANCELED) {
			journal_say(&build->about, JOURNAL_PLAIN, LOG_NOTICE,
				    "Stopped; the next start of xenbuildd goes on with run %s",
				    build->run->id);
			return r;
		}
		if (r < 0)
			return give_up(build, stages[i].name, r, e);
	}
	return 0;
}

static int on_stop(void *arg, int signal_number)
{
	struct build *build = arg;

	(void)signal_number;
	notify_stopping();
	build->stopping = true;
	child_stop(build->current);
	return 0;
}

/* A scratch root is no reason to reboot the machine that it lies on. */
static int take_root(struct build *build, const char *root, struct err *e)
{
	CLEANUP(freep) char *path = realpath(root, NULL);

	if (path == NULL)
		return err_errno(e, "find %s", root);
	if (strcmp(path, "/") != 0) {
		build->destdir = TAKE_PTR(path);
		build->no_reboot = true;
	}
	return 0;
}

static int run(struct build *build, const struct arguments *arguments,
	       struct err *e)
{
	CLEANUP(loop_source_freep) struct loop_source *term = NULL;
	CLEANUP(loop_source_freep) struct loop_source *interrupt = NULL;
	int r;

	r = file_open_dir(AT_FDCWD, arguments->common.root, &build->root_fd, e);
	if (r == 0)
		r = take_root(build, arguments->common.root, e);
	if (r == 0)
		r = loop_new(&build->loop, e);
	if (r == 0)
		r = loop_signal(build->loop, SIGTERM, on_stop, build, &term, e);
	if (r == 0)
		r = loop_signal(build->loop, SIGINT, on_stop, build, &interrupt,
				e);
	if (r < 0)
		return r;
	cgroup_prepare();
	/* Nobody waits for a build of hours. */
	notify_ready();
	r = request_take(build, arguments->file, e);
	if (r <= 0)
		return r;
	r = build_prepare(build, e);
	return r < 0 ? give_up(build, "prepare", r, e) : run_stages(build, e);
}

int main(int argc, char *argv[])
{
	struct build build = { .root_fd = -1, .work_fd = -1 };
	struct arguments arguments;
	struct err e = ERR_NONE;
	int r;

	take_arguments(&arguments, argc, argv);
	if (arguments.common.exit_status >= 0)
		return arguments.common.exit_status;
	build.no_reboot = arguments.no_reboot;
	r = run(&build, &arguments, &e);
	if (r < 0 && r != -ECANCELED)
		journal_say(&build.about, JOURNAL_FAILURE, LOG_ERR, "%s",
			    e.text);
	run_free(build.run);
	free(build.destdir);
	loop_free(build.loop);
	fd_close(&build.work_fd);
	fd_close(&build.root_fd);
	return r < 0 && r != -ECANCELED ? EXIT_FAILURE : EXIT_SUCCESS;
}
