// SPDX-License-Identifier: GPL-2.0
/*
 * Restricted memory cannot be read, written, mapped, spliced, nor opened again
 * under another name. One test for each way in.
 */
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/sendfile.h>
#include <sys/uio.h>

#include <linux/fs.h>

#include "access.h"

#ifndef MAP_SHARED_VALIDATE
#define MAP_SHARED_VALIDATE 0x03
#endif
#ifndef MAP_SYNC
#define MAP_SYNC 0x080000
#endif
#ifndef OPEN_TREE_CLONE
#define OPEN_TREE_CLONE 1
#endif
#ifndef AT_HANDLE_FID
#define AT_HANDLE_FID AT_REMOVEDIR
#endif

/* Read and write */

TEST_F(access, read)
{
	struct iovec iov = { self->buffer, self->page };

	EXPECT_REFUSED(read(self->fd, self->buffer, self->page), "read", EINVAL);
	EXPECT_REFUSED(read(self->fd, self->buffer, 0), "empty read", EINVAL);
	EXPECT_REFUSED(readv(self->fd, &iov, 1), "readv", EINVAL);
	EXPECT_REFUSED(pread(self->fd, self->buffer, self->page, 0), "pread", ESPIPE);
	EXPECT_REFUSED(pread(self->fd, self->buffer, 1, self->size), "pread", ESPIPE);
	EXPECT_REFUSED(preadv(self->fd, &iov, 1, 0), "preadv", ESPIPE);
	EXPECT_REFUSED(preadv2(self->fd, &iov, 1, -1, 0), "preadv2", EINVAL);
	EXPECT_REFUSED(preadv2(self->fd, &iov, 1, 0, RWF_NOWAIT), "preadv2", ESPIPE);
	EXPECT_REFUSED(preadv2(self->fd, &iov, 1, 0, RWF_HIPRI), "preadv2", ESPIPE);
}

TEST_F(access, write)
{
	struct iovec iov = { self->buffer, self->page };

	EXPECT_REFUSED(write(self->fd, self->buffer, self->page), "write", EINVAL);
	EXPECT_REFUSED(write(self->fd, self->buffer, 0), "empty write", EINVAL);
	EXPECT_REFUSED(writev(self->fd, &iov, 1), "writev", EINVAL);
	EXPECT_REFUSED(pwrite(self->fd, self->buffer, self->page, 0), "pwrite", ESPIPE);
	EXPECT_REFUSED(pwrite(self->fd, self->buffer, 1, self->size), "pwrite", ESPIPE);
	EXPECT_REFUSED(pwritev(self->fd, &iov, 1, 0), "pwritev", ESPIPE);
	EXPECT_REFUSED(pwritev2(self->fd, &iov, 1, -1, RWF_APPEND), "pwritev2", EINVAL);
	EXPECT_REFUSED(pwritev2(self->fd, &iov, 1, 0, RWF_NOWAIT), "pwritev2", ESPIPE);
}

TEST_F(access, read_and_write_leave_the_position)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", self->fd);
	EXPECT_EQ(-1, read(self->fd, self->buffer, self->page));
	EXPECT_EQ(-1, write(self->fd, self->buffer, self->page));
	EXPECT_EQ(0, read_key(path, "pos:"));
}

/* Splice and its relatives */

TEST_F(access, splice_to_a_pipe)
{
	loff_t offset = 0;
	int pipes[2];

	ASSERT_EQ(0, pipe(pipes));
	EXPECT_REFUSED(splice(self->fd, NULL, pipes[1], NULL, self->page, 0),
		       "splice", EINVAL);
	EXPECT_REFUSED(splice(self->fd, &offset, pipes[1], NULL, self->page,
			      SPLICE_F_MOVE | SPLICE_F_NONBLOCK),
		       "splice", EINVAL);
	close(pipes[1]);
	EXPECT_EQ(0, read(pipes[0], self->buffer, self->page))
		TH_LOG("something came through the pipe");
}

TEST_F(access, splice_from_a_pipe)
{
	loff_t offset = 0;
	int pipes[2];

	ASSERT_EQ(0, pipe(pipes));
	ASSERT_EQ(self->page, write(pipes[1], self->buffer, self->page));
	EXPECT_REFUSED(splice(pipes[0], NULL, self->fd, NULL, self->page, 0),
		       "splice", EINVAL);
	EXPECT_REFUSED(splice(pipes[0], NULL, self->fd, &offset, self->page, SPLICE_F_MOVE),
		       "splice", EINVAL);
}

