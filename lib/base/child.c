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
#include "base/descendants.h"
#include "base/text.h"

#define SECOND_USEC UINT64_C(1000000)
/* Between two looks for those that are to be killed. */
#define KILL_AGAIN_USEC UINT64_C(200000)

/* So few are looked for at once; of more, most are about to end. */
enum { FEW = 32 };

/* What an earlier child left that no KILL ended: no child of this one. */
struct leftovers {
	pid_t pids[16];
	unsigned int count;
};

/* Children that run beside a whole tree: more than any daemon has at once. */
enum { BESIDE_MAX = 32 };

struct child {
	struct loop *loop;
	struct child *next; /* of those that run in the loop */
	struct loop_source *exit_source;
	struct loop_source *timer;
	struct cgroup *group; /* whole_tree, where it is to be had */
	child_done_fn done;
	void *arg;
	pid_t pid;
	int pid_fd;
	int answer_fd;
	bool kept;
	bool whole_tree; /* orphans are ours */
	bool exited;	 /* the first process; others may be left */
	bool terminated;
	bool killed;
	uint64_t started_usec;
	uint64_t give_up_usec; /* once killed */
	struct leftovers leftovers;
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
	cgroup_free(child->group);
	if (child->whole_tree)
		prctl(PR_SET_CHILD_SUBREAPER, 0);
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

/* All others: they are not of the tree of @child. */
static const pid_t *list_others(const struct child *child,
				pid_t pids[static BESIDE_MAX + 1])
{
	unsigned int count = 0;

	for (struct child *each = *loop_children(child->loop);
	     each != NULL && count < BESIDE_MAX; each = each->next)
		if (each != child)
			pids[count++] = each->pid;
	pids[count] = 0;
	return pids;
}

static void terminate_tree(const struct child *child)
{
	pid_t others[BESIDE_MAX + 1];

	if (child->group != NULL) {
		cgroup_signal(child->group, SIGTERM);
		cgroup_signal(child->group, SIGCONT);
		return;
	}
	/* Before exec() it may not lead its group yet. */
	kill(child->pid, SIGTERM);
	kill(-child->pid, SIGTERM);
	kill(-child->pid, SIGCONT);
	if (child->whole_tree)
		descendants_terminate(getpid(),
				      list_others(child, others));
}

/*
 * Root may leave its control group: then it is still a descendant, and is
 * looked for when the group is empty.
 */
static void kill_tree(const struct child *child)
{
	pid_t others[BESIDE_MAX + 1];

	if (child->group != NULL) {
		cgroup_signal(child->group, SIGKILL);
		if (!cgroup_is_empty(child->group))
			return;
	}
	if (!child->exited)
		kill(child->pid, SIGKILL);
	kill(-child->pid, SIGKILL);
	if (child->whole_tree)
		descendants_kill(getpid(), list_others(child, others));
}

/* From now on nobody is asked any more, and the time is short. */
static void begin_to_kill(struct child *child)
{
	child->killed = true;
	child->give_up_usec = loop_now_usec() + CHILD_KILL_S * SECOND_USEC;
	kill_tree(child);
	loop_timer_again(child->timer, KILL_AGAIN_USEC);
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

static bool take_leftover(struct leftovers *leftovers, pid_t pid)
{
	for (unsigned int i = 0; i < leftovers->count; i++)
		if (leftovers->pids[i] == pid) {
			leftovers->pids[i] =
				leftovers->pids[--leftovers->count];
			return true;
		}
	return false;
}

/* Takes in whoever has ended; answers how many are left. */
static unsigned int reap(struct child *child)
{
	pid_t others[BESIDE_MAX + 1];
	struct rusage usage;
	unsigned int left;
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
		if (take_leftover(&child->leftovers, pid))
			continue;
		add_usage(child, &usage);
		if (pid == child->pid)
			take_status(child, status);
		else if (child->exited && !child->terminated &&
			 WIFSIGNALED(status))
			child->result.stragglers++;
	}
	if (pid < 0) /* ECHILD */
		return 0;
	left = descendants_count_children(getpid(),
					  list_others(child, others));
	return left > child->leftovers.count ? left - child->leftovers.count :
					       0;
}

static void note_leftover(void *arg, pid_t pid, unsigned int depth)
{
	struct leftovers *leftovers = arg;

	if (depth == 0 && leftovers->count < ARRAY_SIZE(leftovers->pids))
		leftovers->pids[leftovers->count++] = pid;
}

static void note_leftovers(struct child *child)
{
	pid_t others[BESIDE_MAX + 1];

	reap(child);
	descendants_each(getpid(), list_others(child, others), note_leftover,
			 &child->leftovers);
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

static void add_group_usage(struct child_result *result,
			    const struct cgroup *group)
{
	uint64_t cpu = cgroup_cpu_usec(group);
	uint64_t memory = cgroup_memory_max_kib(group);

	result->cpu_usec = cpu > 0 ? cpu : result->cpu_usec;
	if (memory > 0)
		result->memory_max_kib = memory;
	result->oom_kills = cgroup_oom_kills(group);
	result->tasks_refused = cgroup_tasks_refused(group);
}

static int finish(struct child *child)
{
	CLEANUP(child_freep) struct child *ended = child;
	struct child_result *result = &ended->result;

	if (ended->group != NULL)
		add_group_usage(result, ended->group);
	result->wall_usec = loop_now_usec() - ended->started_usec;
	read_answer(ended);
	ended->done(ended->arg, result);
	return 0;
}

/* Of one alone; a whole tree beside it may have taken it in. */
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
	kill(-child->pid, SIGKILL);
	return finish(child);
}

/* Its own end, or that of an orphan: all of them are ours. */
static int on_sigchld(void *arg, int signal_number)
{
	struct child *child = arg;
	unsigned int left = reap(child);

	(void)signal_number;
	if (!child->exited)
		return 0;
	if (left == 0)
		return finish(child);
	/* Whoever was asked to end has its grace, the others have not. */
	if (!child->terminated && !child->killed)
		begin_to_kill(child);
	else if (child->killed && left <= FEW)
		kill_tree(child); /* who forked away is a child of ours now */
	return 0;
}

static void end_with_grace(struct child *child)
{
	child->terminated = true;
	terminate_tree(child);
	loop_timer_again(child->timer, CHILD_GRACE_S * SECOND_USEC);
}

/* The kernel holds it in a system call, or is busy ending it. */
static int give_up(struct child *child)
{
	pid_t others[BESIDE_MAX + 1];

	if (child->kept) {
		child->give_up_usec = UINT64_MAX;
		loop_timer_again(child->timer, UINT64_MAX);
		return 0;
	}
	if (child->whole_tree) /* not only those in the group */
		descendants_kill(getpid(), list_others(child, others));
	child->result.left = child->whole_tree ? reap(child) : 1;
	return finish(child);
}

static int on_limit(void *arg)
{
	struct child *child = arg;

	if (child->killed && loop_now_usec() >= child->give_up_usec)
		return give_up(child);
	if (child->killed) {
		kill_tree(child);
		loop_timer_again(child->timer, KILL_AGAIN_USEC);
	} else if (child->terminated) {
		begin_to_kill(child);
	} else {
		child->result.timed_out = true;
		end_with_grace(child);
	}
	return 0;
}

static bool is_ending(const struct child *child)
{
	return child->terminated || child->killed || child->exited;
}

void child_time_out(struct child *child)
{
	if (is_ending(child))
		return;
	child->result.timed_out = true;
	end_with_grace(child);
}

void child_stop(struct child *child)
{
	if (child == NULL || is_ending(child))
		return;
	child->result.stopped = true;
	end_with_grace(child);
}

bool child_kill(struct child *child)
{
	if (child == NULL || is_ending(child))
		return false;
	child->result.stopped = true;
	begin_to_kill(child);
	return true;
}

void child_abandon(struct child *child)
{
	kill_tree(child);
	child_free(child);
}

/* ---- the beginning ----------------------------------------------------- */

static bool is_limit(uint64_t limit)
{
	return limit != 0 && limit != UINT64_MAX;
}

static void set_limits(struct child *child, const struct child_spec *spec)
{
	const struct cgroup *group = child->group;

	if (is_limit(spec->memory_limit_bytes))
		child->result.memory_unlimited =
			group == NULL ||
			cgroup_limit_memory(group, spec->memory_limit_bytes) <
				0;
	if (is_limit(spec->tasks_limit))
		child->result.tasks_unlimited =
			group == NULL ||
			cgroup_limit_tasks(group, spec->tasks_limit) < 0;
}

/* Before the fork, so that no end can be missed. */
static int prepare_tree(struct child *child, const struct child_spec *spec,
			struct err *e)
{
	struct err ignored = ERR_NONE;

	if (cgroup_new("step", &child->group, &ignored) < 0)
		child->group = NULL;
	set_limits(child, spec);
	note_leftovers(child);
	if (prctl(PR_SET_CHILD_SUBREAPER, 1) < 0)
		return err_errno(e, "adopt orphans");
	child->whole_tree = true;
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
	if (child->whole_tree)
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
	r = spec->whole_tree ? prepare_tree(child, spec, e) : 0;
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
