/* SPDX-License-Identifier: BSD-2-Clause */
#include "run/evidence.h"

#include <fcntl.h>
#include <glob.h>
#include <inttypes.h>
#include <string.h>
#include <sys/klog.h>

#include "base/child.h"
#include "base/cleanup.h"
#include "base/descendants.h"
#include "base/file.h"
#include "base/text.h"
#include "xen/running.h"

enum {
	PROCESSES_MAX = 512,
	FILE_MAX = 4096,	 /* of one file below /proc/PID */
	LOG_TAIL_MAX = 256 << 10, /* of the kernel's log, and of Xen's */
	PROGRAM_MAX = 4 << 20,	 /* of a program's output that is looked at */
	GUESTS_MAX = 32,
	KLOG_READ_ALL = 3, /* syslog(2) */
};

/* Each of the programs may hang. */
#define PROGRAM_LIMIT_USEC UINT64_C(5000000)

struct evidence {
	int fd;
	struct loop *loop;
	unsigned int processes;
};

static void put(const struct evidence *evidence, const char *text)
{
	struct err ignored = ERR_NONE;

	file_write_all(evidence->fd, text, strlen(text), &ignored);
}

static void head(const struct evidence *evidence, const char *what)
{
	put(evidence, "\n==== ");
	put(evidence, what);
	put(evidence, "\n");
}

/* The last bytes of a text, from the beginning of a line on. */
static const char *tail_of(const char *text)
{
	size_t length = strlen(text);
	const char *line;

	if (length <= LOG_TAIL_MAX)
		return text;
	line = strchr(text + length - LOG_TAIL_MAX, '\n');
	return line == NULL ? text + length - LOG_TAIL_MAX : line + 1;
}

/* ---- processes --------------------------------------------------------- */

/* NULs between arguments become blanks. */
static size_t read_proc(pid_t pid, const char *name, char buffer[FILE_MAX])
{
	CLEANUP(fd_close) int fd = -1;
	char path[64];
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? 0 : read(fd, buffer, FILE_MAX - 1);
	if (n < 0)
		n = 0;
	for (ssize_t i = 0; i < n; i++)
		if (buffer[i] == '\0')
			buffer[i] = ' ';
	buffer[n] = '\0';
	return (size_t)n;
}

static void put_proc(const struct evidence *evidence, pid_t pid,
		     const char *name)
{
	char buffer[FILE_MAX];
	size_t length = read_proc(pid, name, buffer);

	if (length == 0)
		return;
	put(evidence, name);
	put(evidence, ": ");
	put(evidence, buffer);
	if (buffer[length - 1] != '\n')
		put(evidence, "\n");
}

static void put_process(void *arg, pid_t pid, unsigned int depth)
{
	/* The command line last: it may wait for the process. */
	static const char *const names[] = { "comm", "wchan", "stack", "status",
					     "cmdline" };
	struct evidence *evidence = arg;
	char line[64];

	if (pid == getpid() || evidence->processes++ >= PROCESSES_MAX)
		return;
	snprintf(line, sizeof(line), "\n---- process %d, depth %u\n", pid,
		 depth);
	put(evidence, line);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		put_proc(evidence, pid, names[i]);
}

static void put_processes(struct evidence *evidence)
{
	char line[64];

	head(evidence, "processes of the step");
	descendants_each(getppid(), NULL, put_process, evidence);
	if (evidence->processes <= PROCESSES_MAX)
		return;
	snprintf(line, sizeof(line), "\n%u more\n",
		 evidence->processes - PROCESSES_MAX);
	put(evidence, line);
}

/* ---- the kernel -------------------------------------------------------- */

static void press(char key)
{
	CLEANUP(fd_close) int fd =
		open("/proc/sysrq-trigger", O_WRONLY | O_CLOEXEC);
	ssize_t n;

	/* A kernel without it has one piece of evidence less. */
	if (fd >= 0)
		n = write(fd, &key, 1);
	(void)n;
}

