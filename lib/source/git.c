/* SPDX-License-Identifier: BSD-2-Clause */
#include "source/git.h"

#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "source/cache.h"
#include "source/retry.h"
#include "source/run.h"
#include "source/say.h"
#include "source/url.h"

struct git {
	const struct git_job *job;
	char *url; /* for git */
	char *ref; /* or NULL */
	char *plain;
	struct cache cache; /* for its lock and key */
	int mirror_fd;
};

static void git_release(struct git *git)
{
	free(git->url);
	free(git->ref);
	free(git->plain);
	fd_close(&git->mirror_fd);
	cache_close(&git->cache);
}

/* "git+https://h/x#staging": https://h/x and staging. */
static int parse(struct git *git, struct err *e)
{
	const char *url = git->job->url;
	char *hash;

	if (strncasecmp(url, "git+", 4) == 0)
		url += 4;
	git->url = strdup(url);
	if (git->url == NULL)
		return err_set(e, -ENOMEM, "out of memory");
	hash = strrchr(git->url, '#');
	if (hash != NULL)
		*hash++ = '\0';
	if (git->job->ref != NULL)
		hash = (char *)(uintptr_t)git->job->ref;
	git->plain = url_plain(git->url);
	git->ref = hash == NULL ? NULL : strdup(hash);
	if (git->plain == NULL || (hash != NULL && git->ref == NULL))
		return err_set(e, -ENOMEM, "out of memory");
	if (git->url[0] == '-' || strstr(git->url, "::") != NULL ||
	    (git->ref != NULL && git->ref[0] == '-'))
		return err_set(e, -EINVAL,
			       "git would take it for an option or a program; check the location in the control file");
	return 0;
}

static int run_git(int dir_fd, bool quiet, const char *const *arguments,
		   char output[static RUN_OUTPUT_MAX], struct err *e)
{
	static const char *const environment[] = {
		"GIT_TERMINAL_PROMPT=0",
		"GIT_ASKPASS=false",
		"SSH_ASKPASS=false",
		"GIT_SSH_COMMAND=ssh -oBatchMode=yes",
		"GIT_ALLOW_PROTOCOL=git:http:https:ssh:file",
		"GIT_ADVICE=0",
		NULL,
	};
	const char *argv[16] = {
		"git", "-c", "core.hooksPath=/dev/null",
		"-c",  "advice.detachedHead=false",
		"-c",  "gc.auto=0",
	};
	const struct run_spec spec = {
		.argv = argv,
		.environment = environment,
		.dir_fd = dir_fd,
		.quiet = quiet,
	};
	size_t n = 7;

	while (*arguments != NULL && n + 1 < ARRAY_SIZE(argv))
		argv[n++] = *arguments++;
	return run_program(&spec, output, e);
}

static int must_run_git(int dir_fd, const char *const *arguments,
			struct err *e)
{
	char output[RUN_OUTPUT_MAX];
	int r = run_git(dir_fd, false, arguments, output, e);

	return r > 0 ? -EIO : r;
}

/* Return: 1 and the commit, 0 no such ref. */
static int look_up(int dir_fd, const char *prefix, const char *ref,
		   char commit[static GIT_COMMIT], struct err *e)
{
	CLEANUP(freep) char *name = text_format("%s%s^{commit}", prefix, ref);
	const char *const arguments[] = { "rev-parse", "--verify", "--quiet",
					  "--end-of-options", name, NULL };
	char output[RUN_OUTPUT_MAX];
	const char *line;
	int r;

	if (name == NULL)
		return err_set(e, -ENOMEM, "out of memory");
	r = run_git(dir_fd, true, arguments, output, e);
	if (r != 0)
		return r < 0 ? r : 0;
	line = run_last_line(output);
	if (strlen(line) >= GIT_COMMIT || strlen(line) < 40)
		return 0;
	strcpy(commit, line);
	return 1;
}

static bool is_commit(const char *ref)
{
	size_t length = strlen(ref);

	return length >= 4 && length < GIT_COMMIT &&
	       strspn(ref, "0123456789abcdef") == length;
}

/* A branch before a tag before a commit, as a person would mean it. */
static int find_ref(struct git *git, int dir_fd, const char *branches,
		    char commit[static GIT_COMMIT], struct err *e)
{
	const char *ref = git->ref != NULL ? git->ref : "HEAD";
	int r;

	r = look_up(dir_fd, branches, ref, commit, e);
	if (r == 0 && git->ref != NULL)
		r = look_up(dir_fd, "refs/tags/", ref, commit, e);
	if (r == 0 && is_commit(ref))
		r = look_up(dir_fd, "", ref, commit, e);
	if (r == 0)
		return err_set(e, -ENOENT,
			       "no branch, tag or commit %s there; check ref in the control file",
			       ref);
	return r < 0 ? r : 0;
}

/* Whole commits only: a short one may be ambiguous on the server. */
static bool mirror_has(struct git *git)
{
	struct err ignored = ERR_NONE;
	char commit[GIT_COMMIT];

	return git->ref != NULL && strlen(git->ref) >= 40 &&
	       is_commit(git->ref) &&
	       look_up(git->mirror_fd, "", git->ref, commit, &ignored) > 0;
}

