/* SPDX-License-Identifier: BSD-2-Clause */
#include "control/check.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "control/value.h"

/* A testN key on its way into a domain's list. */
struct listed {
	unsigned int number;
	struct key *key;
};

struct domains {
	struct checker *checker;
	struct listed *inherited; /* the testN of [DEFAULT] */
	size_t inherited_count;
	/* By host name in lower case, so that twins are found at once. */
	struct section *names;
	/* For each test, the last domain that listed it: its index + 1. */
	size_t *listed_by;
};

#define AT(member) offsetof(struct control_domain, member)

static const struct rule domain_rules[] = {
	{"name", value_host_name, AT(name), .whole = false},
	{"tempdir", value_absolute, AT(tempdir), .whole = false},
	{"config", value_config, AT(config), .whole = false},
	{"environment", value_environment, AT(environment), .whole = true},
	{"start_timeout", value_limit, AT(start_timeout_s), .whole = false},
	{"on_crash", value_on_crash, AT(on_crash), .whole = false},
	{"on_watchdog", value_on_crash, AT(on_watchdog), .whole = false},
	{"restarts", value_restarts, AT(restarts), .whole = false},
	{"stop", value_yes_no, AT(stop), .whole = false},
};

/* The N of "testN"; -1: no such key; -2: too large a number. */
static long test_number(const char *name)
{
	size_t digits;

	if (strncmp(name, "test", 4) != 0)
		return -1;
	name += 4;
	digits = strspn(name, "0123456789");
	if (digits == 0 || name[digits] != '\0')
		return -1;
	return digits > 9 ? -2 : strtol(name, NULL, 10);
}

static int listed_compare(const void *left, const void *right)
{
	const struct listed *a = left;
	const struct listed *b = right;

	if (a->number != b->number)
		return a->number < b->number ? -1 : 1;
	return strcmp(a->key->node.name, b->key->node.name);
}

/* The keys testN of one section. Return: how many were written to @to. */
static size_t list_keys(struct checker *checker, const struct section *section,
			struct listed *to)
{
	size_t count = 0;

	for (struct key *key = section->keys; key != NULL; key = key->next) {
		long number = test_number(key->node.name);

		if (number >= 0)
			to[count++] =
				(struct listed){(unsigned int)number, key};
		if (number == -2) {
			key->known = true;
			report_error(checker->report, key->line,
				     "[" REPORT_NAME "] " REPORT_NAME
				     ": number too large",
				     section->node.name, key->node.name);
		}
	}
	return count;
}

static size_t key_count(const struct section *section)
{
	size_t count = 0;

	for (const struct key *key = section->keys; key != NULL;
	     key = key->next)
		count++;
	return count;
}

/* The domain's list in running order, the caller's to free. */
static struct listed *list_tests(struct domains *domains,
				 const struct section *section, size_t *count)
{
	struct checker *checker = domains->checker;
	struct listed *all =
		calloc(key_count(section) + domains->inherited_count + 1,
		       sizeof(*all));

	if (all == NULL) {
		checker->no_memory = true;
		return NULL;
	}
	*count = list_keys(checker, section, all);
	for (size_t i = 0; i < domains->inherited_count; i++) {
		const struct listed *one = &domains->inherited[i];

		if (tree_key(checker->tree, section, one->key->node.name) ==
		    NULL)
			all[(*count)++] = *one;
	}
	qsort(all, *count, sizeof(*all), listed_compare);
	return all;
}

/* Every test that must come first stands in this domain's list before. */
static void check_required(struct domains *domains, size_t domain_index,
			   const struct found *found,
			   const struct control_test *test)
{
	const struct control *control = domains->checker->control;

	for (const char *const *name = test->requires;
	     name != NULL && *name != NULL; name++) {
		const struct control_test *first =
			check_test_named(domains->checker, *name);

		if (first != NULL &&
		    domains->listed_by[first - control->tests] !=
			    domain_index + 1)
			found_error(
				domains->checker, found,
				"[" REPORT_NAME "] requires [" REPORT_NAME
				"], which this domain does not run before it",
				test->name, *name);
	}
}

static void read_entry_expect(struct checker *checker, struct section *section,
			      const char *key, struct control_entry *entry)
{
	CLEANUP(freep) char *name = text_format("%s.expect", key);
	struct found found;

	entry->expect = entry->test->expect;
	if (name == NULL)
		checker->no_memory = true;
	else if (check_find(checker, section, name, false, &found))
		value_expect(checker, &found, &entry->expect);
}

/* Return: does the key list a test? */
static bool read_entry(struct domains *domains, struct section *section,
		       const struct listed *listed, size_t domain_index,
		       struct control_entry *entry)
{
	struct checker *checker = domains->checker;
	const struct control_test *test;
	struct found found;

	if (!check_key(checker, section, listed->key, true, &found))
		return false;
	test = check_test_named(checker, found.text);
	if (test == NULL) {
		bool other = tree_section(checker->tree, found.text) != NULL;

		found_error(checker, &found,
			    other ? "[" REPORT_NAME "] is not a test"
				  : "no section [" REPORT_NAME "]",
			    found.text);
		return true;
	}
	check_required(domains, domain_index, &found, test);
	domains->listed_by[test - checker->control->tests] = domain_index + 1;
	*entry = (struct control_entry){
		.test = test,
		.number = listed->number,
		.line = listed->key->line,
	};
	read_entry_expect(checker, section, listed->key->node.name, entry);
	return true;
}

