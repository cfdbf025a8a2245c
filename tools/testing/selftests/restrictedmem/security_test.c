// SPDX-License-Identifier: GPL-2.0
/*
 * A security module sees a restricted file as it sees any file that a program has made,
 * not as one of the kernel's own, which it lets pass. Tried with Smack, by whose rules
 * a program whose label has none may not have what may be written to.
 */
#define _GNU_SOURCE
#include "../kselftest_harness.h"

#include <sys/eventfd.h>
#include <sys/wait.h>

#include "restrictedmem.h"
#include "text.h"
#include "pass.h"

#define LABEL "/proc/self/attr/smack/current"

/* Does a program with a label of its own get a descriptor that it is passed? */
static bool is_received(int fd)
{
	int sockets[2], status;
	pid_t child;

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, sockets))
		return false;
	child = fork();
	if (!child) {
		if (write_text(LABEL, "stranger") || become_nobody())
			_exit(2);
		_exit(receive_fd(sockets[1]) < 0);
	}
	if (child < 0 || send_fd(sockets[0], fd) || waitpid(child, &status, 0) != child)
		return false;
	close(sockets[0]);
	close(sockets[1]);
	return WIFEXITED(status) && !status;
}

FIXTURE(security) {
};

FIXTURE_SETUP(security)
{
	if (!have_restrictedmem())
		SKIP(return, NO_RESTRICTEDMEM);
	if (geteuid() != 0 || access(LABEL, W_OK))
		SKIP(return, "needs root, and Smack");
}

FIXTURE_TEARDOWN(security)
{
}

TEST_F(security, a_module_is_asked_who_may_have_it)
{
	int fd = new_sized_file(page_size());

	ASSERT_LE(0, fd);
	EXPECT_TRUE(is_received(eventfd(0, 0)))
		TH_LOG("what is the kernel's own passes");
	EXPECT_FALSE(is_received(syscall(SYS_memfd_secret, 0)))
		TH_LOG("what a program has made does not");
	EXPECT_FALSE(is_received(fd));
	EXPECT_FALSE(is_received(memfd_restricted(RMFD_HUGEPAGE, -1)));
}

TEST_HARNESS_MAIN
