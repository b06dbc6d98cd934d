/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/cgroup.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/xattr.h>

#include "base/cleanup.h"
#include "base/text.h"

#define DAEMON_GROUP "daemon"

struct cgroup {
	int parent_fd;
	int fd;
	int events_fd;
	char *name;
};

/* Path of our own version 2 group, below the mount: "/system.slice/…". */
static int own_path(char *buffer, size_t size)
{
	CLEANUP(file_closep) FILE *file = fopen("/proc/self/cgroup", "re");

	if (file == NULL)
		return -errno;
	while (fgets(buffer, (int)size, file) != NULL) {
		if (strncmp(buffer, "0::", 3) != 0)
			continue;
		buffer[strcspn(buffer, "\n")] = '\0';
		memmove(buffer, buffer + 3, strlen(buffer + 3) + 1);
		return 0;
	}
	return -ENODEV;
}

/* systemd marks what it delegates: systemd.resource-control(5), Delegate=. */
static bool is_delegated(int fd)
{
	char value[8];

	return fgetxattr(fd, "trusted.delegate", value, sizeof(value)) > 0 ||
	       fgetxattr(fd, "user.delegate", value, sizeof(value)) > 0;
}

/* The group that systemd gave to the unit this process runs in. */
static int open_delegated(int *ret_fd)
{
	static const char daemon_suffix[] = "/" DAEMON_GROUP;
	CLEANUP(fd_close) int fd = -1;
	char path[4096] = "/sys/fs/cgroup";
	size_t mount_length = strlen(path);
	size_t length;
	struct statfs fs;
	int r;

	if (statfs(path, &fs) < 0 || fs.f_type != CGROUP2_SUPER_MAGIC)
		return -ENODEV;
	r = own_path(path + mount_length, sizeof(path) - mount_length);
	if (r < 0)
		return r;
	length = strlen(path);
	if (length > strlen(daemon_suffix) &&
	    strcmp(path + length - strlen(daemon_suffix), daemon_suffix) == 0)
		path[length - strlen(daemon_suffix)] = '\0';
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (!is_delegated(fd))
		return -ENODEV;
	*ret_fd = TAKE_FD(fd);
	return 0;
}

static int write_at(int dir_fd, const char *name, const char *text)
{
	CLEANUP(fd_close) int fd = openat(dir_fd, name, O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	return write(fd, text, strlen(text)) < 0 ? -errno : 0;
}

static ssize_t read_at(int dir_fd, const char *name, char *buffer, size_t size)
{
	CLEANUP(fd_close) int fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return -errno;
	n = read(fd, buffer, size - 1);
	buffer[n > 0 ? n : 0] = '\0';
	return n;
}

void cgroup_prepare(void)
{
	CLEANUP(fd_close) int fd = -1;

	if (open_delegated(&fd) < 0)
		return;
	if (mkdirat(fd, DAEMON_GROUP, 0755) < 0 && errno != EEXIST)
		return;
	write_at(fd, DAEMON_GROUP "/cgroup.procs", "0");
	/* One by one: a missing controller must not cost the others. */
	write_at(fd, "cgroup.subtree_control", "+memory");
	write_at(fd, "cgroup.subtree_control", "+pids");
	write_at(fd, "cgroup.subtree_control", "+cpu");
}

static void remove_leftover(int parent_fd, const char *name)
{
	CLEANUP(freep) char *kill_file = text_format("%s/cgroup.kill", name);

	if (unlinkat(parent_fd, name, AT_REMOVEDIR) == 0 || errno == ENOENT ||
	    kill_file == NULL)
		return;
	write_at(parent_fd, kill_file, "1");
	unlinkat(parent_fd, name, AT_REMOVEDIR);
}

static int open_group(struct cgroup *group, struct err *e)
{
	if (mkdirat(group->parent_fd, group->name, 0755) < 0 && errno != EEXIST)
		return err_errno(e, "make control group %s", group->name);
	group->fd = openat(group->parent_fd, group->name,
			   O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (group->fd < 0)
		return err_errno(e, "open control group %s", group->name);
	group->events_fd =
		openat(group->fd, "cgroup.events", O_RDONLY | O_CLOEXEC);
	if (group->events_fd < 0)
		return err_errno(e, "watch control group %s", group->name);
	return 0;
}

int cgroup_new(const char *name, struct cgroup **ret, struct err *e)
{
	struct cgroup *group;
	int parent_fd;
	int r;

	r = open_delegated(&parent_fd);
	if (r < 0)
		return err_set(e, -ENODEV, "no control group is delegated");
	group = calloc(1, sizeof(*group));
	if (group == NULL) {
		close(parent_fd);
		return err_set(e, -ENOMEM, "out of memory");
	}
	*group = (struct cgroup){ parent_fd, -1, -1, strdup(name) };
	if (group->name == NULL) {
		cgroup_free(group);
		return err_set(e, -ENOMEM, "out of memory");
	}
	remove_leftover(parent_fd, name);
	r = open_group(group, e);
	if (r < 0) {
		cgroup_free(group);
		return r;
	}
	*ret = group;
	return 0;
}

int cgroup_enter(const struct cgroup *group)
{
	return write_at(group->fd, "cgroup.procs", "0");
}

int cgroup_event_fd(const struct cgroup *group)
{
	return group->events_fd;
}

bool cgroup_is_empty(const struct cgroup *group)
{
	char text[256];
	/* Reading it is also what arms EPOLLPRI again. */
	ssize_t n = pread(group->events_fd, text, sizeof(text) - 1, 0);

	if (n <= 0)
		return true;
	text[n] = '\0';
	return strstr(text, "populated 1") == NULL;
}

unsigned int cgroup_signal(const struct cgroup *group, int signal_number)
{
	CLEANUP(file_closep) FILE *file = NULL;
	unsigned int count = 0;
	long pid;
	int fd = openat(group->fd, "cgroup.procs", O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return 0;
	file = fdopen(fd, "r");
	if (file == NULL) {
		close(fd);
		return 0;
	}
	while (fscanf(file, "%ld", &pid) == 1) {
		count++;
		if (signal_number != SIGKILL)
			kill((pid_t)pid, signal_number);
	}
	/* Linux 5.14: all at once, so that none can fork away. */
	if (signal_number == SIGKILL &&
	    write_at(group->fd, "cgroup.kill", "1") < 0) {
		rewind(file);
		while (fscanf(file, "%ld", &pid) == 1)
			kill((pid_t)pid, SIGKILL);
	}
	return count;
}

uint64_t cgroup_cpu_usec(const struct cgroup *group)
{
	unsigned long long usec = 0;
	char text[512];

	if (read_at(group->fd, "cpu.stat", text, sizeof(text)) > 0)
		sscanf(text, "usage_usec %llu", &usec);
	return usec;
}

uint64_t cgroup_memory_max_kib(const struct cgroup *group)
{
	unsigned long long bytes = 0;
	char text[64];

	if (read_at(group->fd, "memory.peak", text, sizeof(text)) > 0)
		sscanf(text, "%llu", &bytes);
	return bytes / 1024;
}

void cgroup_free(struct cgroup *group)
{
	if (group == NULL)
		return;
	if (group->fd >= 0 && !cgroup_is_empty(group))
		cgroup_signal(group, SIGKILL);
	fd_close(&group->events_fd);
	fd_close(&group->fd);
	if (group->name != NULL)
		unlinkat(group->parent_fd, group->name, AT_REMOVEDIR);
	fd_close(&group->parent_fd);
	free(group->name);
	free(group);
}
