// SPDX-License-Identifier: GPL-2.0
/*
 * No part of the kernel that takes a file and reads, writes, maps or pins what is
 * in it takes restricted memory. One test for each of them.
 */
#include <sys/fanotify.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/swap.h>

#include <linux/bpf.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <linux/fsverity.h>
#include <linux/iommufd.h>
#include <linux/kexec.h>
#include <linux/liveupdate.h>
#include <linux/loop.h>
#include <linux/perf_event.h>
#include <linux/quota.h>
#include <linux/udmabuf.h>

#include "../../../../drivers/iommu/iommufd/iommufd_test.h"
#include "access.h"

/* Parts of the kernel that take files */

TEST_F(access, seals)
{
	EXPECT_REFUSED(fcntl(self->fd, F_ADD_SEALS, F_SEAL_WRITE), "F_ADD_SEALS", EINVAL);
	EXPECT_REFUSED(fcntl(self->fd, F_ADD_SEALS, 0), "F_ADD_SEALS", EINVAL);
	EXPECT_REFUSED(fcntl(self->fd, F_GET_SEALS), "F_GET_SEALS", EINVAL);
}

TEST_F(access, ioctl)
{
	static const struct { unsigned long number; const char *name; int error; } ioctls[] = {
		{ FIONREAD, "FIONREAD" },
		{ FIOQSIZE, "FIOQSIZE" },
		{ FS_IOC_GETFLAGS, "FS_IOC_GETFLAGS" },
		{ FS_IOC_SETFLAGS, "FS_IOC_SETFLAGS" },
		{ FS_IOC_GETVERSION, "FS_IOC_GETVERSION" },
		{ FS_IOC_SETVERSION, "FS_IOC_SETVERSION" },
		{ FS_IOC_FSGETXATTR, "FS_IOC_FSGETXATTR" },
		{ FS_IOC_FSSETXATTR, "FS_IOC_FSSETXATTR", EOPNOTSUPP },
		{ FS_IOC_GETFSLABEL, "FS_IOC_GETFSLABEL" },
		{ FS_IOC_ENABLE_VERITY, "FS_IOC_ENABLE_VERITY" },
		{ FS_IOC_MEASURE_VERITY, "FS_IOC_MEASURE_VERITY" },
		{ _IOW('X', 40, char[48]), "FS_IOC_RESVSP" },
		{ _IOW('X', 43, char[48]), "FS_IOC_UNRESVSP64" },
		{ _IOW('X', 57, char[48]), "FS_IOC_ZERO_RANGE" },
		{ 0x5401, "TCGETS" },
		{ _IO(0xAE, 0xff), "an ioctl of somebody else" },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(ioctls); i++)
		EXPECT_REFUSED(ioctl(self->fd, ioctls[i].number, self->buffer),
			       ioctls[i].name, ioctls[i].error ?: ENOTTY);
}

TEST_F(access, block_map)
{
	struct fiemap map = { .fm_length = self->page };
	int block = 0;

	EXPECT_REFUSED(ioctl(self->fd, FIBMAP, &block), "FIBMAP", ENOTTY);
	EXPECT_REFUSED(ioctl(self->fd, FS_IOC_FIEMAP, &map), "FS_IOC_FIEMAP", EOPNOTSUPP);
}

TEST_F(access, swap)
{
	if (!have_call(SYS_swapon))
		SKIP(return, "this kernel does not swap");
	EXPECT_REFUSED(swapon(self->path, 0), "swapon", for_root(variant->who, ENXIO));
}

TEST_F(access, loop_device)
{
	struct loop_config config = { .fd = self->fd, .block_size = self->page };
	char path[32];
	int control, number, loop;

	control = open("/dev/loop-control", O_RDWR);
	if (control < 0)
		SKIP(return, "cannot open /dev/loop-control");
	number = ioctl(control, LOOP_CTL_GET_FREE);
	ASSERT_LE(0, number);
	snprintf(path, sizeof(path), "/dev/loop%d", number);
	loop = open(path, O_RDWR);
	ASSERT_LE(0, loop);
	EXPECT_REFUSED(ioctl(loop, LOOP_SET_FD, self->fd), "LOOP_SET_FD", EINVAL);
	EXPECT_REFUSED(ioctl(loop, LOOP_CONFIGURE, &config), "LOOP_CONFIGURE", EINVAL);
	config.info.lo_flags = LO_FLAGS_READ_ONLY;
	EXPECT_REFUSED(ioctl(loop, LOOP_CONFIGURE, &config), "LOOP_CONFIGURE", EINVAL);
}

