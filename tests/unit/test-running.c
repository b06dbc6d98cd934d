/* SPDX-License-Identifier: BSD-2-Clause */
#include "unit.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "base/file.h"
#include "xen/running.h"

struct fixture {
	char dir[64];
	int root_fd;
};

static void put(struct fixture *f, const char *path, const char *bytes,
		size_t length)
{
	CLEANUP(fd_close) int dir_fd = -1;
	char dir[128];
	struct err e = ERR_NONE;

	snprintf(dir, sizeof(dir), "%s", path);
	*strrchr(dir, '/') = '\0';
	assert_int_equal(file_make_dirs(f->root_fd, dir, 0755, &dir_fd, &e), 0);
	assert_int_equal(file_write_atomic(dir_fd, strrchr(path, '/') + 1,
					   bytes, length, 0644, &e),
			 0);
}

static void put_text(struct fixture *f, const char *path, const char *text)
{
	put(f, path, text, strlen(text));
}

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	strcpy(f->dir, "/tmp/test-running.XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	f->root_fd = open(f->dir, O_RDONLY | O_DIRECTORY);
	put_text(f, "proc/sys/kernel/osrelease", "6.1.0-56-amd64\n");
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_NONE;

	close(f->root_fd);
	file_remove_tree(AT_FDCWD, f->dir, &e);
	free(f);
	return 0;
}

static struct running read_it(struct fixture *f)
{
	struct running running;
	struct err e = ERR_NONE;

	assert_int_equal(running_read(f->root_fd, &running, &e), 0);
	return running;
}

static void without_a_hypervisor_there_is_only_a_kernel(void **state)
{
	struct running running = read_it(*state);

	assert_int_equal(running.role, RUNNING_NONE);
	assert_string_equal(running.kernel, "6.1.0-56-amd64");
	assert_string_equal(running.xen, "");
}

static void another_hypervisor_is_no_xen(void **state)
{
	put_text(*state, "sys/hypervisor/type", "kvm\n");
	assert_int_equal(read_it(*state).role, RUNNING_NONE);
}

static void control_d_makes_it_dom0(void **state)
{
	put_text(*state, "sys/hypervisor/type", "xen\n");
	put_text(*state, "proc/xen/capabilities", "control_d\n");
	assert_int_equal(read_it(*state).role, RUNNING_DOM0);
}

static void empty_capabilities_make_it_a_guest(void **state)
{
	put_text(*state, "sys/hypervisor/type", "xen\n");
	put_text(*state, "proc/xen/capabilities", "");
	/* Believed before the others. */
	put_text(*state, "sys/hypervisor/start_flags/initdomain", "1\n");
	assert_int_equal(read_it(*state).role, RUNNING_GUEST);
}

static void without_xenfs_the_start_flags_tell(void **state)
{
	put_text(*state, "sys/hypervisor/type", "xen\n");
	put_text(*state, "sys/hypervisor/start_flags/initdomain", "1\n");
	assert_int_equal(read_it(*state).role, RUNNING_DOM0);
	put_text(*state, "sys/hypervisor/start_flags/initdomain", "0\n");
	assert_int_equal(read_it(*state).role, RUNNING_GUEST);
}

static void without_both_a_uuid_of_zeros_is_dom0s(void **state)
{
	put_text(*state, "sys/hypervisor/type", "xen\n");
	put_text(*state, "sys/hypervisor/uuid",
		 "00000000-0000-0000-0000-000000000000\n");
	assert_int_equal(read_it(*state).role, RUNNING_DOM0);
	put_text(*state, "sys/hypervisor/uuid",
		 "00000000-0000-0000-0000-00000000000a\n");
	assert_int_equal(read_it(*state).role, RUNNING_GUEST);
}

static void nothing_known_is_taken_as_a_guest(void **state)
{
	put_text(*state, "sys/hypervisor/type", "xen\n");
	assert_int_equal(read_it(*state).role, RUNNING_GUEST);
}

static void the_version_is_put_together(void **state)
{
	put_text(*state, "sys/hypervisor/type", "xen\n");
	put_text(*state, "sys/hypervisor/version/major", "4\n");
	put_text(*state, "sys/hypervisor/version/minor", "17\n");
	put_text(*state, "sys/hypervisor/version/extra", ".7\n");
	put_text(*state, "sys/hypervisor/properties/changeset", "abc\x1b[1m\n");
	assert_string_equal(read_it(*state).xen, "4.17.7");
	assert_string_equal(read_it(*state).changeset, "abc?[1m");
}

static void what_xen_denies_is_empty(void **state)
{
	put_text(*state, "sys/hypervisor/type", "xen\n");
	put_text(*state, "sys/hypervisor/properties/changeset", "<denied>");
	put_text(*state, "sys/hypervisor/properties/buildid", "<denied>");
	assert_string_equal(read_it(*state).changeset, "");
	assert_string_equal(read_it(*state).build_id, "");
}

static void a_build_id_is_shown_in_hex(void **state)
{
	put_text(*state, "sys/hypervisor/type", "xen\n");
	put(*state, "sys/hypervisor/properties/buildid",
	    "\x00\x01\xfe\xff\n56789abcdefghij", 20);
	assert_string_equal(read_it(*state).build_id,
			    "0001feff0a35363738396162636465666768696a");
}

static void a_build_id_that_was_cut_short_is_not_used(void **state)
{
	put_text(*state, "sys/hypervisor/type", "xen\n");
	put(*state, "sys/hypervisor/properties/buildid", "\x01\x02\x03", 3);
	assert_string_equal(read_it(*state).build_id, "");
}

static void without_proc_it_says_so(void **state)
{
	struct fixture *f = *state;
	struct running running = { .kernel = "untouched" };
	struct err e = ERR_NONE;

	assert_int_equal(file_remove_tree(f->root_fd, "proc", &e), 0);
	assert_int_equal(running_read(f->root_fd, &running, &e), -ENOENT);
	assert_string_equal(
		e.text,
		"cannot read /proc/sys/kernel/osrelease: is /proc mounted?");
	assert_string_equal(running.kernel, "untouched");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(without_a_hypervisor_there_is_only_a_kernel),
		TEST(another_hypervisor_is_no_xen),
		TEST(control_d_makes_it_dom0),
		TEST(empty_capabilities_make_it_a_guest),
		TEST(without_xenfs_the_start_flags_tell),
		TEST(without_both_a_uuid_of_zeros_is_dom0s),
		TEST(nothing_known_is_taken_as_a_guest),
		TEST(the_version_is_put_together),
		TEST(what_xen_denies_is_empty),
		TEST(a_build_id_is_shown_in_hex),
		TEST(a_build_id_that_was_cut_short_is_not_used),
		TEST(without_proc_it_says_so),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
