/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/cgroup.h"

#include <fcntl.h>
#include <inttypes.h>
#include <linux/magic.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/xattr.h>

#include "base/cleanup.h"

#define DAEMON_GROUP "daemon"

enum {
	NAMES_MAX = 100, /* of groups that could not be removed */
	DEPTH_MAX = 64,  /* of groups that a child made in its own */
};

/*
 * Where version 2 is mounted: alone, or beside version 1 (systemd's "hybrid"
 * hierarchy), where it has no controllers but still kills.
 */
static const char *const mounts[] = { "/sys/fs/cgroup",
				      "/sys/fs/cgroup/unified" };

struct cgroup {
	int parent_fd;
	int fd;
	char name[64];
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

static int find_mount(char *path, size_t size)
{
	struct statfs fs;

	for (size_t i = 0; i < ARRAY_SIZE(mounts); i++) {
		if (statfs(mounts[i], &fs) < 0 ||
		    fs.f_type != CGROUP2_SUPER_MAGIC)
			continue;
		snprintf(path, size, "%s", mounts[i]);
		return 0;
	}
	return -ENODEV;
}

/* The group that systemd gave to the unit this process runs in. */
static int open_delegated(int *ret_fd)
{
	static const char daemon_suffix[] = "/" DAEMON_GROUP;
	CLEANUP(fd_close) int fd = -1;
	char path[4096];
	size_t mount_length;
	size_t length;
	int r;

	r = find_mount(path, sizeof(path));
	if (r < 0)
		return r;
	mount_length = strlen(path);
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

static void remove_group(int parent_fd, const char *name, int depth);

static void remove_groups_in(int fd, int depth)
{
	CLEANUP(dir_closep) DIR *dir = NULL;
	const struct dirent *entry;
	int copy = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	dir = copy < 0 ? NULL : fdopendir(copy);
	if (dir == NULL) {
		fd_close(&copy);
		return;
	}
	while ((entry = readdir(dir)) != NULL)
		if (entry->d_type == DT_DIR && entry->d_name[0] != '.')
			remove_group(fd, entry->d_name, depth + 1);
}

/* With those that the child made in it; a test of control groups does. */
static void remove_group(int parent_fd, const char *name, int depth)
{
	CLEANUP(fd_close) int fd = -1;

	if (unlinkat(parent_fd, name, AT_REMOVEDIR) == 0 || depth > DEPTH_MAX)
		return;
	fd = openat(parent_fd, name,
		    O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return;
	write_at(fd, "cgroup.kill", "1");
	remove_groups_in(fd, depth);
	unlinkat(parent_fd, name, AT_REMOVEDIR);
}

/* One that the kernel still holds keeps its name, and we take another. */
static int make_group(struct cgroup *group, const char *name, struct err *e)
{
	snprintf(group->name, sizeof(group->name), "%s", name);
	for (int i = 2; i <= NAMES_MAX; i++) {
		remove_group(group->parent_fd, group->name, 0);
		if (mkdirat(group->parent_fd, group->name, 0755) == 0)
			return 0;
		if (errno != EEXIST)
			break;
		snprintf(group->name, sizeof(group->name), "%s.%d", name, i);
	}
	return err_errno(e, "make control group %s", group->name);
}

int cgroup_new(const char *name, struct cgroup **ret, struct err *e)
{
	CLEANUP(cgroup_freep) struct cgroup *group = NULL;
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
	group->parent_fd = parent_fd;
	group->fd = -1;
	r = make_group(group, name, e);
	if (r < 0) {
		group->name[0] = '\0';
		return r;
	}
	group->fd = openat(parent_fd, group->name,
			   O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (group->fd < 0)
		return err_errno(e, "open control group %s", group->name);
	*ret = TAKE_PTR(group);
	return 0;
}

static int limit(const struct cgroup *group, const char *file, uint64_t value)
{
	char text[32];

	snprintf(text, sizeof(text), "%" PRIu64, value);
	return write_at(group->fd, file, text);
}

int cgroup_limit_memory(const struct cgroup *group, uint64_t bytes)
{
	/* Else it would go to swap; missing where swap is not accounted. */
	limit(group, "memory.swap.max", 0);
	return limit(group, "memory.max", bytes);
}

int cgroup_limit_tasks(const struct cgroup *group, uint64_t tasks)
{
	return limit(group, "pids.max", tasks);
}

int cgroup_enter(const struct cgroup *group)
{
	return write_at(group->fd, "cgroup.procs", "0");
}

void cgroup_signal(const struct cgroup *group, int signal_number)
{
	CLEANUP(file_closep) FILE *file = NULL;
	long pid;
	int fd;

	/* Linux 5.14: all at once, so that none can fork away. */
	if (signal_number == SIGKILL &&
	    write_at(group->fd, "cgroup.kill", "1") == 0)
		return;
	fd = openat(group->fd, "cgroup.procs", O_RDONLY | O_CLOEXEC);
	file = fd < 0 ? NULL : fdopen(fd, "r");
	if (file == NULL) {
		fd_close(&fd);
		return;
	}
	while (fscanf(file, "%ld", &pid) == 1)
		kill((pid_t)pid, signal_number);
}

/* Of a file with "key number" in each line; 0 without such a key. */
static uint64_t read_key(const struct cgroup *group, const char *file,
			 const char *key)
{
	size_t length = strlen(key);
	char text[1024];
	const char *line = text;

	if (read_at(group->fd, file, text, sizeof(text)) <= 0)
		return 0;
	for (; line != NULL; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (strncmp(line, key, length) == 0 && line[length] == ' ')
			return strtoull(line + length, NULL, 10);
	}
	return 0;
}

bool cgroup_is_empty(const struct cgroup *group)
{
	return read_key(group, "cgroup.events", "populated") == 0;
}

uint64_t cgroup_cpu_usec(const struct cgroup *group)
{
	return read_key(group, "cpu.stat", "usage_usec");
}

uint64_t cgroup_memory_max_kib(const struct cgroup *group)
{
	unsigned long long bytes = 0;
	char text[64];

	if (read_at(group->fd, "memory.peak", text, sizeof(text)) > 0)
		sscanf(text, "%llu", &bytes);
	return bytes / 1024;
}

uint64_t cgroup_oom_kills(const struct cgroup *group)
{
	return read_key(group, "memory.events", "oom_kill");
}

uint64_t cgroup_tasks_refused(const struct cgroup *group)
{
	return read_key(group, "pids.events", "max");
}

void cgroup_free(struct cgroup *group)
{
	if (group == NULL)
		return;
	fd_close(&group->fd);
	if (group->name[0] != '\0')
		remove_group(group->parent_fd, group->name, 0);
	fd_close(&group->parent_fd);
	free(group);
}

void cgroup_freep(struct cgroup **group)
{
	cgroup_free(*group);
}
