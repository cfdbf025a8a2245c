/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Calls that have to succeed for the test to go on.
 */

#ifndef TST_SAFE_MACROS_H__
#define TST_SAFE_MACROS_H__

#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/wait.h>

/* What CALL returns, unless that is -1 or, for a pointer, MAP_FAILED or SIG_ERR. */
#define TST_SAFE_(CALL)							\
({									\
	typeof(CALL) tst_ret_ = CALL;					\
									\
	if (tst_ret_ == (typeof(tst_ret_))-1)				\
		tst_brk(TBROK | TERRNO, "%s failed", #CALL);		\
	tst_ret_;							\
})

/* The same, and it has to return LEN if STRICT is set. */
#define TST_SAFE_LEN_(STRICT, LEN, CALL)				\
({									\
	ssize_t tst_len_ = TST_SAFE_(CALL);				\
									\
	if ((STRICT) && tst_len_ != (ssize_t)(LEN))			\
		tst_brk(TBROK, "%s returned %zd", #CALL, tst_len_);	\
	tst_len_;							\
})

enum safe_write_opts {
	SAFE_WRITE_ALL = 1,
};

#define SAFE_CLOSE(fd)							\
do {									\
	TST_SAFE_(close(fd));						\
	fd = -1;							\
} while (0)

#define SAFE_DUP(fd)			TST_SAFE_(dup(fd))
#define SAFE_FCNTL(...)			TST_SAFE_(fcntl(__VA_ARGS__))
#define SAFE_FSTAT(fd, st)		TST_SAFE_(fstat(fd, st))
#define SAFE_FTRUNCATE(fd, len)		TST_SAFE_(ftruncate(fd, len))
#define SAFE_GETRLIMIT(res, limit)	TST_SAFE_(getrlimit(res, limit))
#define SAFE_IOCTL(...)			TST_SAFE_(ioctl(__VA_ARGS__))
#define SAFE_KILL(pid, sig)		TST_SAFE_(kill(pid, sig))
#define SAFE_LSEEK(fd, off, whence)	TST_SAFE_(lseek(fd, off, whence))
#define SAFE_MKDIR(path, mode)		TST_SAFE_(mkdir(path, mode))
#define SAFE_MMAP(...)			TST_SAFE_(mmap(__VA_ARGS__))
#define SAFE_MOUNT(...)			TST_SAFE_(mount(__VA_ARGS__))
#define SAFE_MPROTECT(addr, len, prot)	TST_SAFE_(mprotect(addr, len, prot))
#define SAFE_MUNMAP(addr, len)		TST_SAFE_(munmap(addr, len))
#define SAFE_OPEN(...)			TST_SAFE_(open(__VA_ARGS__))
#define SAFE_PIDFD_OPEN(pid, flags)	TST_SAFE_(pidfd_open(pid, flags))
#define SAFE_PIPE(fds)			TST_SAFE_(pipe(fds))
#define SAFE_PRCTL(...)			TST_SAFE_(prctl(__VA_ARGS__))
#define SAFE_READLINK(path, buf, size)	TST_SAFE_(readlink(path, buf, size))
#define SAFE_SETGROUPS(size, list)	TST_SAFE_(setgroups(size, list))
#define SAFE_SETRESGID(r, e, s)		TST_SAFE_(setresgid(r, e, s))
#define SAFE_SETRESUID(r, e, s)		TST_SAFE_(setresuid(r, e, s))
#define SAFE_SETRLIMIT(res, limit)	TST_SAFE_(setrlimit(res, limit))
#define SAFE_SIGNAL(sig, handler)	TST_SAFE_(signal(sig, handler))
#define SAFE_SOCKETPAIR(d, t, p, socks)	TST_SAFE_(socketpair(d, t, p, socks))
#define SAFE_STATFS(path, st)		TST_SAFE_(statfs(path, st))
#define SAFE_SYSCONF(name)		TST_SAFE_(sysconf(name))
#define SAFE_UNSHARE(flags)		TST_SAFE_(unshare(flags))
#define SAFE_WAITPID(pid, st, options)	TST_SAFE_(waitpid(pid, st, options))

#define SAFE_READ(strict, fd, buf, len)					\
	TST_SAFE_LEN_(strict, len, read(fd, buf, len))
#define SAFE_WRITE(strict, fd, buf, len)				\
	TST_SAFE_LEN_(strict, len, write(fd, buf, len))
#define SAFE_SENDMSG(len, fd, msg, flags)				\
	TST_SAFE_LEN_(len, len, sendmsg(fd, msg, flags))
#define SAFE_RECVMSG(len, fd, msg, flags)				\
	TST_SAFE_LEN_(len, len, recvmsg(fd, msg, flags))

pid_t safe_fork(const char *file, const int lineno);
struct passwd *safe_getpwnam(const char *file, const int lineno, const char *name);
[[gnu::format(printf, 4, 5)]]
void safe_file_printf(const char *file, const int lineno, const char *path,
		      const char *fmt, ...);
/* Read the first line of the file that is like @fmt. */
[[gnu::format(scanf, 4, 5)]]
void safe_file_lines_scanf(const char *file, const int lineno, const char *path,
			   const char *fmt, ...);

#define SAFE_FORK()			safe_fork(__FILE__, __LINE__)
#define SAFE_GETPWNAM(name)		safe_getpwnam(__FILE__, __LINE__, name)
#define SAFE_FILE_PRINTF(path, ...)					\
	safe_file_printf(__FILE__, __LINE__, path, __VA_ARGS__)
#define SAFE_FILE_LINES_SCANF(path, ...)				\
	safe_file_lines_scanf(__FILE__, __LINE__, path, __VA_ARGS__)

#endif /* TST_SAFE_MACROS_H__ */