TEST_F(access, udmabuf)
{
	struct udmabuf_create create = { .memfd = self->fd, .size = self->page };
	int device = open("/dev/udmabuf", O_RDWR);

	if (device < 0)
		SKIP(return, "cannot open /dev/udmabuf");
	/* EINVAL would be about the seals of a memfd. */
	EXPECT_REFUSED(ioctl(device, UDMABUF_CREATE, &create), "UDMABUF_CREATE", EBADFD);
}

/*
 * An address space for devices takes any file, and asks whether it can pin memory
 * of it when there is a device to map for. Without one nothing must be allocated,
 * made present or kept.
 */
TEST_F(access, iommufd)
{
	struct iommu_ioas_alloc alloc = { .size = sizeof(alloc) };
	struct iommu_ioas_map_file map = {
		.size = sizeof(map),
		.flags = IOMMU_IOAS_MAP_READABLE | IOMMU_IOAS_MAP_WRITEABLE,
		.fd = self->fd,
		.length = self->page,
	};
	struct iommu_ioas_unmap unmap = { .size = sizeof(unmap) };
	int device = open("/dev/iommu", O_RDWR);

	if (device < 0)
		SKIP(return, "cannot open /dev/iommu");
	ASSERT_EQ(0, ioctl(device, IOMMU_IOAS_ALLOC, &alloc));
	map.ioas_id = alloc.out_ioas_id;
	ASSERT_EQ(0, ioctl(device, IOMMU_IOAS_MAP_FILE, &map));
	EXPECT_EQ(self->pages, pages_of(self->fd));
	unmap.ioas_id = map.ioas_id;
	unmap.iova = map.iova;
	unmap.length = map.length;
	EXPECT_ALLOWED(ioctl(device, IOMMU_IOAS_UNMAP, &unmap), "IOMMU_IOAS_UNMAP");
	EXPECT_EQ(self->page, unmap.length);
}

/* With a device of the kernel's own tests of iommufd: before the file, and after it. */
TEST_F(access, iommufd_with_a_device)
{
	struct iommu_ioas_alloc alloc = { .size = sizeof(alloc) };
	struct iommu_ioas_map_file map = {
		.size = sizeof(map),
		.flags = IOMMU_IOAS_MAP_READABLE | IOMMU_IOAS_MAP_FIXED_IOVA,
		.fd = self->fd,
		.length = self->page,
		.iova = MOCK_APERTURE_START,
	};
	struct iommu_test_cmd add_device = {
		.size = sizeof(add_device),
		.op = IOMMU_TEST_OP_MOCK_DOMAIN,
	};
	int device = open("/dev/iommu", O_RDWR), memfd = memfd_create("ordinary", 0);

	if (device < 0)
		SKIP(return, "cannot open /dev/iommu");
	ASSERT_EQ(0, ftruncate(memfd, self->page));
	ASSERT_EQ(0, ioctl(device, IOMMU_IOAS_ALLOC, &alloc));
	add_device.id = alloc.out_ioas_id;
	if (ioctl(device, IOMMU_TEST_CMD, &add_device) && errno == ENOTTY)
		SKIP(return, "no device to test with (CONFIG_IOMMUFD_TEST)");
	map.ioas_id = alloc.out_ioas_id;
	EXPECT_REFUSED(ioctl(device, IOMMU_IOAS_MAP_FILE, &map), "IOMMU_IOAS_MAP_FILE", EINVAL);
	map.fd = memfd;
	EXPECT_ALLOWED(ioctl(device, IOMMU_IOAS_MAP_FILE, &map), "a device can have a memfd");
	map.fd = self->fd;

	ASSERT_EQ(0, ioctl(device, IOMMU_IOAS_ALLOC, &alloc));
	map.ioas_id = alloc.out_ioas_id;
	ASSERT_EQ(0, ioctl(device, IOMMU_IOAS_MAP_FILE, &map));
	add_device.id = alloc.out_ioas_id;
	EXPECT_REFUSED(ioctl(device, IOMMU_TEST_CMD, &add_device), "adding a device", EINVAL);
	EXPECT_EQ(self->pages, pages_of(self->fd));
}

TEST_F(access, kernel_modules)
{
	if (!have_call(SYS_finit_module))
		SKIP(return, "this kernel has no modules");
	EXPECT_REFUSED(syscall(SYS_finit_module, self->fd, "", 0),
		       "finit_module", for_root(variant->who, EINVAL));
}

