// SPDX-License-Identifier: GPL-2.0
/*
 * RMFD_USERMNT: memory from a tmpfs of the caller's choosing, by the limits and
 * policies of that mount.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <sched.h>
#include <sys/fanotify.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <sys/wait.h>

#include "../kselftest_harness.h"

#include "restrictedmem.h"
#include "text.h"
#include "test_consumer.h"

#define PAGES 64		/* of the whole mount */
#define DIR_PATH "/tmp/usermnt_test"
#define SUB_PATH DIR_PATH "/sub"

static int open_dir(const char *path)
{
	return open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static int from_mount(int mount_fd)
{
	return memfd_restricted(RMFD_USERMNT, mount_fd);
}

/* A file from the mount whose root is at @path, or -1. */
static int from_path(const char *path)
{
	int dir = open_dir(path), fd, error;

	if (dir < 0)
		return -1;
	fd = from_mount(dir);
	error = errno;
	close(dir);
	errno = error;
	return fd;
}

static unsigned long pages_free(const char *path)
{
	struct statfs st;

	return statfs(path, &st) ? -1UL : st.f_bfree;
}

FIXTURE(usermnt) {
	int fd;
};

FIXTURE_SETUP(usermnt)
{
	char options[64];

	if (!have_restrictedmem())
		SKIP(return, NO_RESTRICTEDMEM);
	/* What is mounted here goes with this process, however it ends. */
	if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL))
		SKIP(return, "may not mount");
	if (mkdir(DIR_PATH, 0755))
		ASSERT_EQ(EEXIST, errno);
	snprintf(options, sizeof(options), "mode=755,size=%ld,nr_inodes=8",
		 PAGES * page_size());
	ASSERT_EQ(0, mount("usermnt", DIR_PATH, "tmpfs", 0, options));
	ASSERT_EQ(0, mkdir(SUB_PATH, 0755));
	self->fd = from_path(DIR_PATH);
	ASSERT_LE(0, self->fd)
		TH_LOG("%s", strerror(errno));
	ASSERT_EQ(0, ftruncate(self->fd, 2 * PAGES * page_size()));
}

FIXTURE_TEARDOWN(usermnt)
{
}

TEST_F(usermnt, memory_is_that_of_the_mount)
{
	EXPECT_EQ(PAGES, pages_free(DIR_PATH))
		TH_LOG("a size is not memory");
	EXPECT_EQ(0, reserve(self->fd, 0, PAGES - 4));
	EXPECT_EQ(4, pages_free(DIR_PATH));
	EXPECT_EQ(0, punch(self->fd, 0, PAGES - 8));
	EXPECT_EQ(PAGES - 4, pages_free(DIR_PATH));
	close(self->fd);
	EXPECT_EQ(PAGES, pages_free(DIR_PATH));
}

TEST_F(usermnt, its_size_is_the_limit)
{
	EXPECT_EQ(0, reserve(self->fd, 3, 5));
	EXPECT_REFUSED(reserve(self->fd, 0, PAGES + 1), "more than there is", ENOSPC);
	EXPECT_EQ(2, pages_of(self->fd))
		TH_LOG("exactly what the call added is gone again");
	EXPECT_EQ(PAGES - 2, pages_free(DIR_PATH));
	EXPECT_EQ(0, reserve(self->fd, 0, PAGES));
	EXPECT_EQ(0, pages_free(DIR_PATH));
}

TEST_F(usermnt, its_inodes_are_the_limit)
{
	int n;

	/* The root, the folder and the file of the fixture are there already. */
	for (n = 3; n < 8; n++)
		ASSERT_LE(0, from_path(DIR_PATH))
			TH_LOG("inode %d", n);
	EXPECT_REFUSED(from_path(DIR_PATH), "one more", ENOSPC);
	close(self->fd);
	EXPECT_ALLOWED(from_path(DIR_PATH), "after one was closed");
}

TEST_F(usermnt, the_mount_shows_nothing_of_it)
{
	DIR *dir = opendir(DIR_PATH);
	struct dirent *entry;
	int entries = 0;

	ASSERT_NE(NULL, dir);
	ASSERT_EQ(0, reserve(self->fd, 0, 1));
	while ((entry = readdir(dir)))
		entries += strcmp(entry->d_name, ".") && strcmp(entry->d_name, "..") &&
			   strcmp(entry->d_name, "sub");
	EXPECT_EQ(0, entries);
	closedir(dir);
}