TEST_F(access, tee_and_vmsplice)
{
	struct iovec iov = { self->buffer, self->page };
	int pipes[2];

	ASSERT_EQ(0, pipe(pipes));
	ASSERT_EQ(self->page, write(pipes[1], self->buffer, self->page));
	EXPECT_REFUSED(tee(self->fd, pipes[1], self->page, SPLICE_F_NONBLOCK),
		       "tee", EINVAL);
	EXPECT_REFUSED(tee(pipes[0], self->fd, self->page, SPLICE_F_NONBLOCK),
		       "tee", EINVAL);
	EXPECT_REFUSED(vmsplice(self->fd, &iov, 1, 0), "vmsplice", EBADF);
}

TEST_F(access, sendfile_from_it)
{
	off_t offset = 0;
	int pipes[2], sockets[2];

	ASSERT_EQ(0, pipe(pipes));
	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM, 0, sockets));
	EXPECT_REFUSED(sendfile(pipes[1], self->fd, NULL, self->page), "sendfile", EINVAL);
	EXPECT_REFUSED(sendfile(sockets[0], self->fd, &offset, self->page),
		       "sendfile", ESPIPE);
	EXPECT_REFUSED(sendfile(self->ordinary, self->fd, NULL, self->page),
		       "sendfile", EINVAL);
	EXPECT_EQ(self->page, size_of(self->ordinary));
}

TEST_F(access, sendfile_into_it)
{
	off_t offset = 0;

	EXPECT_REFUSED(sendfile(self->fd, self->ordinary, &offset, self->page),
		       "sendfile", EINVAL);
}

TEST_F(access, copy_file_range)
{
	loff_t in = 0, out = 0;
	int other = new_sized_file(PAGES * self->page);

	ASSERT_LE(0, other);
	EXPECT_REFUSED(copy_file_range(self->fd, &in, self->ordinary, &out, self->page, 0),
		       "copy_file_range", EXDEV);
	EXPECT_REFUSED(copy_file_range(self->ordinary, &in, self->fd, &out, self->page, 0),
		       "copy_file_range", EXDEV);
	EXPECT_EQ(self->page, size_of(self->ordinary));
	/* Among its own kind there are no two file systems to complain about. */
	if (variant->state != UNSIZED) {
		in = 0;
		out = 0;
		EXPECT_REFUSED(copy_file_range(self->fd, &in, other, &out, self->page, 0),
			       "copy_file_range", EINVAL);
		EXPECT_REFUSED(copy_file_range(other, &in, self->fd, &out, self->page, 0),
			       "copy_file_range", EINVAL);
	}
	EXPECT_EQ(0, pages_of(other));
}

TEST_F(access, clone)
{
	struct file_clone_range range = { .src_fd = self->fd, .src_length = self->page };
	int other = new_sized_file(PAGES * self->page);

	ASSERT_LE(0, other);
	EXPECT_REFUSED(ioctl(self->ordinary, FICLONE, self->fd), "FICLONE", EXDEV);
	EXPECT_REFUSED(ioctl(self->fd, FICLONE, self->ordinary), "FICLONE", EXDEV);
	EXPECT_REFUSED(ioctl(other, FICLONE, self->fd), "FICLONE", EOPNOTSUPP);
	EXPECT_REFUSED(ioctl(self->fd, FICLONE, other), "FICLONE", EOPNOTSUPP);
	EXPECT_REFUSED(ioctl(self->ordinary, FICLONERANGE, &range), "FICLONERANGE", EXDEV);
	EXPECT_REFUSED(ioctl(other, FICLONERANGE, &range), "FICLONERANGE", EOPNOTSUPP);
	EXPECT_EQ(0, pages_of(other));
}

/* FILE_DEDUPE_RANGE_DIFFERS would already be an answer. */
static int compare(int from, int with, off_t len)
{
	struct {
		struct file_dedupe_range range;
		struct file_dedupe_range_info info;
	} args = {
		.range = { .src_length = len, .dest_count = 1 },
		.info = { .dest_fd = with },
	};

	return ioctl(from, FIDEDUPERANGE, &args);
}