#ifdef SYS_kexec_file_load
static long load_next_kernel(int kernel, int initramfs, unsigned long flags)
{
	return syscall(SYS_kexec_file_load, kernel, initramfs, 1UL, "", flags);
}

TEST_F(access, next_kernel)
{
	if (!have_call(SYS_kexec_file_load))
		SKIP(return, "this kernel has no kexec_file_load()");
	EXPECT_REFUSED(load_next_kernel(self->fd, -1, KEXEC_FILE_NO_INITRAMFS),
		       "as the kernel", for_root(variant->who, EINVAL));
}

/* A file that begins as a kernel does. Nobody may have it open for writing. */
static int new_kernel(void)
{
	char image[4096] = {}, path[64];
	int fd, len;

#ifdef __x86_64__
	memcpy(image + 0x1fe, "\x55\xaa", 2);		/* boot_flag */
	memcpy(image + 0x202, "HdrS\x0f\x02", 6);	/* and the version */
	image[0x211] = 1;				/* loadflags: LOADED_HIGH */
	image[0x236] = 0x23;				/* xloadflags: of 64 bits, anywhere */
#else
	return -1;
#endif
	snprintf(path, sizeof(path), "/tmp/restrictedmem-%d", getpid());
	fd = open(path, O_CREAT | O_EXCL | O_WRONLY, 0600);
	len = write(fd, image, sizeof(image));
	close(fd);
	fd = len == sizeof(image) ? open(path, O_RDONLY) : -1;
	unlink(path);
	return fd;
}

TEST_F(access, initramfs_of_the_next_kernel)
{
	int kernel = new_kernel();

	if (!have_call(SYS_kexec_file_load))
		SKIP(return, "this kernel has no kexec_file_load()");
	if (kernel < 0)
		SKIP(return, "no kernel of this architecture to go with it");
	EXPECT_REFUSED(load_next_kernel(kernel, -1, 0), "it gets as far as the initramfs",
		       for_root(variant->who, EBADF));
	EXPECT_REFUSED(load_next_kernel(kernel, self->fd, 0), "as the initramfs",
		       for_root(variant->who, EINVAL));
}
#endif

/* A live update carries memfds over to the next kernel, with their contents. */
TEST_F(access, live_update)
{
	struct liveupdate_ioctl_create_session create = { .size = sizeof(create) };
	struct liveupdate_session_preserve_fd preserve = { .size = sizeof(preserve) };
	int device = open("/dev/liveupdate", O_RDWR);

	if (device < 0)
		SKIP(return, "cannot open /dev/liveupdate");
	snprintf((char *)create.name, sizeof(create.name), "restrictedmem-%d", getpid());
	ASSERT_EQ(0, ioctl(device, LIVEUPDATE_IOCTL_CREATE_SESSION, &create));
	preserve.fd = self->fd;
	EXPECT_REFUSED(ioctl(create.fd, LIVEUPDATE_SESSION_PRESERVE_FD, &preserve),
		       "LIVEUPDATE_SESSION_PRESERVE_FD", ENOENT);
	preserve.fd = self->ordinary;
	EXPECT_ALLOWED(ioctl(create.fd, LIVEUPDATE_SESSION_PRESERVE_FD, &preserve),
		       "a memfd is preserved");
}