TEST_F(usermnt, its_large_folios_are_ours)
{
	const char *path = SUB_PATH;
	int consumer, fd, id;

	if (!have_test_consumer())
		SKIP(return, NO_TEST_CONSUMER);
	if (mount("large", path, "tmpfs", 0, "huge=always"))
		SKIP(return, "this kernel has no large pages");
	consumer = new_consumer();
	ASSERT_LE(0, consumer);
	fd = from_path(path);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, ftruncate(fd, 1024 * page_size()));
	id = rm_bind(consumer, fd, 0, 1024, RMTEST_EXCLUSIVE);
	EXPECT_EQ(9, rm_order(consumer, id, 600));
}

TEST_F(usermnt, a_full_mount_is_told_to_who_touches_first)
{
	int consumer, id;

	if (!have_test_consumer())
		SKIP(return, NO_TEST_CONSUMER);
	consumer = new_consumer();
	ASSERT_LE(0, consumer);
	ASSERT_EQ(0, reserve(self->fd, 0, PAGES));
	id = rm_bind(consumer, self->fd, 0, PAGES + 1, RMTEST_EXCLUSIVE);
	ASSERT_LT(0, id);
	EXPECT_REFUSED(rm_get(consumer, id, PAGES), "beyond the limit", ENOSPC);
	EXPECT_LT(0, rm_get(consumer, id, PAGES - 1));
	ASSERT_EQ(0, punch(self->fd, 0, 1));
	EXPECT_LT(0, rm_get(consumer, id, PAGES));
}

TEST_F(usermnt, a_file_keeps_its_mount_busy)
{
	EXPECT_REFUSED(umount(DIR_PATH), "with a file open", EBUSY);
	close(self->fd);
	EXPECT_ALLOWED(umount(DIR_PATH), "with none");
}

TEST_F(usermnt, a_mount_that_is_gone_keeps_its_file)
{
	int dir = open_dir(DIR_PATH);

	ASSERT_LE(0, dir);
	ASSERT_EQ(0, reserve(self->fd, 0, 1));
	ASSERT_EQ(0, umount2(DIR_PATH, MNT_DETACH));
	EXPECT_EQ(0, reserve(self->fd, 0, 2));
	EXPECT_REFUSED(from_mount(dir), "unmounted", ENOENT);
}

TEST_F(usermnt, a_mount_without_a_place_will_do)
{
	int context = fsopen("tmpfs", FSOPEN_CLOEXEC), mount_fd, fd;

	ASSERT_LE(0, context);
	ASSERT_EQ(0, fsconfig(context, FSCONFIG_SET_STRING, "size", "4k", 0));
	ASSERT_EQ(0, fsconfig(context, FSCONFIG_CMD_CREATE, NULL, NULL, 0));
	mount_fd = fsmount(context, FSMOUNT_CLOEXEC, 0);
	ASSERT_LE(0, mount_fd);
	fd = from_mount(mount_fd);
	ASSERT_LE(0, fd)
		TH_LOG("%s", strerror(errno));
	close(context);
	close(mount_fd);
	ASSERT_EQ(0, ftruncate(fd, 2 * page_size()));
	EXPECT_EQ(0, reserve(fd, 1, 2));
	EXPECT_REFUSED(reserve(fd, 0, 1), "by the limit of the mount", ENOSPC);
}

/* What is no mount to take memory from */

TEST_F(usermnt, wants_a_descriptor)
{
	int fd = dup(self->fd);

	close(fd);
	EXPECT_REFUSED(from_mount(fd), "closed", EBADF);
	EXPECT_REFUSED(from_mount(-1), "-1", EBADF);
	EXPECT_REFUSED(from_mount(AT_FDCWD), "AT_FDCWD", EBADF);
	EXPECT_REFUSED(from_mount(INT_MAX), "INT_MAX", EBADF);
}