TEST_F(access, dedupe_compares_nothing)
{
	int other = new_sized_file(PAGES * self->page);

	ASSERT_LE(0, other);
	EXPECT_REFUSED(compare(self->ordinary, self->fd, self->page),
		       "an ordinary file with it", EOPNOTSUPP);
	EXPECT_REFUSED(compare(self->fd, self->ordinary, self->page),
		       "it with an ordinary file", EOPNOTSUPP);
	EXPECT_REFUSED(compare(self->fd, other, self->page), "it with another", EOPNOTSUPP);
	EXPECT_REFUSED(compare(other, self->fd, self->page), "another with it", EOPNOTSUPP);
	EXPECT_REFUSED(compare(self->fd, self->fd, self->page), "it with itself", EOPNOTSUPP);
}

/* Mappings */

TEST_F(access, mmap)
{
	static const int prots[] = {
		PROT_NONE, PROT_READ, PROT_WRITE, PROT_READ | PROT_WRITE,
	};
	static const int flags[] = {
		MAP_SHARED, MAP_PRIVATE, MAP_SHARED_VALIDATE,
		MAP_SHARED | MAP_POPULATE, MAP_PRIVATE | MAP_POPULATE,
		MAP_SHARED | MAP_NORESERVE, MAP_PRIVATE | MAP_NORESERVE,
	};
	unsigned int i, j;

	for (i = 0; i < ARRAY_SIZE(prots); i++) {
		for (j = 0; j < ARRAY_SIZE(flags); j++) {
			EXPECT_REFUSED(mmap(NULL, self->page, prots[i], flags[j], self->fd, 0),
				       "mmap", ENODEV);
			EXPECT_REFUSED(mmap(NULL, PAGES * self->page, prots[i], flags[j],
					    self->fd, self->page),
				       "mmap", ENODEV);
		}
	}
}

TEST_F(access, mmap_to_execute)
{
	EXPECT_REFUSED(mmap(NULL, self->page, PROT_EXEC, MAP_SHARED, self->fd, 0),
		       "mmap", EPERM);
	EXPECT_REFUSED(mmap(NULL, self->page, PROT_READ | PROT_EXEC, MAP_PRIVATE,
			    self->fd, 0),
		       "mmap", EPERM);
}

TEST_F(access, mmap_with_special_flags)
{
	EXPECT_REFUSED(mmap(NULL, self->page, PROT_READ, MAP_SHARED_VALIDATE | MAP_SYNC,
			    self->fd, 0),
		       "MAP_SYNC", EOPNOTSUPP);
	EXPECT_REFUSED(mmap(NULL, self->page, PROT_READ, MAP_SHARED | MAP_HUGETLB,
			    self->fd, 0),
		       "MAP_HUGETLB", EINVAL);
	EXPECT_REFUSED(mmap(NULL, self->page, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_GROWSDOWN | MAP_STACK, self->fd, 0),
		       "MAP_GROWSDOWN", ENODEV);
}

