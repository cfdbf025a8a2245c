// SPDX-License-Identifier: GPL-2.0
/*
 * memfd_create(MFD_RESTRICTED): the same file under a name.
 */
#define _GNU_SOURCE
#include <sys/mman.h>

#include "../kselftest_harness.h"

#include "restrictedmem.h"

/* <linux/memfd.h> and <sys/mman.h> do not go together. */
#ifndef MFD_RESTRICTED
#define MFD_RESTRICTED 0x0020U
#endif

#define NOEXEC "/proc/sys/vm/memfd_noexec"

static int create(const char *name, unsigned int flags)
{
	return syscall(__NR_memfd_create, name, flags);
}

FIXTURE(named) {
};

FIXTURE_SETUP(named)
{
	if (!have_restrictedmem())
		SKIP(return, NO_RESTRICTEDMEM);
}

FIXTURE_TEARDOWN(named)
{
}

TEST_F(named, has_a_name_in_proc)
{
	char path[64], link[256] = {};
	int fd = create("pages of mine", MFD_RESTRICTED);

	ASSERT_LE(0, fd);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	ASSERT_LT(0, readlink(path, link, sizeof(link) - 1));
	EXPECT_STREQ("/memfd:pages of mine (deleted)", link);
}

TEST_F(named, is_a_restricted_file)
{
	int fd = create("", MFD_RESTRICTED | MFD_CLOEXEC);
	char byte;

	ASSERT_LE(0, fd);
	EXPECT_EQ(FD_CLOEXEC, fcntl(fd, F_GETFD));
	EXPECT_REFUSED(ftruncate(fd, 1), "a size in part of a page", EINVAL);
	EXPECT_EQ(0, ftruncate(fd, 16 * page_size()));
	EXPECT_REFUSED(ftruncate(fd, page_size()), "another size", EPERM);
	EXPECT_REFUSED(read(fd, &byte, 1), "read", EINVAL);
	EXPECT_EQ(MAP_FAILED, mmap(NULL, page_size(), PROT_READ, MAP_SHARED, fd, 0));
	EXPECT_EQ(ENODEV, errno);
	EXPECT_EQ(0, fallocate(fd, RESERVE, 0, page_size()));
	EXPECT_EQ(1, pages_of(fd));
	EXPECT_REFUSED(fcntl(fd, F_GET_SEALS), "there are no seals", EINVAL);
}

TEST_F(named, goes_with_no_other_flag)
{
	static const struct {
		unsigned int flag;
		const char *name;
	} others[] = {
		{ MFD_ALLOW_SEALING, "MFD_ALLOW_SEALING" },
		{ MFD_HUGETLB, "MFD_HUGETLB" },
		{ MFD_HUGETLB | 21U << 26, "MFD_HUGE_2MB" },
		{ MFD_NOEXEC_SEAL, "MFD_NOEXEC_SEAL" },
		{ MFD_EXEC, "MFD_EXEC" },
		{ 0x40000000, "a flag that nobody defined" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(others); i++)
		EXPECT_REFUSED(create("x", MFD_RESTRICTED | others[i].flag),
			       others[i].name, EINVAL);
}

TEST_F(named, looks_at_the_name_as_any_memfd)
{
	char name[512];

	memset(name, 'x', sizeof(name));
	name[NAME_MAX - strlen("memfd:")] = '\0';
	EXPECT_ALLOWED(create(name, MFD_RESTRICTED), "the longest name");
	name[strlen(name)] = 'x';
	name[NAME_MAX - strlen("memfd:") + 1] = '\0';
	EXPECT_REFUSED(create(name, MFD_RESTRICTED), "too long a name", EINVAL);
	EXPECT_REFUSED(create((const char *)1, MFD_RESTRICTED), "no name", EFAULT);
}

TEST_F(named, does_not_care_about_executable_memfds)
{
	long long before = read_number(NOEXEC);
	int fd;

	if (before < 0)
		SKIP(return, "there is no " NOEXEC);
	fd = open(NOEXEC, O_WRONLY);
	if (fd < 0)
		SKIP(return, "sets a sysctl");
	ASSERT_EQ(1, write(fd, "2", 1));
	EXPECT_EQ(-1, create("plain", MFD_EXEC))
		TH_LOG("the sysctl does what it says");
	EXPECT_ALLOWED(create("x", MFD_RESTRICTED), "vm.memfd_noexec=2");
	ASSERT_EQ(1, pwrite(fd, before == 1 ? "1" : "0", 1, 0))
		TH_LOG("%s", strerror(errno));
}

TEST_HARNESS_MAIN
