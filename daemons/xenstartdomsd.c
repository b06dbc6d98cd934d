/* SPDX-License-Identifier: BSD-2-Clause */
#include "xenstartdomsd.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <syslog.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/notify.h"
#include "boot/reboot.h"
#include "options.h"

static const char usage[] =
	"Usage: xenstartdomsd [--root DIR] [--grace SECONDS] [--watchdog SECONDS]\n"
	"       xenstartdomsd --boot-guard [--root DIR]\n"
	"       xenstartdomsd --check FILE | --dump FILE\n"
	"\n"
	"In dom0 of the Xen that xenbuildd built: start the guests of the control\n"
	"file, watch over all its domains, and end the run when none has more to\n"
	"do. On bare Linux: record that this Xen did not come up, or went down.\n"
	"\n"
	"  --boot-guard     reboot when Xen is not proven within boot_timeout\n"
	"  --grace SECONDS  no news for so long after a step's time limit, and its\n"
	"                   domain is given up (900)\n"
	"  --watchdog SECONDS  nobody gets anywhere in dom0 for so long, and Xen\n"
	"                   resets the machine (900; 0: never)\n"
	"  --check FILE     check a control file: 0 good, 1 errors, 2 unreadable\n"
	"  --dump FILE      print a control file as one JSON object\n"
	"  --root DIR       look for /etc, /proc, /sys and /var below DIR\n"
	"  --help, --version\n"
	"\n"
	"Exit status: 0 when the run has ended or there is none, whatever its\n"
	"tests said; 1 after a failure; 2 for a wrong command line.\n"
	"See xenstartdomsd(8), xentest.conf(5).\n";

struct arguments {
	struct options common;
	uint64_t grace_s;
	uint64_t watchdog_s;
	bool boot_guard;
};

enum { OPTION_GRACE = OPTION_OWN, OPTION_WATCHDOG, OPTION_BOOT_GUARD };

static const struct option table[] = {
	OPTIONS_COMMON,
	{ "grace", required_argument, NULL, OPTION_GRACE },
	{ "watchdog", required_argument, NULL, OPTION_WATCHDOG },
	{ "boot-guard", no_argument, NULL, OPTION_BOOT_GUARD },
	{ 0 },
};

static uint64_t take_seconds(struct arguments *arguments, const char *option,
			     const char *text)
{
	uint64_t seconds;
	char *end;

	errno = 0;
	seconds = strtoull(text, &end, 10);
	if (errno == 0 && end != text && *end == '\0' && text[0] != '-' &&
	    seconds <= UINT32_MAX)
		return seconds;
	fprintf(stderr, "xenstartdomsd: %s: \"%s\" are no seconds\n", option,
		text);
	arguments->common.exit_status = 2;
	return 0;
}

static void take_arguments(struct arguments *arguments, int argc, char *argv[])
{
	int option;

	*arguments = (struct arguments){
		.common = OPTIONS("xenstartdomsd", usage),
		.grace_s = HOST_GRACE_S,
		.watchdog_s = HOST_WATCHDOG_S,
	};
	while ((option = options_next(&arguments->common, argc, argv, table)) !=
	       -1) {
		if (option == OPTION_GRACE)
			arguments->grace_s =
				take_seconds(arguments, "--grace", optarg);
		else if (option == OPTION_WATCHDOG)
			arguments->watchdog_s =
				take_seconds(arguments, "--watchdog", optarg);
		else
			arguments->boot_guard = true;
	}
	options_finish(&arguments->common, optind == argc);
}

/* ---- the job ----------------------------------------------------------- */

static int (*const stages[])(struct host *host, struct err *e) = {
	host_prove,
	host_publish,
	host_supervise,
	host_come_back,
	host_finish,
};

