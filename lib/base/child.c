/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/child.h"

#include <inttypes.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "base/cgroup.h"
#include "base/child-exec.h"
#include "base/cleanup.h"
#include "base/text.h"

#define SECOND_USEC UINT64_C(1000000)

struct child {
	struct loop *loop;
	struct child *next; /* of those that run in the loop */
	struct loop_source *exit_source;
	struct loop_source *timer;
	struct loop_source *empty_source; /* of the control group */
	struct cgroup *group;
	child_done_fn done;
	void *arg;
	pid_t pid;
	int pid_fd;
	int answer_fd;
	bool kept;
	bool adopts; /* whole_tree without a control group */
	bool exited; /* the first process; others may be left */
	bool terminated;
	bool killed;
	uint64_t started_usec;
	struct child_result result;
};

/* From fork to end, so that whoever reaps knows whom it reaped. */
static void enlist(struct child *child)
{
	struct child **children = loop_children(child->loop);

	child->next = *children;
	*children = child;
}

static void strike_off(const struct child *child)
{
	struct child **at = loop_children(child->loop);

	while (*at != NULL && *at != child)
		at = &(*at)->next;
	if (*at != NULL)
		*at = child->next;
}

static void child_free(struct child *child)
{
	if (child == NULL)
		return;
	strike_off(child);
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

/* ---- everything that it left behind ------------------------------------ */

/* Another one that we started, beside @child. */
static struct child *find_other(const struct child *child, pid_t pid)
{
	struct child *each = *loop_children(child->loop);

	while (each != NULL && (each == child || each->pid != pid))
		each = each->next;
	return each;
}

static bool has_others(const struct child *child)
{
	return *loop_children(child->loop) != child || child->next != NULL;
}

/*
 * Calls back for every child of @pid but for those that run beside @beside,
 * where that is not NULL; proc(5), /proc/PID/task/TID/children.
 */
static unsigned int each_child_of(pid_t pid, const struct child *beside,
				  void (*visit)(pid_t pid))
{
	CLEANUP(freep) char *path =
		text_format("/proc/%d/task/%d/children", pid, pid);
	CLEANUP(file_closep) FILE *file = NULL;
	unsigned int count = 0;
	int child;

	file = path == NULL ? NULL : fopen(path, "re");
	if (file == NULL)
		return 0;
	while (fscanf(file, "%d", &child) == 1) {
		if (beside != NULL && find_other(beside, child) != NULL)
			continue;
		if (visit != NULL)
			visit(child);
		count++;
	}
	return count;
}

static void terminate_with_children(pid_t pid)
{
	kill(pid, SIGTERM);
	kill(pid, SIGCONT); /* a stopped one cannot end */
	each_child_of(pid, NULL, terminate_with_children);
}

static void kill_with_children(pid_t pid)
{
	/* Stopped first, so that it cannot fork while we look. */
	kill(pid, SIGSTOP);
	each_child_of(pid, NULL, kill_with_children);
	kill(pid, SIGKILL);
}

static void terminate_tree(const struct child *child)
{
	if (child->group != NULL) {
		cgroup_signal(child->group, SIGTERM);
		cgroup_signal(child->group, SIGCONT);
		return;
	}
	/* Before exec() it may not lead its group yet. */
	kill(child->pid, SIGTERM);
	kill(-child->pid, SIGTERM);
	kill(-child->pid, SIGCONT);
	if (child->adopts)
		each_child_of(getpid(), child, terminate_with_children);
}

static void kill_tree(const struct child *child)
{
	if (child->group != NULL) {
		cgroup_signal(child->group, SIGKILL);
		return;
	}
	if (!child->exited)
		kill(child->pid, SIGKILL);
	kill(-child->pid, SIGKILL);
	if (child->adopts)
		each_child_of(getpid(), child, kill_with_children);
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

static void take_status(struct child *child, int status)
{
	child->exited = true;
	child->result.exit_status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
	child->result.term_signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

/* Takes in whoever has ended; answers whether nobody is left. */
static bool reap_adopted(struct child *child)
{
	struct rusage usage;
	int status;
	pid_t pid;

	while ((pid = wait4(-1, &status, WNOHANG, &usage)) > 0) {
		struct child *other = find_other(child, pid);

		if (other != NULL) {
			/* Its pidfd brings on the rest. */
			add_usage(other, &usage);
			take_status(other, status);
			continue;
		}
		add_usage(child, &usage);
		if (pid == child->pid)
			take_status(child, status);
		else if (child->exited && WIFSIGNALED(status))
			child->result.stragglers++;
	}
	return pid < 0 || (has_others(child) &&
			   each_child_of(getpid(), child, NULL) == 0);
}

/* ---- the end ----------------------------------------------------------- */

static void read_answer(struct child *child)
{
	struct child_answer answer;

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
	if (!child->terminated) /* else they have their grace */
		child->result.stragglers =
			cgroup_signal(child->group, SIGKILL);
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
	if (!child->exited) {
		if (wait4(child->pid, &status, WNOHANG, &usage) != child->pid)
			return 0;
		take_status(child, status);
		add_usage(child, &usage);
	}
	loop_source_free(TAKE_PTR(child->exit_source));
	if (child->group != NULL)
		return end_group(child);
	kill(-child->pid, SIGKILL);
	return finish(child);
}

/* Its own end, or that of an orphan: all of them are ours. */
static int on_sigchld(void *arg, int signal_number)
{
	struct child *child = arg;
	bool nobody_left = reap_adopted(child);

	(void)signal_number;
	if (!child->exited)
		return 0;
	if (nobody_left)
		return finish(child);
	/* Whoever was asked to end has its grace, the others have not. */
	if (!child->terminated || child->killed)
		kill_tree(child);
	return 0;
}

static void end_with_grace(struct child *child)
{
	child->terminated = true;
	terminate_tree(child);
	loop_timer_again(child->timer, CHILD_GRACE_S * SECOND_USEC);
}

static int on_limit(void *arg)
{
	struct child *child = arg;

	if (child->killed) /* the kernel holds it: give it up */
		return child->kept ? 0 : finish(child);
	if (child->terminated || child->exited) {
		child->killed = true;
		kill_tree(child);
		loop_timer_again(child->timer, CHILD_GRACE_S * SECOND_USEC);
		return 0;
	}
	child->result.timed_out = true;
	end_with_grace(child);
	return 0;
}

void child_stop(struct child *child)
{
	if (child == NULL || child->terminated || child->exited)
		return;
	child->result.stopped = true;
	end_with_grace(child);
}

void child_abandon(struct child *child)
{
	kill_tree(child);
	child_free(child);
}

/* ---- the beginning ----------------------------------------------------- */

/* Before the fork, so that no end can be missed. */
static int prepare_tree(struct child *child, struct err *e)
{
	struct err ignored = ERR_NONE;
	int r;

	r = cgroup_new("step", &child->group, &ignored);
	if (r == 0)
		return 0;
	if (prctl(PR_SET_CHILD_SUBREAPER, 1) < 0)
		return err_errno(e, "adopt orphans");
	child->adopts = true;
	return loop_signal(child->loop, SIGCHLD, on_sigchld, child,
			   &child->exit_source, e);
}

static pid_t start_copy(const struct child_spec *spec,
			const struct cgroup *group, int answer_fd)
{
	pid_t pid = fork();

	if (pid == 0)
		child_exec(spec, group, answer_fd);
	return pid;
}

/* Without a copy of our memory: half the time. Nothing here may change. */
static pid_t start_program(const struct child_spec *spec,
			   const struct cgroup *group)
{
	pid_t pid = vfork();

	if (pid == 0)
		child_exec(spec, group, -1);
	return pid;
}

static int fork_child(struct child *child, const struct child_spec *spec,
		      struct err *e)
{
	CLEANUP(fd_close) int read_fd = -1;
	CLEANUP(fd_close) int write_fd = -1;
	bool forks = spec->function != NULL || spec->user != NULL;
	int ends[2];

	if (spec->function != NULL) {
		if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0)
			return err_errno(e, "make a pipe");
		read_fd = ends[0];
		write_fd = ends[1];
		/* Else its buffered output would be written twice. */
		fflush(NULL);
	}
	child->started_usec = loop_now_usec();
	child->pid = forks ? start_copy(spec, child->group, write_fd) :
			     start_program(spec, child->group);
	if (child->pid < 0)
		return err_errno(e, "start %s", spec->name);
	enlist(child);
	if (forks) /* else it has done so itself by now */
		setpgid(child->pid, child->pid);
	child->answer_fd = TAKE_FD(read_fd);
	return 0;
}

static int watch_exit(struct child *child, const struct child_spec *spec,
		      struct err *e)
{
	if (child->adopts)
		return 0;
	child->pid_fd = pidfd_open(child->pid, 0);
	if (child->pid_fd < 0)
		return err_errno(e, "watch %s", spec->name);
	return loop_io(child->loop, child->pid_fd, EPOLLIN, on_exit_of_child,
		       child, &child->exit_source, e);
}

static int watch_child(struct child *child, const struct child_spec *spec,
		       struct err *e)
{
	uint64_t limit = spec->limit_usec == 0 ? UINT64_MAX : spec->limit_usec;
	int r = watch_exit(child, spec, e);

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
	child->kept = spec->kept;
	child->done = done;
	child->arg = arg;
	child->pid_fd = -1;
	child->answer_fd = -1;
	r = spec->whole_tree ? prepare_tree(child, e) : 0;
	if (r < 0)
		return r;
	r = fork_child(child, spec, e);
	if (r < 0)
		return r;
	r = watch_child(child, spec, e);
	if (r < 0) {
		kill_tree(child);
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
