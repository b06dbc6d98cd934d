/* SPDX-License-Identifier: BSD-2-Clause */
#include "xenbuildd.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <syslog.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/text.h"
#include "boot/boot.h"
#include "boot/build_id.h"
#include "run/environment.h"
#include "source/source.h"

enum {
	TAIL_LINES = 15,
	FETCH_RETRIES = 3,
};

/*
 * What suits a Xen tree of today: xenbuildd(8), "Built-in commands". Nothing
 * is downloaded by make: what the tree would fetch (QEMU, SeaBIOS, iPXE, OVMF,
 * mini-os) comes from the system or is left out, and whatever tries all the
 * same fails at once. A tree without configure has a Makefile that knows what
 * to do, or is a hypervisor alone. One without xen/.config gets the features
 * of the newest Xen that is there.
 */
static const char default_build[] =
	"set -e\n"
	"if [ -e xen/Kconfig ]; then\n"
	"	config=$(ls -t /boot/xen-*.config 2>/dev/null | head -n 1)\n"
	"	[ -e xen/.config ] || [ -z \"$config\" ] || cp $config xen/.config\n"
	"	make -C xen olddefconfig\n"
	"fi\n"
	"bios=/usr/share/seabios/bios-256k.bin\n"
	"if [ -x configure ]; then\n"
	"	if [ -e $bios ]; then seabios=--with-system-seabios=$bios\n"
	"	else seabios=--disable-seabios; fi\n"
	"	./configure --prefix=/usr/local --enable-systemd \\\n"
	"		--disable-stubdom --disable-docs --disable-golang \\\n"
	"		--disable-pvshim --disable-ovmf --disable-ipxe \\\n"
	"		--disable-rombios --disable-qemu-traditional \\\n"
	"		--with-system-qemu $seabios\n"
	"	make GIT=false FETCHER=false build-xen\n"
	"	make GIT=false FETCHER=false build-tools\n"
	"elif [ -e Makefile ]; then\n"
	"	make\n"
	"else\n"
	"	make -C xen\n"
	"fi\n";

static const char default_install[] =
	"set -e\n"
	"if [ -x configure ]; then\n"
	"	make GIT=false FETCHER=false install-xen\n"
	"	make GIT=false FETCHER=false install-tools\n"
	"	ldconfig\n"
	"elif [ -e Makefile ]; then\n"
	"	make install\n"
	"else\n"
	"	make -C xen install\n"
	"fi\n";

static uint64_t usec_of(uint64_t seconds)
{
	return seconds >= UINT64_MAX / 1000000 ? UINT64_MAX : seconds * 1000000;
}

/* ---- where it is done -------------------------------------------------- */

/* It may be a link to where there is room. */
static int open_workdir(const struct build *build, int *ret_fd, struct err *e)
{
	const char *workdir = build->run->control->preferences.workdir;
	struct err missing = ERR_NONE;

	workdir += strspn(workdir, "/");
	if (file_open_dir(build->root_fd, workdir, ret_fd, &missing) == 0)
		return 0;
	return file_make_dirs(build->root_fd, workdir, 0755, ret_fd, e);
}

static int open_below_workdir(const struct build *build, const char *name,
			      int *ret_fd, struct err *e)
{
	CLEANUP(fd_close) int workdir_fd = -1;
	int r;

	r = open_workdir(build, &workdir_fd, e);
	return r < 0 ? r : file_make_dirs(workdir_fd, name, 0755, ret_fd, e);
}

int build_prepare(struct build *build, struct err *e)
{
	CLEANUP(freep) char *work = text_format("work/%s", build->run->id);
	const char *random = strrchr(build->run->id, '-');

	if (work == NULL)
		return err_set(e, -ENOMEM, "out of memory");
	/* XENVER_extraversion has room for 15 characters. */
	snprintf(build->tag, sizeof(build->tag), "-xt%.8s",
		 random == NULL ? build->run->id : random + 1);
	return open_below_workdir(build, work, &build->work_fd, e);
}