static void read_entries(struct domains *domains, struct section *section,
			 struct control_domain *domain, size_t domain_index)
{
	struct checker *checker = domains->checker;
	CLEANUP(freep) struct listed *listed = NULL;
	struct control_entry *entries;
	size_t count = 0;

	listed = list_tests(domains, section, &count);
	entries = arena_array(&checker->tree->arena, count, sizeof(*entries));
	if (listed == NULL || entries == NULL) {
		checker->no_memory = true;
		return;
	}
	domain->entries = entries;
	for (size_t i = 0; i < count && !checker->no_memory; i++)
		if (read_entry(domains, section, &listed[i], domain_index,
			       &entries[domain->entry_count]))
			domain->entry_count++;
	if (domain->entry_count == 0)
		report_warning(checker->report, section->line,
			       "[" REPORT_NAME "] no tests",
			       section->node.name);
}

/* "test5.expect" without a test5 says nothing about anything. */
static void check_expects(struct checker *checker, struct section *section)
{
	for (struct key *key = section->keys; key != NULL; key = key->next) {
		const char *dot = strchr(key->node.name, '.');
		char name[32];
		struct found found;

		if (dot == NULL || strcmp(dot, ".expect") != 0 || key->known ||
		    dot - key->node.name >= (ptrdiff_t)sizeof(name))
			continue;
		memcpy(name, key->node.name, (size_t)(dot - key->node.name));
		name[dot - key->node.name] = '\0';
		if (test_number(name) >= 0 &&
		    check_key(checker, section, key, false, &found) &&
		    !check_find(checker, section, name, true, &found))
			report_error(checker->report, key->line,
				     "[" REPORT_NAME "] %s.expect: no %s",
				     section->node.name, name, name);
	}
}

static void check_twin(struct domains *domains, struct section *section,
		       const char *name)
{
	struct checker *checker = domains->checker;
	CLEANUP(freep) char *lower = strdup(name);
	const struct key *twin;
	struct found found;
	bool repeated;

	if (lower == NULL) {
		checker->no_memory = true;
		return;
	}
	for (char *c = lower; *c != '\0'; c++)
		*c = text_lower(*c);
	twin = tree_key(checker->tree, domains->names, lower);
	if (twin != NULL && check_find(checker, section, "name", true, &found))
		report_error(checker->report, found.key->line,
			     "[" REPORT_NAME "] name \"" REPORT_NAME
			     "\" is already that of [" REPORT_NAME "]",
			     section->node.name, name, twin->value);
	else if (tree_set(checker->tree, domains->names, lower,
			  section->node.name, strlen(section->node.name),
			  section->line, &repeated) == NULL)
		checker->no_memory = true;
}

static void check_domain(struct domains *domains, struct section *section,
			 struct control_domain *domain, size_t index)
{
	struct checker *checker = domains->checker;

	*domain = (struct control_domain){
		.section = section->node.name,
		.line = section->line,
		.start_timeout_s = 10 * 60,
		.restarts = 3,
	};
	if (section->broken)
		return;
	check_rules(checker, section, domain_rules, ARRAY_SIZE(domain_rules),
		    domain);
	if (domain->name == NULL)
		check_missing(checker, section, "name", "");
	else
		check_twin(domains, section, domain->name);
	if (domain->tempdir == NULL)
		check_missing(checker, section, "tempdir", "");
	read_entries(domains, section, domain, index);
	check_expects(checker, section);
}

static bool domains_init(struct domains *domains)
{
	struct checker *checker = domains->checker;
	struct tree *tree = checker->tree;

	domains->names = tree_add_section(tree, SECTION_HIDDEN, "", 0, 0);
	domains->inherited =
		arena_array(&tree->arena, key_count(tree->defaults),
			    sizeof(domains->inherited[0]));
	domains->listed_by =
		arena_array(&tree->arena, checker->control->test_count,
			    sizeof(domains->listed_by[0]));
	if (domains->names == NULL || domains->inherited == NULL ||
	    domains->listed_by == NULL)
		return false;
	domains->inherited_count =
		list_keys(checker, tree->defaults, domains->inherited);
	return true;
}

void check_domains(struct checker *checker)
{
	struct domains domains = {.checker = checker};
	struct control *control = checker->control;
	struct control_domain *list = arena_array(
		&checker->tree->arena, checker->tree->counts[SECTION_DOMAIN],
		sizeof(*list));
	struct section *section = checker->tree->sections;

	if (list == NULL || !domains_init(&domains)) {
		checker->no_memory = true;
		return;
	}
	control->domains = list;
	for (; section != NULL && !checker->no_memory; section = section->next)
		if (section->kind == SECTION_DOMAIN) {
			size_t index = control->domain_count++;

			check_domain(&domains, section, &list[index], index);
		}
	if (control->domain_count == 0)
		report_warning(checker->report, 1,
			       "no domain, so no test will run");
}