static int on_stop(void *arg, int signal_number)
{
	struct host *host = arg;
	struct err e = ERR_NONE;

	(void)signal_number;
	notify_stopping();
	/* An orderly end of the machine: whoever asked, it is no crash. */
	if (host->run != NULL && reboot_is_under_way() &&
	    run_note_shutdown(host->run, &e) < 0)
		journal_say(&host->about, JOURNAL_PLAIN, LOG_ERR, "%s",
			    e.text);
	host_stop(host);
	return 0;
}

static int run_stages(struct host *host, struct err *e)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(stages); i++)
		r = stages[i](host, e);
	return r;
}

/* A run that cannot go on ends here, and does not come back with each boot. */
static int end_failed(struct host *host, int r, struct err *e)
{
	struct err late = ERR_NONE;
	int ended;

	/* Without a record it cannot end: started again, we take it up. */
	if (r >= 0 || r == -ECANCELED || host->run == NULL ||
	    record_has_failed(host->run->record))
		return r;
	if (host->running.role == RUNNING_DOM0)
		host_collect(host);
	ended = host_end(host, "failed", e->text, &late);
	/* A Xen that cannot run guests is no place to be left in. */
	if (ended == 0 && host->running.role == RUNNING_DOM0 &&
	    !host->marker.stay)
		ended = host_reboot(host, "into the old system", &late);
	if (ended < 0)
		journal_say(&host->about, JOURNAL_PLAIN, LOG_ERR, "%s",
			    late.text);
	return r;
}

static int run_host(struct host *host, struct err *e)
{
	CLEANUP(loop_source_freep) struct loop_source *term = NULL;
	CLEANUP(loop_source_freep) struct loop_source *interrupt = NULL;
	int r;

	r = loop_signal(host->loop, SIGTERM, on_stop, host, &term, e);
	if (r == 0)
		r = loop_signal(host->loop, SIGINT, on_stop, host, &interrupt,
				e);
	if (r < 0)
		return r;
	if (gethostname(host->hostname, sizeof(host->hostname) - 1) < 0)
		return err_errno(e, "read the host name");
	r = end_failed(host, run_stages(host, e), e);
	/*
	 * Started again, we feed the one that is armed; if even that fails until
	 * systemd has enough, it is what brings the machine to its next boot.
	 */
	if (host->run == NULL || !record_has_failed(host->run->record))
		watchdog_end(host);
	/* Told to stop, the run goes on with the next start of us. */
	if (r == -ECANCELED)
		r = 0;
	/* systemd takes an end before READY=1 as a failure. */
	if (r >= 0 && !host->ready)
		notify_ready();
	return r;
}

static int on_guard_stop(void *arg, int signal_number)
{
	bool *stop = arg;

	(void)signal_number;
	*stop = true;
	return 0;
}

static int run_guard(const struct host *host, struct err *e)
{
	CLEANUP(loop_source_freep) struct loop_source *term = NULL;
	bool stop = false;
	int r;

	r = loop_signal(host->loop, SIGTERM, on_guard_stop, &stop, &term, e);
	return r < 0 ? r : guard_run(host->root_fd, host->loop, &stop, e);
}

static int run(struct host *host, const struct arguments *arguments,
	       struct err *e)
{
	int r;

	r = file_open_dir(AT_FDCWD, arguments->common.root, &host->root_fd, e);
	if (r == 0)
		r = loop_new(&host->loop, e);
	if (r < 0)
		return r;
	host->grace_s = arguments->grace_s;
	host->watchdog_s = arguments->watchdog_s;
	return arguments->boot_guard ? run_guard(host, e) : run_host(host, e);
}

int main(int argc, char *argv[])
{
	struct host host = { .root_fd = -1 };
	struct arguments arguments;
	struct err e = ERR_NONE;
	int r;

	take_arguments(&arguments, argc, argv);
	if (arguments.common.exit_status >= 0)
		return arguments.common.exit_status;
	r = run(&host, &arguments, &e);
	if (r < 0)
		journal_say(&host.about, JOURNAL_FAILURE, LOG_ERR, "%s",
			    e.text);
	host_done(&host);
	return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
