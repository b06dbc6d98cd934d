/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef XENTEST_TESTS_GROUPS_H
#define XENTEST_TESTS_GROUPS_H

/* A control group that looks as if systemd had delegated it to this test. */
#include "unit.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/xattr.h>

#include "base/cgroup.h"

struct groups {
	char home[512]; /* the group that we came from */
	char own[600];
};

static inline bool write_to(const char *dir, const char *name, const char *text)
{
	char path[1200];
	int fd;
	bool good;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	good = fd >= 0 && write(fd, text, strlen(text)) > 0;
	if (fd >= 0)
		close(fd);
	return good;
}

static inline bool groups_find_home(struct groups *groups)
{
	static const char *const mounts[] = {"/sys/fs/cgroup",
					     "/sys/fs/cgroup/unified"};
	CLEANUP(file_closep) FILE *file = fopen("/proc/self/cgroup", "re");
	char line[400];
	struct statfs fs;

	while (file != NULL && fgets(line, sizeof(line), file) != NULL) {
		line[strcspn(line, "\n")] = '\0';
		for (size_t i = 0; strncmp(line, "0::", 3) == 0 && i < 2; i++) {
			if (statfs(mounts[i], &fs) < 0 ||
			    fs.f_type != CGROUP2_SUPER_MAGIC)
				continue;
			snprintf(groups->home, sizeof(groups->home), "%s%s",
				 mounts[i], line + 3);
			return true;
		}
	}
	return false;
}

/* Returns false where this machine does not let us: no root, no version 2. */
static inline bool groups_enter(struct groups *groups)
{
	if (!groups_find_home(groups))
		return false;
	snprintf(groups->own, sizeof(groups->own), "%s/xentest-unit-%d",
		 groups->home, getpid());
	if (mkdir(groups->own, 0755) < 0)
		return false;
	if (setxattr(groups->own, "user.delegate", "1", 1, 0) < 0 ||
	    !write_to(groups->own, "cgroup.procs", "0")) {
		rmdir(groups->own);
		return false;
	}
	cgroup_prepare();
	return true;
}

static inline void groups_leave(const struct groups *groups)
{
	char path[700];

	write_to(groups->home, "cgroup.procs", "0");
	snprintf(path, sizeof(path), "%s/daemon", groups->own);
	rmdir(path);
	rmdir(groups->own);
}

/* Whether a child's group has files of that controller. */
static inline bool has_controller(const char *name)
{
	CLEANUP(cgroup_freep) struct cgroup *group = NULL;
	struct err e = ERR_NONE;

	if (cgroup_new("probe", &group, &e) < 0)
		return false;
	return strcmp(name, "memory") == 0 ?
		       cgroup_limit_memory(group, UINT64_C(1) << 40) == 0 :
		       cgroup_limit_tasks(group, 1000) == 0;
}

#endif
