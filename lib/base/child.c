/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/child.h"

#include <fcntl.h>
#include <grp.h>
#include <inttypes.h>
#include <pwd.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/epoll.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "base/cgroup.h"
#include "base/cleanup.h"
#include "base/text.h"

#define SECOND_USEC UINT64_C(1000000)

/* What a function in a child answers, through a pipe. */
struct answer {
	int number;
	char message[sizeof(((struct err *)0)->text)];
};

struct child {
	struct loop *loop;
	struct loop_source *exit_source;
	struct loop_source *timer;
	struct loop_source *empty_source; /* of the control group */
	struct cgroup *group;
	child_done_fn done;
	void *arg;
	pid_t pid;
	int pid_fd;
	int answer_fd;
	bool whole_tree;
	bool exited; /* the first process; others may be left */
	bool terminated;
	uint64_t started_usec;
	struct child_result result;
};

static void child_free(struct child *child)
{
	if (child == NULL)
		return;
	loop_source_free(child->exit_source);
	loop_source_free(child->timer);
	loop_source_free(child->empty_source);
	cgroup_free(child->group);
	fd_close(&child->pid_fd);
	fd_close(&child->answer_fd);
	free(child);
}

static void child_freep(struct child **child)
{
	child_free(*child);
}

/* ---- in the new process ------------------------------------------------ */

static void say_and_exit(const char *name, const char *what)
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

	for (int number = 1; number < NSIG; number++)
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

static void run_function(const struct child_spec *spec, int answer_fd)
{
	struct answer answer = { 0 };
	struct err e = ERR_NONE;
	ssize_t n;

	answer.number = spec->function(spec->arg, &e);
	memcpy(answer.message, e.text, sizeof(answer.message));
	fflush(NULL);
	n = write(answer_fd, &answer, sizeof(answer));
	_exit(n == (ssize_t)sizeof(answer) && answer.number == 0 ? 0 : 1);
}

static void run_child(const struct child_spec *spec,
		      const struct cgroup *group, int answer_fd)
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
	if (spec->environment != NULL)
		execvpe(spec->argv[0], (char *const *)spec->argv,
			(char *const *)spec->environment);
	else
		execvp(spec->argv[0], (char *const *)spec->argv);
	say_and_exit(spec->argv[0], "start");
}

/* ---- everything that it left behind ------------------------------------ */

/* Calls back for every child of @pid; proc(5), /proc/PID/task/TID/children. */
static unsigned int each_child_of(pid_t pid, void (*visit)(pid_t pid))
{
	CLEANUP(freep) char *path =
		text_format("/proc/%d/task/%d/children", pid, pid);
	CLEANUP(file_closep) FILE *file = NULL;
	unsigned int count = 0;
	int child;

	file = path == NULL ? NULL : fopen(path, "re");
	if (file == NULL)
		return 0;
	for (; fscanf(file, "%d", &child) == 1; count++)
		visit(child);
	return count;
}

static void terminate_with_children(pid_t pid)
{
	kill(pid, SIGTERM);
	each_child_of(pid, terminate_with_children);
}

static void kill_with_children(pid_t pid)
{
	/* Stopped first, so that it cannot fork while we look. */
	kill(pid, SIGSTOP);
	each_child_of(pid, kill_with_children);
	kill(pid, SIGKILL);
}

static void signal_tree(const struct child *child, int signal_number)
{
	if (child->group != NULL) {
		cgroup_signal(child->group, signal_number);
		return;
	}
	/* Before exec() it may not lead its group yet. */
	if (!child->exited)
		kill(child->pid, signal_number);
	kill(-child->pid, signal_number);
	if (child->whole_tree && signal_number == SIGKILL)
		each_child_of(getpid(), kill_with_children);
	else if (child->whole_tree)
		each_child_of(getpid(), terminate_with_children);
}

static void add_usage(struct child *child, const struct rusage *usage)
{
	child->result.cpu_usec +=
		(uint64_t)(usage->ru_utime.tv_sec + usage->ru_stime.tv_sec) *
			SECOND_USEC +
		(uint64_t)(usage->ru_utime.tv_usec + usage->ru_stime.tv_usec);
	if ((uint64_t)usage->ru_maxrss > child->result.memory_max_kib)
		child->result.memory_max_kib = (uint64_t)usage->ru_maxrss;
}

/* Orphans were adopted: kill and reap until there are none. */
static void end_adopted(struct child *child)
{
	struct rusage usage;

	while (each_child_of(getpid(), kill_with_children) > 0) {
		pid_t pid = wait4(-1, NULL, 0, &usage);

		if (pid < 0)
			break;
		child->result.stragglers++;
		add_usage(child, &usage);
	}
}

/* ---- the end ----------------------------------------------------------- */