/* A map of descriptors, one of its own kind, and what a descriptor tells of itself. */
TEST_F(access, bpf)
{
	static const struct { int type, error; } maps[] = {
		{ BPF_MAP_TYPE_PROG_ARRAY, EINVAL },
		{ BPF_MAP_TYPE_PERF_EVENT_ARRAY, EBADF },
		{ BPF_MAP_TYPE_CGROUP_ARRAY, EBADF },
	};
	union bpf_attr attr = { .map_fd = self->fd };
	__u32 key = 0;
	unsigned int i;

	if (!have_call(SYS_bpf))
		SKIP(return, "this kernel has no bpf()");
	attr.key = (uintptr_t)&key;
	attr.value = (uintptr_t)self->buffer;
	EXPECT_REFUSED(syscall(SYS_bpf, BPF_MAP_LOOKUP_ELEM, &attr, sizeof(attr)),
		       "BPF_MAP_LOOKUP_ELEM", EINVAL);
	EXPECT_REFUSED(syscall(SYS_bpf, BPF_MAP_UPDATE_ELEM, &attr, sizeof(attr)),
		       "BPF_MAP_UPDATE_ELEM", EINVAL);

	memset(&attr, 0, sizeof(attr));
	attr.info.bpf_fd = self->fd;
	attr.info.info_len = self->page;
	attr.info.info = (uintptr_t)self->buffer;
	EXPECT_REFUSED(syscall(SYS_bpf, BPF_OBJ_GET_INFO_BY_FD, &attr, sizeof(attr)),
		       "BPF_OBJ_GET_INFO_BY_FD", EINVAL);

	memset(&attr, 0, sizeof(attr));
	attr.map_type = BPF_MAP_TYPE_ARRAY_OF_MAPS;
	attr.key_size = sizeof(key);
	attr.value_size = sizeof(key);
	attr.max_entries = 1;
	attr.inner_map_fd = self->fd;
	EXPECT_REFUSED(syscall(SYS_bpf, BPF_MAP_CREATE, &attr, sizeof(attr)),
		       "inner_map_fd", EINVAL);

	attr.inner_map_fd = 0;
	for (i = 0; i < ARRAY_SIZE(maps); i++) {
		union bpf_attr update = {};

		attr.map_type = maps[i].type;
		update.map_fd = syscall(SYS_bpf, BPF_MAP_CREATE, &attr, sizeof(attr));
		ASSERT_LE(0, (int)update.map_fd);
		update.key = (uintptr_t)&key;
		update.value = (uintptr_t)&self->fd;
		EXPECT_REFUSED(syscall(SYS_bpf, BPF_MAP_UPDATE_ELEM, &update, sizeof(update)),
			       "an element of a map", maps[i].error);
	}
}

TEST_F(access, uprobes)
{
	long long type = read_number("/sys/bus/event_source/devices/uprobe/type");
	struct perf_event_attr attr = {
		.type = type,
		.size = sizeof(attr),
		.uprobe_path = (uintptr_t)self->path,
	};

	if (type < 0)
		SKIP(return, "this kernel has no uprobes");
	EXPECT_REFUSED(syscall(SYS_perf_event_open, &attr, -1, 0, -1, 0),
		       "perf_event_open", variant->who == ROOT ? EIO : EACCES);
	attr.probe_offset = self->page;
	EXPECT_REFUSED(syscall(SYS_perf_event_open, &attr, -1, 0, -1, 0),
		       "perf_event_open", variant->who == ROOT ? EIO : EACCES);
}

TEST_F(access, quotas)
{
#ifdef __NR_quotactl_fd
	static const int commands[] = {
		Q_SYNC, Q_QUOTAON, Q_QUOTAOFF, Q_GETFMT, Q_GETINFO, Q_GETQUOTA, Q_SETQUOTA,
	};
	unsigned int i;

	if (!have_call(__NR_quotactl_fd))
		SKIP(return, "this kernel has no quotactl_fd()");
	for (i = 0; i < ARRAY_SIZE(commands); i++)
		EXPECT_REFUSED(syscall(__NR_quotactl_fd, self->fd, QCMD(commands[i], USRQUOTA),
				       0, self->buffer),
			       "as if there were no such call", no_such_call());
#else
	SKIP(return, "built without quotactl_fd()");
#endif
}

/* What would be an event of any other file. */
static void use(int fd, const char *path, off_t size, char *buffer)
{
	fallocate(fd, PUNCH, size, page_size());	/* a hole in nothing */
	if (read(fd, buffer, page_size()) < 0)
		close(open(path, O_RDWR));
	close(dup(fd));
}

/* Who watches a file is told of nothing, and fanotify opens it for nobody. */
TEST_F(access, inotify_sees_nothing)
{
	int inotify = inotify_init1(IN_NONBLOCK);

	if (inotify < 0)
		SKIP(return, "this kernel has no inotify");
	if (variant->who == OTHER)
		EXPECT_REFUSED(inotify_add_watch(inotify, self->path, IN_ALL_EVENTS),
			       "who may not read it", EACCES);
	else
		EXPECT_ALLOWED(inotify_add_watch(inotify, self->path, IN_ALL_EVENTS),
			       "who may read it");
	use(self->fd, self->path, self->size, self->buffer);
	EXPECT_REFUSED(read(inotify, self->buffer, self->page), "inotify", EAGAIN);
}

#define FAN_ALL	(FAN_ACCESS | FAN_MODIFY | FAN_OPEN | FAN_CLOSE)

