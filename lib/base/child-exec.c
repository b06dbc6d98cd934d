/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/child-exec.h"

#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

static _Noreturn void say_and_exit(const char *name, const char *what)
{
	dprintf(STDERR_FILENO, "%s: %s: %s\n", name, what, strerror(errno));
	_exit(127);
}

static void take_descriptors(const struct child_spec *spec)
{
	int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	int output_fd = spec->output_fd >= 0 ? spec->output_fd : null_fd;

	dup2(null_fd, STDIN_FILENO);
	dup2(output_fd, STDOUT_FILENO);
	dup2(output_fd, STDERR_FILENO);
}

static void reset_signals(void)
{
	sigset_t none;

	/* Those of POSIX: nobody hands down others ignored. */
	for (int number = 1; number < 32; number++)
		signal(number, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

static void become(const char *name, const char *user)
{
	const struct passwd *pw;

	errno = 0;
	pw = getpwnam(user);
	if (pw == NULL) {
		if (errno == 0)
			errno = ENOENT;
		say_and_exit(name, "look up the user");
	}
	if (initgroups(user, pw->pw_gid) < 0 || setgid(pw->pw_gid) < 0 ||
	    setuid(pw->pw_uid) < 0)
		say_and_exit(name, "change to the user");
}

static _Noreturn void run_function(const struct child_spec *spec, int answer_fd)
{
	struct child_answer answer = { 0 };
	struct err e = ERR_NONE;
	ssize_t n;

	/* It holds what we hold, the lock of a record among it. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	answer.number = spec->function(spec->arg, &e);
	memcpy(answer.message, e.text, sizeof(answer.message));
	fflush(NULL);
	n = write(answer_fd, &answer, sizeof(answer));
	_exit(n == (ssize_t)sizeof(answer) && answer.number == 0 ? 0 : 1);
}

void child_exec(const struct child_spec *spec, const struct cgroup *group,
		int answer_fd)
{
	setpgid(0, 0);
	take_descriptors(spec);
	reset_signals();
	if (group != NULL && cgroup_enter(group) < 0)
		say_and_exit(spec->name, "enter its control group");
	if (spec->dir_fd >= 0 && fchdir(spec->dir_fd) < 0)
		say_and_exit(spec->name, "change directory");
	if (spec->user != NULL)
		become(spec->name, spec->user);
	if (spec->function != NULL)
		run_function(spec, answer_fd);
	close_range(STDERR_FILENO + 1, ~0U, CLOSE_RANGE_CLOEXEC);
	if (spec->environment != NULL)
		execvpe(spec->argv[0], (char *const *)spec->argv,
			(char *const *)spec->environment);
	else
		execvp(spec->argv[0], (char *const *)spec->argv);
	say_and_exit(spec->argv[0], "start");
}