TEST_F(usermnt, wants_a_folder)
{
	int fd = open(DIR_PATH "/file", O_RDWR | O_CREAT, 0600);

	ASSERT_LE(0, fd);
	EXPECT_REFUSED(from_mount(fd), "a file", ENOTDIR);
	EXPECT_REFUSED(from_mount(self->fd), "a restricted file", ENOTDIR);
	EXPECT_REFUSED(from_mount(memfd_create("m", 0)), "a memfd", ENOTDIR);
}

TEST_F(usermnt, wants_the_root_of_a_tmpfs)
{
	EXPECT_REFUSED(from_path(SUB_PATH), "a folder in it", EINVAL);
	EXPECT_REFUSED(from_path("/proc"), "proc", EINVAL);
	EXPECT_REFUSED(from_path("/sys"), "sysfs", EINVAL);
}

static long long unevictable(void)
{
	/* Pages are on a list before they are counted, and counted before it is seen. */
	if (write_text("/proc/sys/vm/drop_caches", "1") ||
	    write_text("/proc/sys/vm/stat_refresh", "1"))
		return -1;
	return read_key("/proc/meminfo", "Unevictable:") * 1024 / page_size();
}

/* A user who has no quota left gets no memory, whichever of the user's files it is for. */
TEST_F(usermnt, its_quotas_hold)
{
	int first, second, third, consumer, id;
	char options[64];

	snprintf(options, sizeof(options), "mode=1777,usrquota,usrquota_block_hardlimit=%ld",
		 16 * page_size());
	if (mount("quota", SUB_PATH, "tmpfs", 0, options)) {
		ASSERT_EQ(EINVAL, errno);
		SKIP(return, "this kernel has no quotas of tmpfs");
	}
	if (!have_test_consumer())
		SKIP(return, NO_TEST_CONSUMER);
	consumer = new_consumer();
	ASSERT_LE(0, consumer);
	ASSERT_EQ(0, become_nobody());
	first = from_path(SUB_PATH);
	second = from_path(SUB_PATH);
	third = from_path(SUB_PATH);
	ASSERT_EQ(0, ftruncate(first, PAGES * page_size()));
	ASSERT_EQ(0, ftruncate(second, PAGES * page_size()));
	ASSERT_EQ(0, ftruncate(third, PAGES * page_size()));
	id = rm_bind(consumer, third, 0, PAGES, RMTEST_EXCLUSIVE);
	ASSERT_LT(0, id);

	EXPECT_REFUSED(reserve(first, 0, 17), "more than the user may have", EDQUOT);
	EXPECT_EQ(0, pages_of(first));
	EXPECT_EQ(0, reserve(first, 0, 16));
	EXPECT_REFUSED(reserve(second, 0, 1), "of another file", EDQUOT);
	EXPECT_REFUSED(rm_get(consumer, id, 0), "whoever touches first", EDQUOT);
	EXPECT_EQ(0, pages_of(third));
	EXPECT_EQ(0, punch(first, 4, 8));
	EXPECT_EQ(0, reserve(second, 0, 4));
	EXPECT_REFUSED(reserve(first, 4, 5), "the other file has it now", EDQUOT);
	close(second);
	EXPECT_EQ(0, reserve(first, 4, 8));
	close(first);
	EXPECT_EQ(0, reserve(third, 0, 15));
	EXPECT_LT(0, rm_get(consumer, id, 15))
		TH_LOG("all of it was given back");
	EXPECT_REFUSED(rm_get(consumer, id, 16), "one more", EDQUOT);
}

/* What is restricted stays so, whatever the mount allows. */

TEST_F(usermnt, is_not_executed_where_programs_are)
{
	static char *const none[] = { NULL };
	struct statvfs st;
	pid_t child;
	int status;

	ASSERT_EQ(0, statvfs(DIR_PATH, &st));
	ASSERT_FALSE(st.f_flag & ST_NOEXEC);
	EXPECT_REFUSED(mmap(NULL, page_size(), PROT_EXEC, MAP_SHARED, self->fd, 0),
		       "mmap", EPERM);
	EXPECT_REFUSED(mmap(NULL, page_size(), PROT_READ | PROT_EXEC, MAP_PRIVATE, self->fd, 0),
		       "mmap", EPERM);
	/* In a child: what would follow is not a failed test but another program. */
	child = fork();
	ASSERT_LE(0, child);
	if (!child) {
		syscall(SYS_execveat, self->fd, "", none, none, AT_EMPTY_PATH);
		_exit(errno);
	}
	ASSERT_EQ(child, waitpid(child, &status, 0));
	EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == EACCES)
		TH_LOG("execveat: status 0x%x", status);
}

