// SPDX-License-Identifier: GPL-2.0
/*
 * What reaches memory by address has nothing to aim at: restricted memory has no
 * mapping, in the process that owns it or in another, and is in no core dump.
 */
#include <dirent.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>

#include <linux/mempolicy.h>
#include <linux/mman.h>
#include <linux/userfaultfd.h>

#include "access.h"
#include "text.h"

TEST_F(access, there_is_no_mapping)
{
	char line[512], inode[64];
	bool found = false;
	struct stat st;
	FILE *maps;

	EXPECT_EQ(MAP_FAILED, mmap(NULL, self->page, PROT_READ, MAP_SHARED, self->fd, 0));
	EXPECT_EQ(MAP_FAILED, mmap(NULL, self->page, PROT_NONE, MAP_PRIVATE, self->fd, 0));
	/* With its device: the program's own file may have the same number. */
	ASSERT_EQ(0, fstat(self->fd, &st));
	snprintf(inode, sizeof(inode), " %02x:%02x %lu ", major(st.st_dev), minor(st.st_dev),
		 (unsigned long)st.st_ino);
	maps = fopen("/proc/self/maps", "r");
	ASSERT_NE(NULL, maps);
	while (fgets(line, sizeof(line), maps))
		found |= strstr(line, "restricted") || strstr(line, inode);
	fclose(maps);
	EXPECT_FALSE(found);
}

TEST_F(access, map_files_has_none)
{
	char target[PATH_MAX];
	DIR *folder = opendir("/proc/self/map_files");
	struct dirent *entry;
	int files = 0;

	EXPECT_EQ(MAP_FAILED, mmap(NULL, self->page, PROT_READ, MAP_SHARED, self->fd, 0));
	if (!folder)
		SKIP(return, "no /proc/self/map_files");
	while ((entry = readdir(folder))) {
		ssize_t len = readlinkat(dirfd(folder), entry->d_name, target,
					 sizeof(target) - 1);

		if (len < 0)
			continue;
		target[len] = '\0';
		EXPECT_EQ(NULL, strstr(target, "restricted"));
		files++;
	}
	closedir(folder);
	EXPECT_LT(0, files)
		TH_LOG("the program itself is mapped");
}

TEST_F(access, read_and_write_by_address)
{
	char *place = refused_place(self->fd, self->page);
	struct iovec there = { place, self->page };
	int memory, pipes[2];

	ASSERT_NE(NULL, place);
	memory = open("/proc/self/mem", O_RDWR);
	ASSERT_LE(0, memory);
	EXPECT_REFUSED(pread(memory, self->buffer, self->page, (off_t)place),
		       "/proc/self/mem", EIO);
	EXPECT_REFUSED(pwrite(memory, self->buffer, self->page, (off_t)place),
		       "/proc/self/mem", EIO);
	ASSERT_EQ(0, pipe(pipes));
	EXPECT_REFUSED(write(pipes[1], place, self->page), "write", EFAULT);
	EXPECT_REFUSED(vmsplice(pipes[1], &there, 1, 0), "vmsplice", EFAULT);
	EXPECT_REFUSED(pwrite(self->ordinary, place, self->page, 0), "write", EFAULT);
}

TEST_F(access, read_and_write_as_another_process)
{
	char *place = refused_place(self->fd, self->page);
	struct iovec there = { place, self->page };
	struct iovec here = { self->buffer, self->page };

	ASSERT_NE(NULL, place);
	if (!have_call(SYS_process_vm_readv))
		SKIP(return, "this kernel has no process_vm_readv()");
	EXPECT_REFUSED(process_vm_readv(getpid(), &here, 1, &there, 1, 0),
		       "process_vm_readv", EFAULT);
	EXPECT_REFUSED(process_vm_writev(getpid(), &here, 1, &there, 1, 0),
		       "process_vm_writev", EFAULT);
}

TEST_F(access, pagemap_shows_nothing)
{
	char *place = refused_place(self->fd, PAGES * self->page);
	int pagemap = open("/proc/self/pagemap", O_RDONLY);
	uint64_t entries[PAGES];
	int i;

	ASSERT_NE(NULL, place);
	if (pagemap < 0)
		SKIP(return, "no /proc/self/pagemap");
	ASSERT_EQ((ssize_t)sizeof(entries),
		  pread(pagemap, entries, sizeof(entries), (off_t)place / self->page * 8));
	for (i = 0; i < PAGES; i++)
		EXPECT_EQ(0, entries[i] >> 61)
			TH_LOG("neither present nor swapped out, nor of a file");
}