void build_say_tail(const struct build *build, const char *stage)
{
	CLEANUP(freep) char *log = text_format("%s.log", stage);
	CLEANUP(freep) char *tail = NULL;
	struct err ignored = ERR_NONE;
	const char *line;
	char *rest;

	if (log == NULL || file_tail(build->run->fd, log, TAIL_LINES, &tail,
				     &ignored) < 0)
		return;
	rest = tail;
	while ((line = strsep(&rest, "\n")) != NULL)
		if (line[0] != '\0')
			journal_say(&build->about, JOURNAL_PLAIN, LOG_NOTICE,
				    "  %s", line);
}

/* ---- a child with its output in STAGE.log ------------------------------ */

int build_open_log(const struct build *build, const char *stage, int *ret_fd,
		   struct err *e)
{
	CLEANUP(freep) char *log = text_format("%s.log", stage);
	int fd;

	if (log == NULL)
		return err_set(e, -ENOMEM, "out of memory");
	fd = openat(build->run->fd, log,
		    O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC,
		    0644);
	if (fd < 0)
		return err_errno(e, "open %s", log);
	*ret_fd = fd;
	return 0;
}

static int run_stage(struct build *build, const char *stage,
		     struct child_spec *spec, struct err *e)
{
	CLEANUP(fd_close) int log_fd = -1;
	struct child_result result;
	char how[96];
	int r;

	r = build_open_log(build, stage, &log_fd, e);
	if (r < 0)
		return r;
	spec->name = stage;
	spec->output_fd = log_fd;
	spec->whole_tree = true;
	spec->limit_usec =
		usec_of(build->run->control->preferences.build_timeout_s);
	r = child_run(build->loop, spec, &build->current, &result, e);
	if (r < 0)
		return r;
	if (build_is_stopping(build))
		return err_set(e, -ECANCELED, "stopped");
	if (result.exit_status == 0 && !result.timed_out)
		return 0;
	if (result.number < 0 && !result.timed_out)
		return err_set(e, result.number, "%s", result.message);
	return err_set(e, -EPROTO, "%s", child_describe(&result, how));
}

/* ---- fetch ------------------------------------------------------------- */

struct fetching {
	struct source_job job;
	struct source_result *result; /* shared with the child */
};

static int fetch(void *arg, struct err *e)
{
	const struct fetching *fetching = arg;

	return source_get(&fetching->job, fetching->result, e);
}

static int run_fetch(struct build *build, int cache_fd,
		     struct source_result *result, struct err *e)
{
	struct fetching fetching = {
		.job = {
			.source = &build->run->control->preferences.tree->source,
			.cache_fd = cache_fd,
			.work_fd = build->work_fd,
			.name = "tree",
			.retries = FETCH_RETRIES,
		},
		.result = result,
	};
	struct child_spec spec = CHILD_SPEC_NONE;
	int r;

	spec.function = fetch;
	spec.arg = &fetching;
	r = run_stage(build, "fetch", &spec, e);
	if (r < 0)
		return r;
	if (result->top[0] == '\0')
		return err_set(e, -EBADMSG,
			       "%s is no tree: its archive has more than one "
			       "directory at its top",
			       fetching.job.source->url);
	snprintf(build->tree_name, sizeof(build->tree_name), "%s",
		 result->top);
	if (result->commit[0] != '\0')
		snprintf(build->outcome, sizeof(build->outcome), "commit %s",
			 result->commit);
	else if (result->sha256[0] != '\0')
		snprintf(build->outcome, sizeof(build->outcome), "SHA-256 %s",
			 result->sha256);
	return 0;
}