/* A file handle of tmpfs: a generation, which is random, and a number. */
struct handle {
	struct file_handle head;
	unsigned int generation, low, high;
};

/* That of a new and empty file in the mount, or all zeroes. */
static struct handle new_handle(const char *path)
{
	struct handle handle = { .head.handle_bytes = 12 };
	int fd = open(path, O_RDWR | O_CREAT | O_EXCL, 0600), mount_id;

	if (name_to_handle_at(fd, "", &handle.head, &mount_id, AT_EMPTY_PATH))
		memset(&handle, 0, sizeof(handle));
	close(fd);
	return handle;
}

/*
 * The mount opens files by their handles. The number of the file behind is known: it
 * is between those of its neighbours. Of its generation nobody is told.
 */
TEST_F(usermnt, a_handle_of_the_file_behind_opens_nothing)
{
	int dir = open_dir(DIR_PATH), fd;
	struct handle before, after, made_up;
	unsigned int around[3] = {}, i;
	struct stat st;

	before = new_handle(DIR_PATH "/before");
	fd = from_mount(dir);
	after = new_handle(DIR_PATH "/after");
	if (!have_call(SYS_name_to_handle_at))
		SKIP(return, "this kernel has no file handles");
	ASSERT_LE(0, fd);
	ASSERT_EQ(before.low + 2, after.low)
		TH_LOG("the file behind is not between them");
	EXPECT_ALLOWED(open_by_handle_at(dir, &before.head, O_RDWR), "a handle is a way in");
	EXPECT_ALLOWED(open_by_handle_at(dir, &after.head, O_RDWR), "a handle is a way in");

	ASSERT_EQ(0, fstat(fd, &st));
	around[1] = before.generation;
	around[2] = after.generation;
	for (i = 0; i < 9; i++) {
		made_up = before;
		made_up.generation = around[i / 3] + i % 3 - 1;
		made_up.low = before.low + 1;
		EXPECT_REFUSED(open_by_handle_at(dir, &made_up.head, O_RDWR),
			       "the number of the file behind", ESTALE);
		made_up.low = st.st_ino;
		EXPECT_REFUSED(open_by_handle_at(dir, &made_up.head, O_RDWR),
			       "the number that fstat() tells", ESTALE);
	}
}

/*
 * Takes all events, and tries to open what they name, with O_PATH, which is no event
 * itself. How many there were, and how many led to something.
 */
static void take_events(int fanotify, int dir, int *events, int *opened)
{
	struct fanotify_event_metadata *event;
	char buffer[4096];
	ssize_t len;

	*events = 0;
	*opened = 0;
	while ((len = read(fanotify, buffer, sizeof(buffer))) > 0) {
		for (event = (void *)buffer; FAN_EVENT_OK(event, len);
		     event = FAN_EVENT_NEXT(event, len)) {
			struct fanotify_event_info_fid *info = (void *)(event + 1);
			int fd = open_by_handle_at(dir, (void *)info->handle, O_PATH);

			++*events;
			*opened += fd >= 0;
			if (fd >= 0)
				close(fd);
		}
	}
}