/* Advice on a mapping, also that which makes it, fills it or throws it away. */
TEST_F(access, nothing_to_advise_on)
{
	static const int advice[] = {
		MADV_NORMAL, MADV_RANDOM, MADV_SEQUENTIAL, MADV_WILLNEED, MADV_DONTNEED,
		MADV_FREE, MADV_REMOVE, MADV_DONTFORK, MADV_DOFORK, MADV_DONTDUMP, MADV_DODUMP,
		MADV_WIPEONFORK, MADV_KEEPONFORK, MADV_COLD, MADV_PAGEOUT, MADV_POPULATE_READ,
		MADV_POPULATE_WRITE, MADV_DONTNEED_LOCKED, MADV_GUARD_INSTALL,
		MADV_GUARD_REMOVE,
	};
	char *place = refused_place(self->fd, self->page);
	char rule[16];
	unsigned int i;

	ASSERT_NE(NULL, place);
	for (i = 0; i < ARRAY_SIZE(advice); i++) {
		snprintf(rule, sizeof(rule), "advice %d", advice[i]);
		EXPECT_REFUSED(madvise(place, self->page, advice[i]), rule, ENOMEM);
	}
}

/* Advice that a kernel may have been built without: on no address at all it is EINVAL then. */
TEST_F(access, nothing_to_merge_or_to_make_large)
{
	static const int advice[] = {
		MADV_MERGEABLE, MADV_UNMERGEABLE, MADV_HUGEPAGE, MADV_NOHUGEPAGE, MADV_COLLAPSE,
	};
	char *place = refused_place(self->fd, self->page);
	unsigned int i, known = 0;
	char rule[16];

	ASSERT_NE(NULL, place);
	for (i = 0; i < ARRAY_SIZE(advice); i++) {
		if (madvise(NULL, 0, advice[i]))
			continue;
		snprintf(rule, sizeof(rule), "advice %d", advice[i]);
		EXPECT_REFUSED(madvise(place, self->page, advice[i]), rule, ENOMEM);
		known++;
	}
	if (!known)
		SKIP(return, "this kernel has neither KSM nor large pages");
}

/* Both are for root. */
TEST_F(access, nothing_to_poison)
{
	static const int advice[] = { MADV_HWPOISON, MADV_SOFT_OFFLINE };
	int error = variant->who == ROOT ? EFAULT : EPERM;
	char *place = refused_place(self->fd, self->page);
	unsigned int i;

	ASSERT_NE(NULL, place);
	if (madvise(NULL, 0, MADV_HWPOISON))
		SKIP(return, "this kernel handles no memory errors");
	for (i = 0; i < ARRAY_SIZE(advice); i++)
		EXPECT_REFUSED(madvise(place, self->page, advice[i]), "madvise", error);
}

TEST_F(access, nothing_to_change)
{
	char *place = refused_place(self->fd, self->page);
	unsigned char resident = 0;

	ASSERT_NE(NULL, place);
	EXPECT_REFUSED(mincore(place, self->page, &resident), "mincore", ENOMEM);
	EXPECT_REFUSED(mprotect(place, self->page, PROT_READ), "mprotect", ENOMEM);
	EXPECT_REFUSED(mlock(place, self->page), "mlock", ENOMEM);
	EXPECT_REFUSED(msync(place, self->page, MS_SYNC), "msync", ENOMEM);
	EXPECT_REFUSED(mremap(place, self->page, 2 * self->page, MREMAP_MAYMOVE),
		       "mremap", EFAULT);
	EXPECT_REFUSED(remap_file_pages(place, self->page, 0, 1, 0), "remap_file_pages", EINVAL);
}

TEST_F(access, on_no_node)
{
	char *place = refused_place(self->fd, self->page);
	void *places[] = { place };
	int node = 0, status = 1;

	ASSERT_NE(NULL, place);
	if (!have_call(SYS_get_mempolicy) || !have_call(SYS_move_pages))
		SKIP(return, "this kernel knows of no nodes");
	EXPECT_REFUSED(syscall(SYS_get_mempolicy, &node, NULL, 0, place,
			       MPOL_F_NODE | MPOL_F_ADDR),
		       "get_mempolicy", EFAULT);
	EXPECT_ALLOWED(syscall(SYS_move_pages, 0, 1, places, &node, &status, 0), "move_pages");
	EXPECT_EQ(-EFAULT, status)
		TH_LOG("move_pages");
}