int stage_fetch(struct build *build, struct err *e)
{
	CLEANUP(fd_close) int cache_fd = -1;
	struct source_result *result;
	int r;

	r = open_below_workdir(build, "cache", &cache_fd, e);
	if (r < 0)
		return r;
	result = mmap(NULL, sizeof(*result), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (result == MAP_FAILED)
		return err_errno(e, "share memory with a child");
	r = run_fetch(build, cache_fd, result, e);
	munmap(result, sizeof(*result));
	return r;
}

/* ---- build and install ------------------------------------------------- */

static int run_command(struct build *build, const char *stage,
		       const char *command, struct err *e)
{
	const struct control_preferences *preferences =
		&build->run->control->preferences;
	const char *const argv[] = { "/bin/sh", "-c", command, NULL };
	CLEANUP(fd_close) int tree_fd = -1;
	struct child_spec spec = CHILD_SPEC_NONE;
	struct environment environment;
	int r;

	r = file_open_dir(build->work_fd, build->tree_name, &tree_fd, e);
	if (r < 0)
		return r;
	environment_init(&environment);
	environment_set(&environment, "XENTEST_RUN", build->run->id);
	/* Each build its own version, so its own file and its own build id. */
	environment_set(&environment, "XEN_VENDORVERSION", build->tag);
	/* With --root the tree installs there too, as far as it obeys. */
	environment_set(&environment, "DESTDIR", build->destdir);
	environment_set_jobs(&environment, preferences->jobs);
	environment_add(&environment, preferences->environment);
	spec.argv = argv;
	spec.environment = (const char *const *)environment.entries;
	spec.dir_fd = tree_fd;
	r = environment.failed < 0 ?
		    err_set(e, environment.failed, "out of memory") :
		    run_stage(build, stage, &spec, e);
	environment_done(&environment);
	return r;
}

int stage_build(struct build *build, struct err *e)
{
	const char *command = build->run->control->preferences.build_command;

	return run_command(build, "build",
			   command == NULL ? default_build : command, e);
}

/* Of what changed since @since: the one with our tag, else the newest. */
static int find_installed(struct build *build, int boot_fd,
			  const struct timespec *since, struct err *e)
{
	CLEANUP(dir_closep) DIR *dir = NULL;
	const struct dirent *entry;
	time_t newest = 0;
	int fd;
	int r;

	r = file_open_dir(boot_fd, ".", &fd, e);
	if (r < 0)
		return r;
	dir = fdopendir(fd);
	if (dir == NULL) {
		close(fd);
		return err_errno(e, "list /boot");
	}
	while ((entry = readdir(dir)) != NULL) {
		bool tagged = strstr(entry->d_name, build->tag) != NULL;
		struct stat st;

		if (!boot_is_xen_name(entry->d_name) ||
		    fstatat(boot_fd, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) <
			    0 ||
		    !S_ISREG(st.st_mode) || st.st_ctime < since->tv_sec ||
		    (!tagged && st.st_ctime < newest))
			continue;
		newest = tagged ? INT64_MAX : st.st_ctime;
		snprintf(build->xen, sizeof(build->xen), "%s", entry->d_name);
	}
	if (build->xen[0] == '\0')
		return err_set(e, -ENOENT,
			       "the install command put no hypervisor into "
			       "/boot (a new xen*.gz)");
	return 0;
}

/*
 * This run's tree and those that failed builds of earlier runs left for a
 * look: gigabytes, in one go, now that nothing is unpacked any more.
 */
static int remove_trees(struct build *build, struct err *e)
{
	CLEANUP(fd_close) int workdir_fd = -1;
	int r;

	r = open_workdir(build, &workdir_fd, e);
	return r < 0 ? r : file_remove_tree(workdir_fd, "work", e);
}

int stage_install(struct build *build, struct err *e)
{
	const char *command = build->run->control->preferences.install_command;
	CLEANUP(fd_close) int boot_fd = -1;
	struct timespec since;
	int r;

	r = file_make_dirs(build->root_fd, "boot", 0755, &boot_fd, e);
	if (r < 0)
		return r;
	clock_gettime(CLOCK_REALTIME_COARSE, &since);
	r = run_command(build, "install",
			command == NULL ? default_install : command, e);
	if (r == 0)
		r = find_installed(build, boot_fd, &since, e);
	if (r == 0)
		r = build_id_read(boot_fd, build->xen, build->build_id, e);
	if (r < 0)
		return r;
	/* The stage is not begun again once its end is on disk. */
	if (syncfs(boot_fd) < 0)
		return err_errno(e, "sync /boot");
	snprintf(build->outcome, sizeof(build->outcome), "%s, build id %s",
		 build->xen, build->build_id);
	return remove_trees(build, e);
}