static void read_answer(struct child *child)
{
	struct answer answer;

	if (child->answer_fd < 0)
		return;
	if (read(child->answer_fd, &answer, sizeof(answer)) !=
	    (ssize_t)sizeof(answer)) {
		child->result.number = -EPROTO;
		snprintf(child->result.message, sizeof(child->result.message),
			 "it ended without an answer");
		return;
	}
	child->result.number = answer.number;
	memcpy(child->result.message, answer.message, sizeof(answer.message));
	child->result.message[sizeof(child->result.message) - 1] = '\0';
}

static int finish(struct child *child)
{
	CLEANUP(child_freep) struct child *ended = child;
	struct child_result *result = &ended->result;

	if (ended->group != NULL) {
		uint64_t cpu = cgroup_cpu_usec(ended->group);
		uint64_t memory = cgroup_memory_max_kib(ended->group);

		result->cpu_usec = cpu > 0 ? cpu : result->cpu_usec;
		if (memory > 0)
			result->memory_max_kib = memory;
	}
	result->wall_usec = loop_now_usec() - ended->started_usec;
	read_answer(ended);
	ended->done(ended->arg, result);
	return 0;
}

static int on_group_event(void *arg, uint32_t events)
{
	struct child *child = arg;

	(void)events;
	return cgroup_is_empty(child->group) ? finish(child) : 0;
}

static int end_group(struct child *child)
{
	struct err e = ERR_NONE;

	if (cgroup_is_empty(child->group))
		return finish(child);
	child->result.stragglers = cgroup_signal(child->group, SIGKILL);
	if (loop_io(child->loop, cgroup_event_fd(child->group), EPOLLPRI,
		    on_group_event, child, &child->empty_source, &e) < 0)
		return finish(child);
	/* It may have become empty before we watched. */
	return on_group_event(child, 0);
}

static int on_exit_of_child(void *arg, uint32_t events)
{
	struct child *child = arg;
	struct rusage usage;
	int status;

	(void)events;
	if (wait4(child->pid, &status, WNOHANG, &usage) != child->pid)
		return 0;
	child->exited = true;
	loop_source_free(TAKE_PTR(child->exit_source));
	add_usage(child, &usage);
	child->result.exit_status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
	child->result.term_signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
	if (child->group != NULL)
		return end_group(child);
	kill(-child->pid, SIGKILL);
	if (child->whole_tree)
		end_adopted(child);
	return finish(child);
}

static int on_limit(void *arg)
{
	struct child *child = arg;

	if (child->terminated) {
		signal_tree(child, SIGKILL);
		return 0;
	}
	child->result.timed_out = true;
	child->terminated = true;
	signal_tree(child, SIGTERM);
	loop_timer_again(child->timer, CHILD_GRACE_S * SECOND_USEC);
	return 0;
}

void child_stop(struct child *child)
{
	if (child == NULL || child->terminated)
		return;
	child->result.stopped = true;
	child->terminated = true;
	signal_tree(child, SIGTERM);
	loop_timer_again(child->timer, CHILD_GRACE_S * SECOND_USEC);
}

/* ---- the beginning ----------------------------------------------------- */

static int prepare_tree(struct child *child, struct err *e)
{
	struct err ignored = ERR_NONE;
	int r;

	if (!child->whole_tree)
		return 0;
	r = cgroup_new("step", &child->group, &ignored);
	if (r == 0)
		return 0;
	if (prctl(PR_SET_CHILD_SUBREAPER, 1) < 0)
		return err_errno(e, "adopt orphans");
	return 0;
}

static int fork_child(struct child *child, const struct child_spec *spec,
		      struct err *e)
{
	CLEANUP(fd_close) int read_fd = -1;
	CLEANUP(fd_close) int write_fd = -1;
	int ends[2];

	if (spec->function != NULL) {
		if (pipe2(ends, O_CLOEXEC) < 0)
			return err_errno(e, "make a pipe");
		read_fd = ends[0];
		write_fd = ends[1];
		/* Else its buffered output would be written twice. */
		fflush(NULL);
	}
	child->started_usec = loop_now_usec();
	child->pid = fork();
	if (child->pid < 0)
		return err_errno(e, "start %s", spec->name);
	if (child->pid == 0)
		run_child(spec, child->group, write_fd);
	setpgid(child->pid, child->pid);
	child->answer_fd = TAKE_FD(read_fd);
	return 0;
}

static int watch_child(struct child *child, const struct child_spec *spec,
		       struct err *e)
{
	uint64_t limit = spec->limit_usec == 0 ? UINT64_MAX : spec->limit_usec;
	int r;