/* Events with a descriptor are for root, those that name the file are for everybody. */
TEST_F(access, fanotify_sees_nothing)
{
	int fanotify = fanotify_init(FAN_CLASS_NOTIF | FAN_NONBLOCK |
				     (variant->who == ROOT ? 0 : FAN_REPORT_FID), O_RDWR);

	if (fanotify < 0 && !have_call(SYS_fanotify_init))
		SKIP(return, "this kernel has no fanotify");
	ASSERT_LE(0, fanotify);
	EXPECT_REFUSED(fanotify_mark(fanotify, FAN_MARK_ADD | FAN_MARK_FILESYSTEM, FAN_ALL,
				     self->fd, NULL),
		       "all files of this kind", for_root(variant->who, EINVAL));
	EXPECT_REFUSED(fanotify_mark(fanotify, FAN_MARK_ADD | FAN_MARK_MOUNT, FAN_ALL,
				     self->fd, NULL),
		       "all files of this kind", for_root(variant->who, EINVAL));
	if (variant->who == OTHER)
		EXPECT_REFUSED(fanotify_mark(fanotify, FAN_MARK_ADD, FAN_ALL, self->fd, NULL),
			       "who may not read it", EACCES);
	else
		EXPECT_ALLOWED(fanotify_mark(fanotify, FAN_MARK_ADD, FAN_ALL, self->fd, NULL),
			       "who may read it");
	use(self->fd, self->path, self->size, self->buffer);
	EXPECT_REFUSED(read(fanotify, self->buffer, self->page), "fanotify", EAGAIN);
}

TEST_F(access, process_accounting)
{
	if (!have_call(SYS_acct))
		SKIP(return, "this kernel accounts for no processes");
	EXPECT_REFUSED(syscall(SYS_acct, self->path), "acct", for_root(variant->who, ENXIO));
}

TEST_F(access, file_attributes)
{
#if defined(__NR_file_getattr) && defined(__NR_file_setattr)
	struct file_attr attr = {};

	EXPECT_REFUSED(syscall(__NR_file_getattr, self->fd, "", &attr, sizeof(attr),
			       AT_EMPTY_PATH),
		       "file_getattr", EOPNOTSUPP);
	EXPECT_REFUSED(syscall(__NR_file_setattr, self->fd, "", &attr, sizeof(attr),
			       AT_EMPTY_PATH),
		       "file_setattr", EOPNOTSUPP);
#else
	SKIP(return, "built without file_getattr()");
#endif
}

/* Calls that are harmless on any file, and about the page cache */

TEST_F(access, advice_is_harmless)
{
	static const int advice[] = {
		POSIX_FADV_NORMAL, POSIX_FADV_RANDOM, POSIX_FADV_SEQUENTIAL,
		POSIX_FADV_WILLNEED, POSIX_FADV_DONTNEED, POSIX_FADV_NOREUSE,
	};
	unsigned int i;

	if (!have_call(SYS_fadvise64))
		SKIP(return, "this kernel takes no advice");
	for (i = 0; i < ARRAY_SIZE(advice); i++)
		EXPECT_EQ(0, posix_fadvise(self->fd, 0, 0, advice[i]))
			TH_LOG("advice %d", advice[i]);
	/* The teardown sees whether something has changed. */
}

TEST_F(access, readahead_is_harmless)
{
	EXPECT_REFUSED(readahead(self->fd, 0, self->page), "readahead", EINVAL);
}

TEST_F(access, sync_is_harmless)
{
	EXPECT_REFUSED(fsync(self->fd), "fsync", EINVAL);
	EXPECT_REFUSED(fdatasync(self->fd), "fdatasync", EINVAL);
	EXPECT_ALLOWED(sync_file_range(self->fd, 0, 0, SYNC_FILE_RANGE_WAIT_BEFORE |
				       SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER),
		       "sync_file_range");
	EXPECT_ALLOWED(syncfs(self->fd), "syncfs");
}

TEST_F(access, cachestat_tells_nothing)
{
#ifdef __NR_cachestat
	struct cachestat_range { __u64 off, len; } range = { 0, 0 };
	struct { __u64 cache, dirty, writeback, evicted, recently; } stat = {};

	if (!have_call(__NR_cachestat))
		SKIP(return, "this kernel has no cachestat()");
	EXPECT_ALLOWED(syscall(__NR_cachestat, self->fd, &range, &stat, 0), "cachestat");
	EXPECT_EQ(0, stat.cache);
	EXPECT_EQ(0, stat.dirty);
	EXPECT_EQ(0, stat.writeback);
	EXPECT_EQ(0, stat.evicted);
#else
	SKIP(return, "built without cachestat()");
#endif
}

TEST_HARNESS_MAIN