/* Calls on the place, and with it as the source for memory that takes part. */
TEST_F(access, no_faults_to_handle)
{
	char *empty = mmap(NULL, self->page, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *place = refused_place(self->fd, self->page);
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register area = { .range = { (uintptr_t)place, self->page } };
	struct uffdio_register ours = {
		.range = { (uintptr_t)empty, self->page }, .mode = UFFDIO_REGISTER_MODE_MISSING,
	};
	struct uffdio_copy copy = {
		.dst = (uintptr_t)place, .src = (uintptr_t)self->buffer, .len = self->page,
	};
	struct uffdio_copy copy_from_it = {
		.dst = (uintptr_t)empty, .src = (uintptr_t)place, .len = self->page,
	};
	struct uffdio_move move = {
		.dst = (uintptr_t)place, .src = (uintptr_t)self->buffer, .len = self->page,
	};
	struct uffdio_move move_from_it = {
		.dst = (uintptr_t)empty, .src = (uintptr_t)place, .len = self->page,
	};
	struct uffdio_writeprotect protect = {
		.range = area.range, .mode = UFFDIO_WRITEPROTECT_MODE_WP,
	};
	struct uffdio_writeprotect unprotect = { .range = area.range };
	struct uffdio_zeropage zero = { .range = area.range };
	struct uffdio_continue map = { .range = area.range };
	struct uffdio_poison poison = { .range = area.range };
	static const int modes[] = {
		UFFDIO_REGISTER_MODE_MISSING, UFFDIO_REGISTER_MODE_MINOR,
		UFFDIO_REGISTER_MODE_WP,
	};
	int uffd = syscall(SYS_userfaultfd, O_CLOEXEC | UFFD_USER_MODE_ONLY);
	unsigned int i;

	if (uffd < 0)
		SKIP(return, "this kernel has no userfaultfd()");
	ASSERT_NE(NULL, place);
	ASSERT_NE(MAP_FAILED, empty);
	ASSERT_EQ(0, ioctl(uffd, UFFDIO_API, &api));
	for (i = 0; i < ARRAY_SIZE(modes); i++) {
		area.mode = modes[i];
		EXPECT_REFUSED(ioctl(uffd, UFFDIO_REGISTER, &area), "UFFDIO_REGISTER", EINVAL);
	}
	ASSERT_EQ(0, ioctl(uffd, UFFDIO_REGISTER, &ours));
	EXPECT_REFUSED(ioctl(uffd, UFFDIO_COPY, &copy), "UFFDIO_COPY", ENOENT);
	EXPECT_REFUSED(ioctl(uffd, UFFDIO_COPY, &copy_from_it), "UFFDIO_COPY", EFAULT);
	EXPECT_REFUSED(ioctl(uffd, UFFDIO_MOVE, &move), "UFFDIO_MOVE", ENOENT);
	EXPECT_REFUSED(ioctl(uffd, UFFDIO_MOVE, &move_from_it), "UFFDIO_MOVE", ENOENT);
	EXPECT_REFUSED(ioctl(uffd, UFFDIO_WRITEPROTECT, &protect),
		       "UFFDIO_WRITEPROTECT", ENOENT);
	EXPECT_REFUSED(ioctl(uffd, UFFDIO_WRITEPROTECT, &unprotect),
		       "UFFDIO_WRITEPROTECT", ENOENT);
	EXPECT_REFUSED(ioctl(uffd, UFFDIO_ZEROPAGE, &zero), "UFFDIO_ZEROPAGE", ENOENT);
	EXPECT_REFUSED(ioctl(uffd, UFFDIO_CONTINUE, &map), "UFFDIO_CONTINUE", ENOENT);
	EXPECT_REFUSED(ioctl(uffd, UFFDIO_POISON, &poison), "UFFDIO_POISON", ENOENT);
	/* The teardown looks there, too, and nobody handles the fault. */
	EXPECT_EQ(0, munmap(empty, self->page));
	close(uffd);
}

/* Maps what can be mapped, and reads it. */
static void map_all(int fd, size_t len)
{
	static const int flags[] = { MAP_SHARED, MAP_PRIVATE };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(flags); i++)
		mmap(NULL, len, PROT_READ | PROT_WRITE, flags[i] | MAP_POPULATE, fd, 0);
}

/* Another process that has the file, and is stopped; or -1. */
static pid_t holder(int fd, size_t len)
{
	pid_t child = fork();
	int status;

	if (!child) {
		prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
		map_all(fd, len);
		raise(SIGSTOP);
		_exit(0);
	}
	return waitpid(child, &status, WUNTRACED) == child ? child : -1;
}

/* One way to read the memory of a process: as pread(). */
typedef ssize_t read_memory(pid_t pid, int memory, char *buffer, size_t len, unsigned long address);