/* Who may watch all files of the filesystem is told their handles. */
TEST_F(usermnt, a_watch_of_the_filesystem_leads_to_nothing)
{
	const uint64_t all = FAN_ACCESS | FAN_MODIFY | FAN_ATTRIB | FAN_OPEN | FAN_CLOSE |
			     FAN_CREATE | FAN_DELETE | FAN_DELETE_SELF;
	int fanotify = fanotify_init(FAN_CLASS_NOTIF | FAN_REPORT_FID | FAN_NONBLOCK, 0);
	int dir = open_dir(DIR_PATH), events, opened, fd;
	char byte;

	if (fanotify < 0)
		SKIP(return, "this kernel has no fanotify");
	ASSERT_EQ(0, fanotify_mark(fanotify, FAN_MARK_ADD | FAN_MARK_FILESYSTEM, all, dir, NULL));
	close(open(DIR_PATH "/ordinary", O_RDWR | O_CREAT, 0600));
	take_events(fanotify, dir, &events, &opened);
	EXPECT_LT(0, opened)
		TH_LOG("an event of an ordinary file leads to it");

	fd = from_mount(dir);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, ftruncate(fd, PAGES * page_size()));
	ASSERT_EQ(0, reserve(fd, 0, 4));
	ASSERT_EQ(0, punch(fd, 0, 2));
	EXPECT_EQ(-1, read(fd, &byte, 1));
	take_events(fanotify, dir, &events, &opened);
	EXPECT_EQ(0, events)
		TH_LOG("while there is a file");
	/* That it is gone is told, with a handle. */
	close(fd);
	take_events(fanotify, dir, &events, &opened);
	EXPECT_EQ(0, opened)
		TH_LOG("when it is gone, %d events", events);
}

/* Whoever mounts a tmpfs that may be swapped out gets memory that may not. */
TEST_F(usermnt, is_not_swapped_out_whatever_the_mount_says)
{
	long long before = unevictable();

	if (before < 0)
		SKIP(return, "no /proc/sys/vm/drop_caches or stat_refresh");
	ASSERT_EQ(0, reserve(self->fd, 0, PAGES));
	EXPECT_LE(before + PAGES, unevictable());
	ASSERT_EQ(0, punch(self->fd, 0, PAGES));
	EXPECT_GT(before + PAGES, unevictable());
}

TEST_F(usermnt, what_failed_does_not_keep_it_busy)
{
	char path[64];
	int i;

	close(self->fd);
	for (i = 0; i < 8; i++) {
		snprintf(path, sizeof(path), DIR_PATH "/%d", i);
		close(open(path, O_RDWR | O_CREAT, 0600));
	}
	for (i = 0; i < 8; i++)
		EXPECT_REFUSED(from_path(DIR_PATH), "no inode is left", ENOSPC);
	EXPECT_EQ(0, umount(DIR_PATH))
		TH_LOG("%s", strerror(errno));
}

/* A folder that is mounted elsewhere is a root there, with the limits of all of it. */
TEST_F(usermnt, a_part_that_is_mounted_elsewhere_will_do)
{
	int dir, fd;

	ASSERT_EQ(0, mount(SUB_PATH, "/tmp", NULL, MS_BIND, NULL));
	dir = open("/tmp", O_PATH | O_DIRECTORY);
	ASSERT_LE(0, dir);
	fd = from_mount(dir);
	ASSERT_LE(0, fd)
		TH_LOG("%s", strerror(errno));
	ASSERT_EQ(0, umount2("/tmp", MNT_DETACH));
	ASSERT_EQ(0, ftruncate(fd, 2 * PAGES * page_size()));
	EXPECT_EQ(0, reserve(fd, 0, 4));
	EXPECT_EQ(PAGES - 4, pages_free(DIR_PATH));
	EXPECT_REFUSED(reserve(fd, 0, PAGES + 1), "more than there is", ENOSPC);
}

TEST_F(usermnt, wants_one_flag_only)
{
	int dir = open_dir(DIR_PATH);

	ASSERT_LE(0, dir);
	EXPECT_REFUSED(memfd_restricted(RMFD_USERMNT | RMFD_HUGEPAGE, dir),
		       "it is the mount that says how large its folios are", EINVAL);
	EXPECT_ALLOWED(memfd_restricted(RMFD_USERMNT | RMFD_CLOEXEC, dir), "close on exec");
}

TEST_F(usermnt, a_read_only_mount_gives_nothing)
{
	ASSERT_EQ(0, mount(DIR_PATH, SUB_PATH, NULL, MS_BIND, NULL));
	ASSERT_EQ(0, mount(NULL, SUB_PATH, NULL, MS_BIND | MS_REMOUNT | MS_RDONLY, NULL));
	EXPECT_REFUSED(from_path(SUB_PATH), "the mount is read-only", EROFS);
	EXPECT_ALLOWED(from_path(DIR_PATH), "the same filesystem, mounted for writing");
	ASSERT_EQ(0, umount(SUB_PATH));
	ASSERT_EQ(0, mount("ro", SUB_PATH, "tmpfs", MS_RDONLY, NULL));
	EXPECT_REFUSED(from_path(SUB_PATH), "the filesystem is read-only", EROFS);
}

