/* SPDX-License-Identifier: BSD-2-Clause */
#include "xen/toolstack.h"

#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "base/child.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "base/text.h"
#include "xen/words.h"

#define SECOND_USEC UINT64_C(1000000)

enum {
	ARGUMENTS_MAX = 8,
	CONFIG_BYTES_MAX = 1024 * 1024,
};

struct toolstack {
	struct child *child;
	toolstack_done_fn done;
	void *arg;
	char *name; /* "xl create /etc/xen/vm1.cfg" */
	int words_fd; /* what it printed */
};

static void toolstack_free(struct toolstack *call)
{
	if (call == NULL)
		return;
	free(call->name);
	fd_close(&call->words_fd);
	free(call);
}

static void toolstack_freep(struct toolstack **call)
{
	toolstack_free(*call);
}

/* ---- xl in a session of its own ---------------------------------------- */

/* Answers on @failed_fd, which exec() closes, why there is no xl. */
static void become_xl(const char *const *argv, pid_t parent, int failed_fd)
{
	ssize_t n;

	setsid();
	/* Ending us ends xl, but not what xl made to stay. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() == parent)
		execvp(argv[0], (char *const *)argv);
	n = write(failed_fd, &errno, sizeof(errno));
	(void)n;
	_exit(127);
}

static int judge_status(int status, struct err *e)
{
	if (WIFSIGNALED(status))
		return err_set(e, -EPROTO, "signal %d (%s)", WTERMSIG(status),
			       strsignal(WTERMSIG(status)));
	if (WEXITSTATUS(status) != 0)
		return err_set(e, -EPROTO, "exit status %d",
			       WEXITSTATUS(status));
	return 0;
}

/*
 * The function of a child. Its process group is killed when it ends, and xl
 * create may end before the process that it leaves behind has got away from
 * that group: so the group is not xl's.
 */
static int run_xl(void *arg, struct err *e)
{
	const char *const *argv = arg;
	pid_t parent = getpid();
	int failure = 0;
	int status;
	int ends[2];
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return err_errno(e, "make a pipe");
	pid = fork();
	if (pid < 0)
		return err_errno(e, "fork");
	if (pid == 0)
		become_xl(argv, parent, ends[1]);
	close(ends[1]);
	if (read(ends[0], &failure, sizeof(failure)) == sizeof(failure))
		return err_set(e, -ENOENT,
			       "cannot start xl: %s; are Xen's tools installed?",
			       strerror(failure));
	if (waitpid(pid, &status, 0) != pid)
		return err_errno(e, "wait for it");
	return judge_status(status, e);
}

/* ---- its end ----------------------------------------------------------- */

static int judge(const struct toolstack *call, const struct child_result *result,
		 struct err *e)
{
	const char *how = result->message;
	char words[WORDS_MAX];
	char ended[96];
	int r = result->number;

	if (result->timed_out)
		r = -ETIMEDOUT;
	else if (result->stopped)
		r = -ECANCELED;
	if (r == 0)
		return 0;
	if (result->timed_out || result->stopped)
		how = child_describe(result, ended);
	words_read(call->words_fd, words);
	return err_set(e, r, "%s: %s%s%s", call->name, how,
		       words[0] == '\0' ? "" : ": ", words);
}

static void on_done(void *arg, const struct child_result *result)
{
	CLEANUP(toolstack_freep) struct toolstack *call = arg;
	struct err e = ERR_NONE;
	int r = judge(call, result, &e);

	call->done(call->arg, r, &e);
}

/* ---- its beginning ----------------------------------------------------- */

static int call_new(toolstack_done_fn done, void *arg, char *name,
		    struct toolstack **ret, struct err *e)
{
	CLEANUP(toolstack_freep) struct toolstack *call =
		calloc(1, sizeof(*call));

	if (call == NULL || name == NULL) {
		free(name);
		return err_set(e, -ENOMEM, "out of memory");
	}
	call->name = name;
	call->done = done;
	call->arg = arg;
	call->words_fd = memfd_create("xl", MFD_CLOEXEC);
	if (call->words_fd < 0)
		return err_errno(e, "make room for what xl says");
	*ret = TAKE_PTR(call);
	return 0;
}

/* Takes @name over. Output goes to @output_fd, if it is not -1. */
static int start(struct loop *loop, const char *const *argv, char *name,
		 int output_fd, uint64_t limit_usec, toolstack_done_fn done,
		 void *arg, struct toolstack **ret, struct err *e)
{
	CLEANUP(toolstack_freep) struct toolstack *call = NULL;
	struct child_spec spec = CHILD_SPEC_NONE;
	int r;

	r = call_new(done, arg, name, &call, e);
	if (r < 0 || call == NULL)
		return r;
	spec.name = call->name;
	spec.function = run_xl;
	spec.arg = (void *)argv;
	spec.output_fd = output_fd >= 0 ? output_fd : call->words_fd;
	spec.limit_usec = limit_usec;
	r = child_start(loop, &spec, on_done, call, &call->child, e);
	if (r < 0)
		return r;
	if (ret != NULL)
		*ret = call;
	TAKE_PTR(call); /* its own end frees it */
	return 0;
}

int toolstack_create_paused(struct loop *loop, const char *config,
			    uint64_t limit_usec, toolstack_done_fn done,
			    void *arg, struct toolstack **ret, struct err *e)
{
	/* -f, because a bare argument with '=' in it would be a setting. */
	const char *const argv[] = { "xl", "create", "-p", "-f", config, NULL };

	return start(loop, argv, text_format("xl create %s", config), -1,
		     limit_usec, done, arg, ret, e);
}

/* ---- the name in a config ---------------------------------------------- */

/* The value in `name = "value"`, or NULL when the line says something else. */
static char *name_in_line(const char *line)
{
	char quote;

	line += strspn(line, " \t");
	if (strncmp(line, "name", 4) != 0)
		return NULL;
	line += 4 + strspn(line + 4, " \t");
	if (*line != '=')
		return NULL;
	line += 1 + strspn(line + 1, " \t");
	quote = *line;
	if ((quote != '"' && quote != '\'') || strchr(line + 1, quote) == NULL)
		return NULL;
	return strndup(line + 1, (size_t)(strchr(line + 1, quote) - line - 1));
}

char *toolstack_config_name(const char *config)
{
	CLEANUP(freep) char *bytes = NULL;
	struct err ignored = ERR_NONE;
	char *name = NULL;
	char *rest;

	if (file_read(AT_FDCWD, config, CONFIG_BYTES_MAX, &bytes, NULL,
		      &ignored) < 0)
		return NULL;
	rest = bytes;
	for (char *line; (line = strsep(&rest, "\n;")) != NULL;) {
		char *found = name_in_line(line);

		if (found == NULL)
			continue;
		free(name); /* as in xl, the last one counts */
		name = found;
	}
	return name;
}

static int start_on_domain(struct loop *loop, const char *verb,
			   const char *option, unsigned int domid,
			   toolstack_done_fn done, void *arg,
			   struct toolstack **ret, struct err *e)
{
	const char *argv[ARGUMENTS_MAX] = { "xl", verb };
	char number[16];
	size_t count = 2;

	snprintf(number, sizeof(number), "%u", domid);
	if (option != NULL)
		argv[count++] = option;
	argv[count] = number;
	return start(loop, argv, text_format("xl %s %u", verb, domid), -1,
		     TOOLSTACK_SHORT_S * SECOND_USEC, done, arg, ret, e);
}

int toolstack_unpause(struct loop *loop, unsigned int domid,
		      toolstack_done_fn done, void *arg, struct toolstack **ret,
		      struct err *e)
{
	return start_on_domain(loop, "unpause", NULL, domid, done, arg, ret, e);
}

int toolstack_shutdown(struct loop *loop, unsigned int domid,
		       toolstack_done_fn done, void *arg,
		       struct toolstack **ret, struct err *e)
{
	return start_on_domain(loop, "shutdown", "-F", domid, done, arg, ret,
			       e);
}

int toolstack_destroy(struct loop *loop, unsigned int domid,
		      toolstack_done_fn done, void *arg, struct toolstack **ret,
		      struct err *e)
{
	return start_on_domain(loop, "destroy", NULL, domid, done, arg, ret, e);
}

int toolstack_dmesg(struct loop *loop, int output_fd, toolstack_done_fn done,
		    void *arg, struct toolstack **ret, struct err *e)
{
	static const char *const argv[] = { "xl", "dmesg", NULL };

	return start(loop, argv, text_format("xl dmesg"), output_fd,
		     TOOLSTACK_SHORT_S * SECOND_USEC, done, arg, ret, e);
}

void toolstack_cancel(struct toolstack *call)
{
	if (call != NULL)
		child_stop(call->child);
}
