/* SPDX-License-Identifier: BSD-2-Clause */
#include "control/value.h"

#include <string.h>
#include <strings.h>

#include "base/cleanup.h"
#include "base/text.h"

#define KIND(kind) (1U << CONTROL_KIND_##kind)

/* What each scheme means, and what "kind" may make of it. */
static const struct scheme {
	const char *name;
	enum control_kind kind;
	unsigned int kinds;
	bool local; /* scheme:///path; else scheme://host */
} schemes[] = {
	{"http", CONTROL_KIND_TAR, KIND(TAR) | KIND(GIT), false},
	{"https", CONTROL_KIND_TAR, KIND(TAR) | KIND(GIT), false},
	{"ftp", CONTROL_KIND_TAR, KIND(TAR), false},
	{"file", CONTROL_KIND_AUTO,
	 KIND(TAR) | KIND(GIT) | KIND(RSYNC) | KIND(DIR), true},
	{"rsync", CONTROL_KIND_RSYNC, KIND(RSYNC), false},
	{"git", CONTROL_KIND_GIT, KIND(GIT), false},
	{"git+https", CONTROL_KIND_GIT, KIND(GIT), false},
	{"git+ssh", CONTROL_KIND_GIT, KIND(GIT), false},
	{"git+file", CONTROL_KIND_GIT, KIND(GIT), true},
};

static const char *const kind_names[] = {
	[CONTROL_KIND_TAR] = "tar",
	[CONTROL_KIND_GIT] = "git",
	[CONTROL_KIND_RSYNC] = "rsync",
	[CONTROL_KIND_DIR] = "dir",
};

/* The scheme of "scheme://…"; *ret_length: of its name. NULL: unknown. */
static const struct scheme *find_scheme(const char *url, size_t *ret_length)
{
	const char *colon = strstr(url, "://");
	size_t length = colon == NULL ? 0 : (size_t)(colon - url);

	*ret_length = length;
	for (size_t i = 0; i < ARRAY_SIZE(schemes) && length > 0; i++)
		if (strlen(schemes[i].name) == length &&
		    strncasecmp(schemes[i].name, url, length) == 0)
			return &schemes[i];
	return NULL;
}

static bool has_space(const char *text)
{
	for (; *text != '\0'; text++)
		if ((unsigned char)*text <= ' ' || *text == '\x7F')
			return true;
	return false;
}

/* Return: the scheme of a URL that can be fetched; NULL: what is wrong was said. */
static const struct scheme *check_scheme(struct checker *checker,
					 const struct found *found)
{
	const char *url = found->text;
	size_t length;
	const struct scheme *scheme = find_scheme(url, &length);
	const char *rest = scheme == NULL ? url : url + length + 3;

	if (scheme == NULL && length > 0)
		found_error(checker, found, "unknown scheme \"%.*s\"",
			    length > 100 ? 100 : (int)length, url);
	else if (scheme == NULL)
		found_error(checker, found,
			    "neither a URL nor an absolute path: \"" REPORT_NAME
			    "\"",
			    url);
	else if (scheme->local && rest[0] != '/')
		found_error(checker, found,
			    "not %s:///PATH: \"" REPORT_NAME "\"", scheme->name,
			    url);
	else if (!scheme->local && (rest[0] == '\0' || rest[0] == '/'))
		found_error(checker, found, "no host in \"" REPORT_NAME "\"",
			    url);
	else
		return scheme;
	return NULL;
}

/* "URL#REF" of git: cut it in two. */
static void cut_ref(struct checker *checker, struct control_source *source)
{
	const char *mark = strchr(source->url, '#');

	if (mark == NULL)
		return;
	if (mark[1] != '\0')
		source->ref = mark + 1;
	source->url = arena_text(&checker->tree->arena, source->url,
				 (size_t)(mark - source->url));
	checker->no_memory |= source->url == NULL;
}

void value_url(struct checker *checker, const struct found *found, void *to)
{
	struct control_source *source = to;
	const struct scheme *scheme;

	source->url = found->text;
	source->kind = CONTROL_KIND_AUTO;
	if (has_space(found->text)) {
		found_error(checker, found,
			    "white space in \"" REPORT_NAME "\"", found->text);
		return;
	}
	scheme = found->text[0] == '/' ? NULL : check_scheme(checker, found);
	if (scheme == NULL)
		return;
	source->kind = scheme->kind;
	if (source->kind == CONTROL_KIND_GIT)
		cut_ref(checker, source);
}

void value_kind(struct checker *checker, const struct found *found,
		struct control_source *source)
{
	const struct scheme *scheme = NULL;
	size_t length;

	if (source->url != NULL)
		scheme = find_scheme(source->url, &length);
	for (size_t i = 0; i < ARRAY_SIZE(kind_names); i++) {
		if (!text_equal_nocase(found->text, kind_names[i]))
			continue;
		if (scheme != NULL && (scheme->kinds & 1U << i) == 0) {
			found_error(checker, found, "%s does not come by %s://",
				    kind_names[i], scheme->name);
			return;
		}
		if (source->kind != CONTROL_KIND_GIT && i == CONTROL_KIND_GIT &&
		    source->url != NULL)
			cut_ref(checker, source);
		source->kind = (enum control_kind)i;
		return;
	}
	found_error(checker, found,
		    "not one of tar, git, rsync, dir: \"" REPORT_NAME "\"",
		    found->text);
}

void value_ref(struct checker *checker, const struct found *found, void *to)
{
	struct control_source *source = to;

	if (found->text[0] == '-' || has_space(found->text)) {
		found_error(checker, found,
			    "not a branch, tag or commit: \"" REPORT_NAME "\"",
			    found->text);
		return;
	}
	if (source->url != NULL && source->kind != CONTROL_KIND_GIT) {
		if (found->key->node.owner == found->section)
			found_warning(checker, found,
				      "not used, the source is not git");
		return;
	}
	if (source->ref != NULL && strcmp(source->ref, found->text) != 0)
		found_warning(checker, found,
			      "used instead of \"#" REPORT_NAME "\" in the URL",
			      source->ref);
	source->ref = found->text;
}

void value_sha256_of(struct checker *checker, const struct found *found,
		     void *to)
{
	struct control_source *source = to;

	value_sha256(checker, found, &source->sha256);
	if (source->url != NULL && source->kind != CONTROL_KIND_TAR &&
	    source->kind != CONTROL_KIND_AUTO)
		found_error(checker, found,
			    "only an archive can be checked, and this is %s",
			    kind_names[source->kind]);
}