static ssize_t read_by_call(pid_t pid, int memory, char *buffer, size_t len, unsigned long address)
{
	struct iovec here = { buffer, len };
	struct iovec there = { (void *)address, len };

	return process_vm_readv(pid, &here, 1, &there, 1, 0);
}

static ssize_t read_by_file(pid_t pid, int memory, char *buffer, size_t len, unsigned long address)
{
	return pread(memory, buffer, len, address);
}

/* Reads all memory of a process. How often there are runs of the two bytes in it. */
static void look_through(pid_t pid, read_memory *way, long *secrets, long *ordinary)
{
	unsigned long start, end;
	char path[64], *copy;
	FILE *maps;
	ssize_t n;
	int memory;

	snprintf(path, sizeof(path), "/proc/%d/mem", pid);
	memory = open(path, O_RDONLY);
	snprintf(path, sizeof(path), "/proc/%d/maps", pid);
	maps = fopen(path, "r");
	while (maps && next_area(maps, &start, &end)) {
		copy = malloc(end - start);
		n = copy ? way(pid, memory, copy, end - start, start) : 0;
		if (n > 0) {
			*secrets += runs_of(SECRET, copy, n);
			*ordinary += runs_of('x', copy, n);
		}
		free(copy);
	}
	if (maps)
		fclose(maps);
	close(memory);
}

TEST_F(access, another_process_has_none)
{
	char *place = refused_place(self->fd, self->page);
	long secrets = 0, by_call = 0, by_file = 0;
	pid_t child = holder(self->fd, PAGES * self->page);
	int status;

	ASSERT_LT(0, child);
	look_through(child, read_by_call, &secrets, &by_call);
	look_through(child, read_by_file, &secrets, &by_file);
	EXPECT_EQ(0, secrets);
	EXPECT_LT(0, by_call)
		TH_LOG("process_vm_readv() has read something");
	EXPECT_LT(0, by_file)
		TH_LOG("/proc/PID/mem was read");

	ASSERT_NE(NULL, place);
	ASSERT_EQ(0, ptrace(PTRACE_ATTACH, child, NULL, NULL));
	ASSERT_EQ(child, waitpid(child, &status, 0));
	errno = 0;
	EXPECT_EQ('x', ptrace(PTRACE_PEEKDATA, child, self->buffer, NULL) & 0xff);
	EXPECT_REFUSED(ptrace(PTRACE_PEEKDATA, child, place, NULL), "PTRACE_PEEKDATA", EIO);
	EXPECT_REFUSED(ptrace(PTRACE_POKEDATA, child, place, 0), "PTRACE_POKEDATA", EIO);
	kill(child, SIGKILL);
	waitpid(child, &status, 0);
}

/* Dies of a signal in a folder, having asked for everything to be dumped. */
static void dump_core(const char *folder, int fd, size_t len)
{
	struct rlimit limit = { RLIM_INFINITY, RLIM_INFINITY };

	map_all(fd, len);
	if (!setrlimit(RLIMIT_CORE, &limit) && !chdir(folder) &&
	    !write_text("/proc/self/coredump_filter", "0x7f"))
		abort();
	_exit(1);
}

TEST_F(access, core_dump)
{
	char folder[] = "/tmp/restrictedmem-XXXXXX", path[64];
	char *pattern = read_text("/proc/sys/kernel/core_pattern");
	int status, core;
	struct stat st;
	pid_t child;
	char *dump;

	if (!pattern || strcmp(pattern, "core\n"))
		SKIP(return, "core dumps go elsewhere, or there are none");
	ASSERT_NE(NULL, mkdtemp(folder));
	child = fork();
	ASSERT_LE(0, child);
	if (!child)
		dump_core(folder, self->fd, PAGES * self->page);
	ASSERT_EQ(child, waitpid(child, &status, 0));
	ASSERT_TRUE(WIFSIGNALED(status) && WCOREDUMP(status))
		TH_LOG("status 0x%x", status);

	snprintf(path, sizeof(path), "%s/core", folder);
	if (access(path, F_OK))
		snprintf(path, sizeof(path), "%s/core.%d", folder, child);
	core = open(path, O_RDONLY);
	ASSERT_LE(0, core);
	ASSERT_EQ(0, fstat(core, &st));
	dump = mmap(NULL, st.st_size, PROT_READ, MAP_PRIVATE, core, 0);
	ASSERT_NE(MAP_FAILED, dump);
	EXPECT_LT(0, runs_of('x', dump, st.st_size))
		TH_LOG("the memory of the process is in it");
	EXPECT_EQ(0, runs_of(SECRET, dump, st.st_size));
	unlink(path);
	rmdir(folder);
}

TEST_HARNESS_MAIN