	child->pid_fd = pidfd_open(child->pid, 0);
	if (child->pid_fd < 0)
		return err_errno(e, "watch %s", spec->name);
	r = loop_io(child->loop, child->pid_fd, EPOLLIN, on_exit_of_child,
		    child, &child->exit_source, e);
	if (r < 0)
		return r;
	return loop_timer(child->loop, limit, on_limit, child, &child->timer,
			  e);
}

int child_start(struct loop *loop, const struct child_spec *spec,
		child_done_fn done, void *arg, struct child **ret,
		struct err *e)
{
	CLEANUP(child_freep) struct child *child = calloc(1, sizeof(*child));
	int r;

	if (child == NULL)
		return err_set(e, -ENOMEM, "out of memory");
	child->loop = loop;
	child->done = done;
	child->arg = arg;
	child->pid_fd = -1;
	child->answer_fd = -1;
	child->whole_tree = spec->whole_tree;
	r = prepare_tree(child, e);
	if (r < 0)
		return r;
	r = fork_child(child, spec, e);
	if (r < 0)
		return r;
	r = watch_child(child, spec, e);
	if (r < 0) {
		signal_tree(child, SIGKILL);
		waitpid(child->pid, NULL, 0);
		return r;
	}
	if (ret != NULL)
		*ret = child;
	TAKE_PTR(child); /* its own end frees it */
	return 0;
}

struct waiting {
	bool done;
	struct child_result *result;
};

static void on_done(void *arg, const struct child_result *result)
{
	struct waiting *waiting = arg;

	*waiting->result = *result;
	waiting->done = true;
}

int child_run(struct loop *loop, const struct child_spec *spec,
	      struct child **current, struct child_result *ret, struct err *e)
{
	struct waiting waiting = { .result = ret };
	struct child *child;
	int r;

	r = child_start(loop, spec, on_done, &waiting, &child, e);
	if (r < 0)
		return r;
	if (current != NULL)
		*current = child;
	r = loop_run(loop, &waiting.done, e);
	if (current != NULL)
		*current = NULL;
	return r;
}

static const char *last_line(char *output)
{
	size_t length = strlen(output);
	char *line;

	while (length > 0 && output[length - 1] == '\n')
		output[--length] = '\0';
	line = strrchr(output, '\n');
	line = line == NULL ? output : line + 1;
	text_plain(line);
	return line;
}

static int check_capture(const char *const *argv, char *output,
			 const struct child_result *result, struct err *e)
{
	const char *line = output == NULL ? "" : last_line(output);
	char how[96];

	if (result->exit_status == 0 && !result->timed_out)
		return 0;
	return err_set(e, -EPROTO, "%s: %s%s%s", argv[0],
		       child_describe(result, how), line[0] == '\0' ? "" : ": ",
		       line);
}

static int read_output(int fd, size_t max, char **ret, struct err *e)
{
	CLEANUP(freep) char *output = malloc(max + 1);
	ssize_t length;

	if (output == NULL)
		return err_set(e, -ENOMEM, "out of memory");
	length = pread(fd, output, max, 0);
	if (length < 0)
		return err_errno(e, "read what it printed");
	for (ssize_t i = 0; i < length; i++)
		if (output[i] == '\0')
			output[i] = '?';
	output[length] = '\0';
	*ret = TAKE_PTR(output);
	return 0;
}

int child_capture(struct loop *loop, const char *const *argv,
		  uint64_t limit_usec, size_t max, char **ret_output,
		  struct child_result *result, struct err *e)
{
	CLEANUP(fd_close) int fd = memfd_create("output", MFD_CLOEXEC);
	CLEANUP(freep) char *output = NULL;
	struct child_spec spec = CHILD_SPEC_NONE;
	struct child_result own;
	int r;

	if (fd < 0)
		return err_errno(e, "make room for the output of %s", argv[0]);
	spec.name = argv[0];
	spec.argv = argv;
	spec.output_fd = fd;
	spec.limit_usec = limit_usec;
	r = child_run(loop, &spec, NULL, &own, e);
	if (r < 0)
		return r;
	r = read_output(fd, max, &output, e);
	if (r < 0)
		return r;
	if (result == NULL) {
		r = check_capture(argv, output, &own, e);
		if (r < 0)
			return r;
	} else {
		*result = own;
	}
	if (ret_output != NULL)
		*ret_output = TAKE_PTR(output);
	return 0;
}

const char *child_describe(const struct child_result *result,
			   char buffer[static 96])
{
	char time[32];

	if (result->timed_out)
		snprintf(buffer, 96, "timed out after %s",
			 text_duration(time, result->wall_usec));
	else if (result->stopped)
		snprintf(buffer, 96, "stopped by us");
	else if (result->term_signal != 0)
		snprintf(buffer, 96, "signal %d (%s)", result->term_signal,
			 strsignal(result->term_signal));
	else
		snprintf(buffer, 96, "exit status %d", result->exit_status);
	return buffer;
}