static void put_kernel(const struct evidence *evidence)
{
	CLEANUP(freep) char *text = malloc(LOG_TAIL_MAX + 1);
	int length;

	head(evidence, "end of the kernel's log, after sysrq w and l");
	press('w');
	press('l');
	if (text == NULL)
		return;
	length = klogctl(KLOG_READ_ALL, text, LOG_TAIL_MAX);
	text[length < 0 ? 0 : length] = '\0';
	put(evidence, text);
}

/* ---- Xen --------------------------------------------------------------- */

static char *output_of(const struct evidence *evidence,
		       const char *const *argv)
{
	struct child_result result;
	struct err e = ERR_NONE;
	char *output = NULL;
	char how[96];

	if (child_capture(evidence->loop, argv, PROGRAM_LIMIT_USEC, PROGRAM_MAX,
			  &output, &result, &e) < 0) {
		put(evidence, e.text);
	} else if (result.exit_status != 0) {
		put(evidence, child_describe(&result, how));
		put(evidence, "\n");
	}
	return output;
}

static void put_program(const struct evidence *evidence, const char *what,
			const char *const *argv)
{
	CLEANUP(freep) char *output = NULL;

	head(evidence, what);
	output = output_of(evidence, argv);
	if (output != NULL)
		put(evidence, tail_of(output));
}

static char *find_xenctx(void)
{
	glob_t found;
	char *path = NULL;

	/* Debian's, and that of an install from the source. */
	if (glob("/usr/lib/xen*/bin/xenctx", 0, NULL, &found) != 0 &&
	    glob("/usr/local/lib/xen/bin/xenctx", 0, NULL, &found) != 0)
		return NULL;
	path = strdup(found.gl_pathv[found.gl_pathc - 1]);
	globfree(&found);
	return path;
}

/* A line of `xl list`: Name ID Mem VCPUs State Time. Answers 0: no guest. */
static int guest_of(const char *line)
{
	int id;

	return sscanf(line, "%*s %d %*d %*d", &id) == 1 && id > 0 ? id : 0;
}

static void put_vcpus(const struct evidence *evidence)
{
	static const char *const list[] = { "xl", "list", NULL };
	CLEANUP(freep) char *xenctx = find_xenctx();
	CLEANUP(freep) char *domains = NULL;
	unsigned int guests = 0;
	char *rest;
	const char *line;

	head(evidence, "domains");
	domains = output_of(evidence, list);
	if (domains == NULL)
		return;
	put(evidence, tail_of(domains));
	rest = domains;
	while ((line = strsep(&rest, "\n")) != NULL && guests < GUESTS_MAX) {
		char id[16];
		const char *const argv[] = { xenctx, "-C", id, NULL };

		snprintf(id, sizeof(id), "%d", guest_of(line));
		if (xenctx == NULL || id[0] == '0')
			continue;
		guests++;
		put_program(evidence, line, argv);
	}
}

static void put_xen(const struct evidence *evidence)
{
	static const char *const dmesg[] = { "xl", "dmesg", NULL };
	CLEANUP(fd_close) int root_fd = -1;
	struct err e = ERR_NONE;
	struct running running;

	if (file_open_dir(AT_FDCWD, "/", &root_fd, &e) < 0 ||
	    running_read(root_fd, &running, &e) < 0 ||
	    running.role != RUNNING_DOM0)
		return;
	put_program(evidence, "end of Xen's log", dmesg);
	put_vcpus(evidence);
}

int evidence_take(void *arg, struct err *e)
{
	const struct evidence_job *job = arg;
	struct evidence evidence = { .fd = job->log_fd };
	char time[32];
	int r;

	put(&evidence, "no output for ");
	put(&evidence, text_duration(time, job->silent_usec));
	put(&evidence, "\n");
	put_processes(&evidence);
	put_kernel(&evidence);
	r = loop_new(&evidence.loop, e); /* our parent's is not ours */
	if (r < 0)
		return r;
	put_xen(&evidence);
	loop_free(evidence.loop);
	return 0;
}