static int open_mirror(struct git *git, struct err *e)
{
	static const char *const init[] = { "init", "--quiet", "--bare", ".",
					    NULL };
	char name[GIT_COMMIT + 8];
	int r;

	r = cache_open(&git->cache, git->job->cache_fd, git->url, e);
	if (r < 0)
		return r;
	snprintf(name, sizeof(name), "%.64s.git", git->cache.key);
	if (mkdirat(git->job->cache_fd, name, 0700) < 0 && errno != EEXIST)
		return err_errno(e, "make directory %s", name);
	git->mirror_fd = openat(git->job->cache_fd, name,
				O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (git->mirror_fd < 0)
		return err_errno(e, "open directory %s", name);
	/* Again does no harm, and mends what was killed in between. */
	return must_run_git(git->mirror_fd, init, e);
}

static int fetch_once(void *arg, struct err *e)
{
	struct git *git = arg;
	const char *const fetch[] = { "fetch",	 "--quiet", "--force",
				      "--prune", "--",	    git->url,
				      "+refs/heads/*:refs/heads/*",
				      "+refs/tags/*:refs/tags/*", NULL };

	return must_run_git(git->mirror_fd, fetch, e);
}

/* Which branch is the default one is known to the server alone. */
static int fetch_head(struct git *git, struct err *e)
{
	const char *const fetch[] = { "fetch", "--quiet", "--force", "--",
				      git->url, "+HEAD:refs/xentest/HEAD",
				      NULL };

	return git->ref != NULL ? 0 : must_run_git(git->mirror_fd, fetch, e);
}

static int update_mirror(struct git *git, struct err *e)
{
	int r;

	r = open_mirror(git, e);
	if (r < 0)
		return r;
	if (mirror_has(git)) {
		say("commit %s of %s is in the cache", git->ref, git->plain);
		return 0;
	}
	r = retry(git->job->retries, git->job->pause_ms, git->plain,
		  fetch_once, git, e);
	return r < 0 ? r : fetch_head(git, e);
}

static int check_out(int tree_fd, const char *commit, struct err *e)
{
	const char *const checkout[] = { "checkout", "--quiet", "--force",
					 "--detach", commit, NULL };

	return must_run_git(tree_fd, checkout, e);
}

static int open_tree(struct git *git, int *ret_fd, struct err *e)
{
	*ret_fd = openat(git->job->into_fd, git->job->name,
			 O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return *ret_fd < 0 ? err_errno(e, "open %s", git->job->name) : 0;
}

/* Into the configuration of the clone goes no password and no cache. */
static int set_origin(struct git *git, int tree_fd, struct err *e)
{
	const char *const set_url[] = { "remote", "set-url", "origin",
					git->plain, NULL };

	return must_run_git(tree_fd, set_url, e);
}

static int clone_mirror(struct git *git, char commit[static GIT_COMMIT],
			struct err *e)
{
	CLEANUP(freep) char *path =
		text_format("/proc/%d/fd/%d", (int)getpid(), git->mirror_fd);
	const char *const clone[] = { "clone", "--quiet", "--no-checkout",
				      "--", path, git->job->name, NULL };
	CLEANUP(fd_close) int fd = -1;
	int r;

	if (path == NULL)
		return err_set(e, -ENOMEM, "out of memory");
	r = find_ref(git, git->mirror_fd,
		     git->ref == NULL ? "refs/xentest/" : "refs/heads/",
		     commit, e);
	if (r == 0)
		r = must_run_git(git->job->into_fd, clone, e);
	if (r == 0)
		r = open_tree(git, &fd, e);
	if (r == 0)
		r = set_origin(git, fd, e);
	return r < 0 ? r : check_out(fd, commit, e);
}

static int clone_once(void *arg, struct err *e)
{
	struct git *git = arg;
	const char *const clone[] = { "clone",	"--quiet", "--no-checkout",
				      "--",	git->url,  git->job->name,
				      NULL };

	return must_run_git(git->job->into_fd, clone, e);
}

static int clone_directly(struct git *git, char commit[static GIT_COMMIT],
			  struct err *e)
{
	CLEANUP(fd_close) int fd = -1;
	int r;

	r = retry(git->job->retries, git->job->pause_ms, git->plain,
		  clone_once, git, e);
	if (r == 0)
		r = open_tree(git, &fd, e);
	if (r == 0)
		r = set_origin(git, fd, e);
	if (r == 0)
		r = find_ref(git, fd, "refs/remotes/origin/", commit, e);
	return r < 0 ? r : check_out(fd, commit, e);
}

int git_get(const struct git_job *job, char ret_commit[static GIT_COMMIT],
	    struct err *e)
{
	CLEANUP(git_release) struct git git = {
		.job = job,
		.cache = CACHE_NONE,
		.mirror_fd = -1,
	};
	char commit[GIT_COMMIT];
	int r;

	r = parse(&git, e);
	if (r == 0 && job->cache_fd >= 0)
		r = update_mirror(&git, e);
	if (r == 0)
		r = job->cache_fd >= 0 ? clone_mirror(&git, commit, e) :
					 clone_directly(&git, commit, e);
	if (r < 0)
		return err_wrap(e, r, "%s",
				git.plain != NULL ? git.plain : "git");
	strcpy(ret_commit, commit);
	say("checked out commit %s of %s", commit, git.plain);
	return 0;
}
