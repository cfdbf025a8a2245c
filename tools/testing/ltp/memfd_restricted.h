/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Shared by the tests of memfd_restricted(): the users who run them, and files to
 * try things on. A test has to define _GNU_SOURCE.
 */

#ifndef MEMFD_RESTRICTED_H
#define MEMFD_RESTRICTED_H

#include <grp.h>
#include <pwd.h>
#include <sched.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "tst_test.h"
#include "lapi/fallocate.h"
#include "lapi/restrictedmem.h"

#define RESERVE	FALLOC_FL_KEEP_SIZE
#define PUNCH	(FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE)

/* For .test_variants: who the test is after become_variant(). */
enum variant {
	AS_STARTED,
	AS_NOBODY,
	AS_ROOT_OF_NAMESPACE,
	VARIANTS,
};

static inline void become_nobody(void)
{
	struct passwd *nobody = SAFE_GETPWNAM("nobody");

	SAFE_SETGROUPS(0, NULL);
	SAFE_SETRESGID(nobody->pw_gid, nobody->pw_gid, nobody->pw_gid);
	SAFE_SETRESUID(nobody->pw_uid, nobody->pw_uid, nobody->pw_uid);
	/* Without it the process may not look into its own /proc. */
	SAFE_PRCTL(PR_SET_DUMPABLE, 1, 0, 0, 0);
}

static inline void enter_user_namespace(void)
{
	uid_t uid = geteuid();
	gid_t gid = getegid();

	if (unshare(CLONE_NEWUSER))
		tst_brk(TCONF | TERRNO, "No user namespace to be had");

	SAFE_FILE_PRINTF("/proc/self/setgroups", "deny");
	SAFE_FILE_PRINTF("/proc/self/uid_map", "0 %u 1", uid);
	SAFE_FILE_PRINTF("/proc/self/gid_map", "0 %u 1", gid);
}

/* To be called in setup(), or in a child. */
static inline void become_variant(void)
{
	static const char *const names[VARIANTS] = {
		"the user who started the test", "nobody", "root of a user namespace",
	};

	tst_res(TINFO, "As %s", names[tst_variant]);
	if (tst_variant == AS_STARTED)
		return;
	if (geteuid() == 0)
		become_nobody();
	else if (tst_variant == AS_NOBODY)
		tst_brk(TCONF, "Only root can become nobody");
	if (tst_variant == AS_ROOT_OF_NAMESPACE)
		enter_user_namespace();
}

/* Root, and not only of a user namespace. */
static inline bool is_root(void)
{
	return tst_variant == AS_STARTED && geteuid() == 0;
}

static inline off_t page_size(void)
{
	return SAFE_SYSCONF(_SC_PAGESIZE);
}

#define LARGE_POLICY	"/sys/kernel/mm/transparent_hugepage/shmem_enabled"
#define LARGE_SIZE	"/sys/kernel/mm/transparent_hugepage/hpage_pmd_size"

/* To be called in setup(). */
static inline off_t large_page_size(void)
{
	char policy[128] = "";
	long size;
	int fd;

	fd = open(LARGE_POLICY, O_RDONLY);
	if (fd < 0)
		tst_brk(TCONF, "The kernel has no large pages");
	SAFE_READ(0, fd, policy, sizeof(policy) - 1);
	SAFE_CLOSE(fd);
	if (strstr(policy, "[deny]"))
		tst_brk(TCONF, "Large pages are denied");
	SAFE_FILE_LINES_SCANF(LARGE_SIZE, "%ld", &size);

	return size;
}

static inline int new_file(off_t size)
{
	int fd = SAFE_MEMFD_RESTRICTED(RMFD_CLOEXEC);

	SAFE_FTRUNCATE(fd, size);

	return fd;
}

static inline void reserve_memory(int fd, off_t offset, off_t len)
{
	if (fallocate(fd, RESERVE, offset, len))
		tst_brk(TBROK | TERRNO, "Cannot reserve memory");
}

static inline int new_reserved_file(off_t size)
{
	int fd = new_file(size);

	reserve_memory(fd, 0, size);

	return fd;
}

static inline off_t size_of(int fd)
{
	struct stat st;

	SAFE_FSTAT(fd, &st);

	return st.st_size;
}

/* What the file has of memory, in bytes. */
static inline off_t memory_of(int fd)
{
	struct stat st;

	SAFE_FSTAT(fd, &st);

	return (off_t)st.st_blocks * 512;
}

static inline ino_t inode_of(int fd)
{
	struct stat st;

	SAFE_FSTAT(fd, &st);

	return st.st_ino;
}

static inline void expect_unchanged(int fd, off_t size, off_t memory)
{
	TST_EXP_EQ_LI(size_of(fd), size);
	TST_EXP_EQ_LI(memory_of(fd), memory);
}

/* A message with one descriptor in it. */
struct fd_message {
	struct msghdr msg;
	struct iovec iov;
	char byte;
	union {
		struct cmsghdr cmsg;
		char space[CMSG_SPACE(sizeof(int))];
	};
};

static inline void prepare_fd_message(struct fd_message *m)
{
	memset(m, 0, sizeof(*m));
	m->iov.iov_base = &m->byte;
	m->iov.iov_len = 1;
	m->msg.msg_iov = &m->iov;
	m->msg.msg_iovlen = 1;
	m->msg.msg_control = m->space;
	m->msg.msg_controllen = sizeof(m->space);
}

static inline void send_fd(int sock, int fd)
{
	struct fd_message m;

	prepare_fd_message(&m);
	m.cmsg.cmsg_level = SOL_SOCKET;
	m.cmsg.cmsg_type = SCM_RIGHTS;
	m.cmsg.cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(&m.cmsg), &fd, sizeof(int));
	SAFE_SENDMSG(1, sock, &m.msg, 0);
}

/* The descriptor, or -1 if the sender ended without sending one. */
static inline int receive_fd(int sock)
{
	struct fd_message m;
	int fd = -1;

	prepare_fd_message(&m);
	SAFE_RECVMSG(0, sock, &m.msg, 0);
	if (m.msg.msg_controllen >= CMSG_LEN(sizeof(int)))
		memcpy(&fd, CMSG_DATA(&m.cmsg), sizeof(int));

	return fd;
}

#endif /* MEMFD_RESTRICTED_H */