TEST_F(usermnt, who_may_not_create_files_gets_nothing)
{
	ASSERT_EQ(0, become_nobody());
	EXPECT_REFUSED(from_path(DIR_PATH), "a folder of root's", EACCES);
}

TEST_F(usermnt, who_may_create_files_needs_no_privilege)
{
	ASSERT_EQ(0, chmod(DIR_PATH, 01777));
	ASSERT_EQ(0, become_nobody());
	EXPECT_ALLOWED(from_path(DIR_PATH), "a folder for everybody");
}

static int write_map(pid_t pid, const char *name, const char *map)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, name);
	return write_text(path, map);
}

/*
 * A child in a user namespace of its own, with the given map of users and groups,
 * which says over the socket that it is there, and waits for ever.
 */
static pid_t new_user_namespace(const char *map)
{
	int ready[2];
	pid_t child;
	char byte;

	if (pipe(ready))
		return -1;
	child = fork();
	if (!child) {
		if (unshare(CLONE_NEWUSER) || write(ready[1], "", 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	close(ready[1]);
	if (read(ready[0], &byte, 1) != 1)
		return -1;
	close(ready[0]);
	if (write_map(child, "uid_map", map) || write_map(child, "gid_map", map))
		return -1;
	return child;
}

static int join_user_namespace(pid_t pid)
{
	char path[64];
	int fd, ret;

	snprintf(path, sizeof(path), "/proc/%d/ns/user", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	ret = setns(fd, CLONE_NEWUSER);
	close(fd);
	return ret;
}

TEST_F(usermnt, a_mount_of_another_user_namespace_must_know_the_caller)
{
	pid_t child, pid = new_user_namespace("0 1000 1");
	int pair[2], status, dir, fd;

	ASSERT_LT(0, pid);
	ASSERT_EQ(0, pipe(pair));
	child = fork();
	if (!child) {
		/* 0 in there is 1000 out here. */
		if (join_user_namespace(pid) || setresgid(0, 0, 0) || setresuid(0, 0, 0) ||
		    unshare(CLONE_NEWNS) ||
		    mount("theirs", SUB_PATH, "tmpfs", 0, "mode=777"))
			_exit(1);
		dir = open_dir(SUB_PATH);
		/* Its own user may. */
		fd = from_mount(dir);
		if (fd < 0)
			_exit(2);
		if (write(pair[1], &dir, sizeof(dir)) != sizeof(dir))
			_exit(3);
		pause();
	}
	close(pair[1]);
	ASSERT_EQ(sizeof(dir), read(pair[0], &dir, sizeof(dir)))
		TH_LOG("the child ended early");
	fd = syscall(__NR_pidfd_open, child, 0);
	ASSERT_LE(0, fd);
	dir = syscall(__NR_pidfd_getfd, fd, dir, 0);
	ASSERT_LE(0, dir);
	EXPECT_REFUSED(from_mount(dir), "root does not exist there", EOVERFLOW);
	kill(child, SIGKILL);
	kill(pid, SIGKILL);
	waitpid(child, &status, 0);
}

TEST_F(usermnt, a_mount_that_changes_owners_is_refused)
{
	struct mount_attr attr = { .attr_set = MOUNT_ATTR_IDMAP };
	pid_t pid = new_user_namespace("0 1000 10");
	char path[64];
	int tree;

	ASSERT_LT(0, pid);
	snprintf(path, sizeof(path), "/proc/%d/ns/user", pid);
	attr.userns_fd = open(path, O_RDONLY | O_CLOEXEC);
	tree = open_tree(-1, DIR_PATH, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	ASSERT_LE(0, tree);
	ASSERT_EQ(0, mount_setattr(tree, "", AT_EMPTY_PATH, &attr, sizeof(attr)))
		TH_LOG("%s", strerror(errno));
	EXPECT_REFUSED(from_mount(tree), "idmapped", EINVAL);
	kill(pid, SIGKILL);
}

TEST_HARNESS_MAIN