TEST_F(access, a_refused_mmap_leaves_what_was_there)
{
	char *place = mmap(NULL, self->page, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	ASSERT_NE(MAP_FAILED, place);
	memset(place, 'y', self->page);
	EXPECT_REFUSED(mmap(place, self->page, PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_FIXED, self->fd, 0),
		       "mmap", ENODEV);
	EXPECT_EQ('y', place[0]);
	EXPECT_EQ('y', place[self->page - 1]);
}

/* Other descriptors and other names for it */

TEST_F(access, open_again_through_proc)
{
	static const int flags[] = {
		O_RDONLY, O_WRONLY, O_RDWR, O_RDWR | O_TRUNC, O_RDWR | O_APPEND,
		O_RDONLY | O_DIRECT, O_RDONLY | O_NONBLOCK, O_RDWR | O_CREAT, 3,
	};
	int error = variant->who == OTHER ? EACCES : ENXIO;
	unsigned int i;
	char path[64];

	for (i = 0; i < ARRAY_SIZE(flags); i++) {
		EXPECT_REFUSED(open(self->path, flags[i], 0600), "open", error);
		snprintf(path, sizeof(path), "/proc/%d/fd/%d", getpid(), self->fd);
		EXPECT_REFUSED(open(path, flags[i], 0600), "open", error);
		snprintf(path, sizeof(path), "/proc/thread-self/fd/%d", self->fd);
		EXPECT_REFUSED(open(path, flags[i], 0600), "open", error);
	}
}

TEST_F(access, a_path_descriptor_opens_nothing)
{
	int error = variant->who == OTHER ? EACCES : ENXIO;
	int fd = open(self->path, O_PATH);
	char path[64];

	ASSERT_LE(0, fd);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	EXPECT_REFUSED(open(path, O_RDONLY), "open", error);
	EXPECT_REFUSED(open(path, O_RDWR), "open", error);
	EXPECT_REFUSED(openat(fd, "", O_RDONLY), "openat", ENOENT);
	EXPECT_REFUSED(read(fd, self->buffer, self->page), "read", EBADF);
	EXPECT_REFUSED(ftruncate(fd, self->page), "ftruncate", EBADF);
	EXPECT_REFUSED(fallocate(fd, PUNCH, 0, self->page), "fallocate", EBADF);
}

TEST_F(access, link)
{
	char target[64];

	snprintf(target, sizeof(target), "/tmp/restrictedmem-%d", getpid());
	EXPECT_REFUSED(linkat(self->fd, "", AT_FDCWD, target, AT_EMPTY_PATH),
		       "linkat", variant->who == OTHER ? ENOENT : EXDEV);
	EXPECT_REFUSED(linkat(AT_FDCWD, self->path, AT_FDCWD, target, AT_SYMLINK_FOLLOW),
		       "linkat", EXDEV);
	EXPECT_REFUSED(unlink(target), "nothing was made", ENOENT);
}

TEST_F(access, mount)
{
	char target[64];
	int fd;

	EXPECT_REFUSED(syscall(SYS_open_tree, self->fd, "",
			       AT_EMPTY_PATH | OPEN_TREE_CLONE),
		       "open_tree", for_root(variant->who, EINVAL));
	if (variant->who != ROOT)
		return;
	ASSERT_EQ(0, unshare(CLONE_NEWNS));
	ASSERT_EQ(0, mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL));
	snprintf(target, sizeof(target), "/tmp/restrictedmem-%d", getpid());
	fd = open(target, O_CREAT | O_RDWR, 0600);
	ASSERT_LE(0, fd);
	EXPECT_REFUSED(mount(self->path, target, NULL, MS_BIND, NULL), "mount", EINVAL);
	unlink(target);
}

TEST_F(access, exec)
{
	static char *const none[] = { NULL };
	pid_t child;
	int status;

	/* In a child: what would follow is not a failed test but another program. */
	child = fork();
	ASSERT_LE(0, child);
	if (!child) {
		syscall(SYS_execveat, self->fd, "", none, none, AT_EMPTY_PATH);
		if (errno != EACCES)
			_exit(1);
		execve(self->path, none, none);
		_exit(errno == EACCES ? 0 : 2);
	}
	ASSERT_EQ(child, waitpid(child, &status, 0));
	EXPECT_EQ(0, status)
		TH_LOG("1: execveat, 2: execve through /proc");
}

TEST_F(access, file_handles)
{
	union {
		struct file_handle handle;
		char space[sizeof(struct file_handle) + MAX_HANDLE_SZ];
	} buffer = { .handle.handle_bytes = MAX_HANDLE_SZ };
	int mount_id;

	if (!have_call(SYS_name_to_handle_at))
		SKIP(return, "this kernel has no file handles");
	EXPECT_REFUSED(name_to_handle_at(self->fd, "", &buffer.handle, &mount_id,
					 AT_EMPTY_PATH),
		       "a handle to open it by", EOPNOTSUPP);
	/* A name for fanotify it may have, but nothing to open it by. */
	EXPECT_ALLOWED(name_to_handle_at(self->fd, "", &buffer.handle, &mount_id,
					 AT_EMPTY_PATH | AT_HANDLE_FID), "a name");
	EXPECT_REFUSED(open_by_handle_at(self->fd, &buffer.handle, O_RDWR),
		       "by its name", for_root(variant->who, ESTALE));
	EXPECT_REFUSED(open_by_handle_at(self->fd, &buffer.handle, O_PATH),
		       "by its name", for_root(variant->who, ESTALE));

	/* As tmpfs would write it: generation and inode number. */
	memset(&buffer, 0, sizeof(buffer));
	buffer.handle.handle_bytes = 12;
	buffer.handle.handle_type = 1;
	((__u32 *)buffer.handle.f_handle)[1] = self->ino;
	EXPECT_REFUSED(open_by_handle_at(self->fd, &buffer.handle, O_RDWR),
		       "as if it were of tmpfs", for_root(variant->who, ESTALE));
	EXPECT_REFUSED(open_by_handle_at(self->ordinary, &buffer.handle, O_RDWR),
		       "of tmpfs itself", for_root(variant->who, ESTALE));
}

TEST_HARNESS_MAIN
