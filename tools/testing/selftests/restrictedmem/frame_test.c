// SPDX-License-Identifier: GPL-2.0
/*
 * Those who go through all memory of the machine frame by frame and do not ask whose
 * it is: they neither map, move, merge nor write out restricted memory, and show it to
 * nobody but root, who sees it in the kernel's own memory.
 */
#define _GNU_SOURCE
#include <sys/swap.h>

#include <linux/elf.h>

#include "../kselftest_harness.h"

#include "restrictedmem.h"
#include "test_consumer.h"
#include "secret.h"
#include "text.h"

#define PAGES 64

#define KSM		"/sys/kernel/mm/ksm/"
#define KHUGEPAGED	"/sys/kernel/mm/transparent_hugepage/khugepaged/"
#define KDAMONDS	"/sys/kernel/mm/damon/admin/kdamonds/"

/*
 * A processor keeps new pages in a batch before it puts them on the lists of the memory
 * manager, and has references to them until then. Compaction begins with emptying them.
 */
static void settle(void)
{
	write_text("/proc/sys/vm/compact_memory", "1");
}

FIXTURE(frame) {
	int fd, consumer, id;
	long page;
	long pfns[PAGES];
};

FIXTURE_VARIANT(frame) {
	bool bound;
};

FIXTURE_VARIANT_ADD(frame, bound) { true };
FIXTURE_VARIANT_ADD(frame, unbound) { false };

FIXTURE_SETUP(frame)
{
	if (geteuid() != 0)
		SKIP(return, "needs root");
	if (!have_test_consumer())
		SKIP(return, NO_TEST_CONSUMER);
	self->page = page_size();
	self->consumer = new_consumer();
	ASSERT_LE(0, self->consumer);
	self->fd = new_sized_file(PAGES * self->page);
	ASSERT_LE(0, self->fd);
	self->id = rm_bind(self->consumer, self->fd, 0, PAGES, RMTEST_EXCLUSIVE);
	ASSERT_LT(0, self->id);
	ASSERT_EQ(0, write_secret(self->consumer, self->id, PAGES));
	for (int i = 0; i < PAGES; i++) {
		self->pfns[i] = rm_get(self->consumer, self->id, i);
		ASSERT_LT(0, self->pfns[i]);
	}
	if (!variant->bound)
		ASSERT_EQ(0, rm_unbind(self->consumer, self->id));
	settle();
}

/* Where it was, and with its contents. */
FIXTURE_TEARDOWN(frame)
{
	EXPECT_EQ(PAGES, pages_of(self->fd));
	if (!variant->bound)
		self->id = rm_bind(self->consumer, self->fd, 0, PAGES, RMTEST_EXCLUSIVE);
	for (int i = 0; i < PAGES; i++) {
		EXPECT_EQ(self->pfns[i], rm_get(self->consumer, self->id, i));
		EXPECT_EQ(SECRET, rm_look(self->consumer, self->id, i))
			TH_LOG("page %d", i);
	}
	EXPECT_EQ(PAGES, rm_counters(self->consumer).populates);
	EXPECT_EQ(0, rm_counters(self->consumer).starts);
	close(self->consumer);
	close(self->fd);
}

/* Private memory of the test, with something in it, to compare with. */
static char *own_memory(size_t len)
{
	char *memory = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED)
		return NULL;
	memset(memory, SECRET, len);
	return memory;
}

/* What /proc/self/pagemap has for an address. */
static uint64_t page_entry(const void *address)
{
	int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	uint64_t entry = 0;

	if (fd >= 0 && pread(fd, &entry, 8, (uintptr_t)address / page_size() * 8) != 8)
		entry = 0;
	close(fd);
	return entry;
}

static bool is_swapped_out(const void *address)
{
	return page_entry(address) >> 62 & 1;
}

static long pfn_of(const void *address)
{
	return page_entry(address) & ((1ULL << 55) - 1);
}

/* The entry for a frame in a table of 64-bit numbers in /proc; -1 for an error. */
static long entry_of(const char *path, long pfn)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	uint64_t entry = -1;

	if (fd >= 0 && pread(fd, &entry, 8, pfn * 8) != 8)
		entry = -1;
	close(fd);
	return entry;
}

/* Waits for something that a thread of the kernel does in its own time. */
#define WAIT_FOR(condition)						\
({									\
	int __ms = 0;							\
									\
	while (!(condition) && __ms++ < 6000)				\
		rm_sleep_ms(10);					\
	(condition);							\
})

/* The errno with which a user without privilege cannot open a file, or 0. */
static int open_as_nobody(const char *path)
{
	pid_t child = fork();
	int status;

	if (!child) {
		if (become_nobody())
			_exit(255);
		_exit(open(path, O_RDONLY) < 0 ? errno : 0);
	}
	if (waitpid(child, &status, 0) != child || !WIFEXITED(status))
		return -1;
	return WEXITSTATUS(status);
}

TEST_F(frame, mapped_nowhere)
{
	char *own = own_memory(self->page);

	ASSERT_NE(NULL, own);
	if (entry_of("/proc/kpagecount", pfn_of(own)) < 0)
		SKIP(return, "no /proc/kpagecount");
	EXPECT_EQ(1, entry_of("/proc/kpagecount", pfn_of(own)));
	for (int i = 0; i < PAGES; i++)
		EXPECT_EQ(0, entry_of("/proc/kpagecount", self->pfns[i]));
}

/* By these flags those who filter a dump of the kernel tell what to leave out. */
TEST_F(frame, is_page_cache_to_a_filter)
{
	const int lru = 1 << 5, buddy = 1 << 10, anon = 1 << 12, swapcache = 1 << 13;

	if (access("/proc/kpageflags", R_OK))
		SKIP(return, "no /proc/kpageflags");
	for (int i = 0; i < PAGES; i++)
		EXPECT_EQ(lru, entry_of("/proc/kpageflags", self->pfns[i]) &
			  (lru | buddy | anon | swapcache));
}

TEST_F(frame, dev_mem)
{
	char *own = own_memory(self->page), *bytes = malloc(self->page);
	int memory = open("/dev/mem", O_RDWR);

	if (memory < 0)
		SKIP(return, "cannot open /dev/mem");
	EXPECT_TRUE(error_in(open_as_nobody("/dev/mem"), EACCES, EPERM, 0));
	if (pread(memory, bytes, self->page, pfn_of(own) * self->page) > 0)
		SKIP(return, "/dev/mem has all memory, for want of CONFIG_STRICT_DEVMEM");
	for (int i = 0; i < PAGES; i++) {
		off_t offset = self->pfns[i] * self->page;

		EXPECT_REFUSED(pread(memory, bytes, self->page, offset), "read", EPERM, EFAULT);
		EXPECT_REFUSED(pwrite(memory, bytes, self->page, offset), "write",
			       EPERM, EFAULT);
		EXPECT_REFUSED(mmap(NULL, self->page, PROT_READ, MAP_SHARED, memory, offset),
			       "mmap", EPERM, EINVAL);
	}
}

/* Reads a frame from the kernel's memory as /proc/kcore has it; its length or -1. */
static ssize_t read_kcore(int kcore, long pfn, void *bytes)
{
	uint64_t address = (uint64_t)pfn * page_size();
	struct elf64_hdr header;
	struct elf64_phdr segment;

	if (pread(kcore, &header, sizeof(header), 0) != sizeof(header))
		return -1;
	for (int i = 0; i < header.e_phnum; i++) {
		if (pread(kcore, &segment, sizeof(segment),
			  header.e_phoff + i * sizeof(segment)) != sizeof(segment))
			return -1;
		if (segment.p_type == PT_LOAD && segment.p_paddr <= address &&
		    address - segment.p_paddr < segment.p_memsz)
			return pread(kcore, bytes, page_size(),
				     segment.p_offset + address - segment.p_paddr);
	}
	return -1;
}

/*
 * A limit that the documentation names: the kernel has the memory in its direct map,
 * and shows that to root unless it is locked down. Whoever changes it finds this test.
 */
TEST_F(frame, kcore_is_for_root)
{
	char *own = own_memory(self->page), *bytes = malloc(self->page);
	int kcore = open("/proc/kcore", O_RDONLY);

	if (kcore < 0)
		SKIP(return, "cannot open /proc/kcore");
	EXPECT_TRUE(error_in(open_as_nobody("/proc/kcore"), EACCES, EPERM, 0));
	ASSERT_EQ(self->page, read_kcore(kcore, pfn_of(own), bytes));
	ASSERT_EQ(0, memcmp(own, bytes, self->page));
	for (int i = 0; i < PAGES; i++) {
		memset(bytes, 0, self->page);
		EXPECT_EQ(self->page, read_kcore(kcore, self->pfns[i], bytes));
		EXPECT_EQ(1, runs_of(SECRET, bytes, self->page));
	}
}

TEST_F(frame, idle)
{
	const char *path = "/sys/kernel/mm/page_idle/bitmap";
	int bitmap = open(path, O_RDWR);

	if (bitmap < 0)
		SKIP(return, "this kernel does not track idle pages");
	EXPECT_TRUE(error_in(open_as_nobody(path), EACCES, EPERM, 0));
	for (int i = 0; i < PAGES; i++) {
		uint64_t bit = 1ULL << self->pfns[i] % 64, word = bit;
		off_t offset = self->pfns[i] / 64 * 8;

		EXPECT_EQ(8, pwrite(bitmap, &word, 8, offset));
		EXPECT_EQ(8, pread(bitmap, &word, 8, offset));
		EXPECT_EQ(bit, word & bit)
			TH_LOG("it is on a list of the memory manager");
	}
}

/* A kernel that was told to takes notes of who allocated which page, not of what is in it. */
TEST_F(frame, page_owner)
{
	const char *path = "/sys/kernel/debug/page_owner";
	char note[4096], frame[32];
	int notes = open(path, O_RDONLY);

	if (notes < 0 || (read(notes, note, sizeof(note)) < 0 && errno == EINVAL))
		SKIP(return, "this kernel takes no notes of who has a page");
	EXPECT_TRUE(error_in(open_as_nobody(path), EACCES, EPERM, 0));
	for (int i = 0; i < PAGES; i++) {
		ssize_t len;

		ASSERT_EQ(self->pfns[i], lseek(notes, self->pfns[i], SEEK_SET));
		len = read(notes, note, sizeof(note) - 1);
		ASSERT_LT(0, len);
		note[len] = '\0';
		snprintf(frame, sizeof(frame), "PFN 0x%lx ", self->pfns[i]);
		EXPECT_NE(NULL, strstr(note, frame))
			TH_LOG("%s", note);
		EXPECT_EQ(0, runs_of(SECRET, note, len));
	}
}

/* Sets a number of the kernel's, and returns what it was. */
static long long set_number(const char *path, long long value)
{
	long long before = read_number(path);
	char text[32];

	snprintf(text, sizeof(text), "%lld", value);
	return write_text(path, text) ? -1 : before;
}

/* Pages of a program with the same contents are one page afterwards. */
TEST_F_TIMEOUT(frame, not_merged, 300)
{
	char *own = own_memory(4 * self->page);
	long long sleep, scans;

	ASSERT_NE(NULL, own);
	if (madvise(own, 4 * self->page, MADV_MERGEABLE))
		SKIP(return, "this kernel does not merge pages");
	sleep = set_number(KSM "sleep_millisecs", 10);
	ASSERT_LE(0, set_number(KSM "run", 1));
	EXPECT_TRUE(WAIT_FOR(pfn_of(own) == pfn_of(own + self->page)));
	scans = read_number(KSM "full_scans");
	EXPECT_TRUE(WAIT_FOR(read_number(KSM "full_scans") >= scans + 2));
	EXPECT_LE(0, set_number(KSM "run", 2))
		TH_LOG("and take them apart again");
	EXPECT_LE(0, set_number(KSM "run", 0));
	EXPECT_LE(0, set_number(KSM "sleep_millisecs", sleep));
}

/* Small pages of a program are a large one afterwards. */
TEST_F_TIMEOUT(frame, not_collapsed, 300)
{
	const size_t len = 4UL << 20;
	char *own = own_memory(len);
	long long alloc, scan;

	ASSERT_NE(NULL, own);
	if (access(KHUGEPAGED "full_scans", R_OK) || madvise(own, len, MADV_HUGEPAGE))
		SKIP(return, "there is no khugepaged");
	alloc = set_number(KHUGEPAGED "alloc_sleep_millisecs", 10);
	scan = set_number(KHUGEPAGED "scan_sleep_millisecs", 10);
	EXPECT_TRUE(WAIT_FOR(read_key("/proc/self/smaps_rollup", "AnonHugePages:") > 0));
	EXPECT_LE(0, set_number(KHUGEPAGED "alloc_sleep_millisecs", alloc));
	EXPECT_LE(0, set_number(KHUGEPAGED "scan_sleep_millisecs", scan));
}

/* Somewhere to write memory to: a RAM disk. */
static int swap_on(const char *path)
{
	char page[page_size()];
	int disk = open(path, O_RDWR | O_CLOEXEC), ret = -1;
	uint32_t *header = (uint32_t *)(page + 1024);
	off_t size = disk < 0 ? -1 : lseek(disk, 0, SEEK_END);

	memset(page, 0, sizeof(page));
	header[0] = 1;					/* version */
	header[1] = size / sizeof(page) - 1;		/* last page */
	memcpy(page + sizeof(page) - 10, "SWAPSPACE2", 10);
	if (size > 0 && pwrite(disk, page, sizeof(page), 0) == sizeof(page))
		ret = swapon(path, 0);
	close(disk);
	return ret;
}

static int damon_set(const char *name, unsigned long value)
{
	char path[128], text[32];

	snprintf(path, sizeof(path), KDAMONDS "%s", name);
	snprintf(text, sizeof(text), "%lu", value);
	return write_text(path, text);
}

#define CONTEXT	"0/contexts/0/"
#define REGIONS	CONTEXT "targets/0/regions/"
#define SCHEME	CONTEXT "schemes/0/"

static int compare(const void *a, const void *b)
{
	return *(const long *)a < *(const long *)b ? -1 : 1;
}

/* The frames that DAMON looks at, which must be in order. */
static int damon_watch(long *pfns, int n)
{
	char name[64];

	qsort(pfns, n, sizeof(*pfns), compare);
	if (damon_set(REGIONS "nr_regions", n))
		return -1;
	for (int i = 0; i < n; i++) {
		snprintf(name, sizeof(name), REGIONS "%d/start", i);
		if (damon_set(name, pfns[i] * page_size()))
			return -1;
		snprintf(name, sizeof(name), REGIONS "%d/end", i);
		if (damon_set(name, (pfns[i] + 1) * page_size()))
			return -1;
	}
	return 0;
}

/* Lets DAMON page out what is in these frames, again and again. */
static int damon_page_out(long *pfns, int n)
{
	if (damon_set("nr_kdamonds", 1) || damon_set("0/contexts/nr_contexts", 1) ||
	    write_text(KDAMONDS CONTEXT "operations", "paddr") ||
	    damon_set(CONTEXT "monitoring_attrs/intervals/sample_us", 1000) ||
	    damon_set(CONTEXT "monitoring_attrs/intervals/aggr_us", 20000) ||
	    damon_set(CONTEXT "targets/nr_targets", 1) || damon_watch(pfns, n) ||
	    damon_set(CONTEXT "schemes/nr_schemes", 1) ||
	    write_text(KDAMONDS SCHEME "action", "pageout") ||
	    damon_set(SCHEME "access_pattern/sz/max", ULONG_MAX) ||
	    damon_set(SCHEME "access_pattern/nr_accesses/max", UINT_MAX) ||
	    damon_set(SCHEME "access_pattern/age/max", UINT_MAX))
		return -1;
	return write_text(KDAMONDS "0/state", "on");
}

TEST_F_TIMEOUT(frame, not_paged_out, 300)
{
	const char *disk = "/dev/ram15";
	char *own = own_memory(PAGES * self->page);
	long pfns[2 * PAGES];

	ASSERT_NE(NULL, own);
	if (access(KDAMONDS, F_OK) || swap_on(disk))
		SKIP(return, "no DAMON, or no RAM disk to page out to");
	settle();
	for (int i = 0; i < PAGES; i++) {
		pfns[i] = self->pfns[i];
		pfns[PAGES + i] = pfn_of(own + i * self->page);
	}
	EXPECT_EQ(0, damon_page_out(pfns, 2 * PAGES));
	EXPECT_TRUE(WAIT_FOR(is_swapped_out(own) &&
			     is_swapped_out(own + (PAGES - 1) * self->page)))
		TH_LOG("memory of the test was paged out");
	EXPECT_EQ(0, write_text(KDAMONDS "0/state", "off"));
	EXPECT_EQ(0, damon_set("nr_kdamonds", 0));
	EXPECT_EQ(0, swapoff(disk));
}

/*
 * Memory that was given back has its old bytes in the kernel until it is used again,
 * which does not show them, or is cleared at once if the kernel was told to.
 */
TEST(freed_is_cleared_if_asked)
{
	char *cmdline = read_text("/proc/cmdline"), *bytes = malloc(page_size());
	bool cleared = cmdline && strstr(cmdline, "init_on_free=1");
	int kcore = open("/proc/kcore", O_RDONLY), left = 0;
	long pfns[PAGES];
	int consumer, fd, id;

	if (!have_test_consumer())
		SKIP(return, NO_TEST_CONSUMER);
	if (kcore < 0)
		SKIP(return, "cannot open /proc/kcore");
	consumer = new_consumer();
	fd = new_sized_file(PAGES * page_size());
	id = rm_bind(consumer, fd, 0, PAGES, RMTEST_EXCLUSIVE);
	ASSERT_LT(0, id);
	ASSERT_EQ(0, write_secret(consumer, id, PAGES));
	for (int i = 0; i < PAGES; i++)
		pfns[i] = rm_get(consumer, id, i);
	settle();
	ASSERT_EQ(0, punch(fd, 0, PAGES));

	for (int i = 0; i < PAGES; i++) {
		ASSERT_EQ(page_size(), read_kcore(kcore, pfns[i], bytes));
		left += runs_of(SECRET, bytes, page_size()) > 0;
	}
	EXPECT_EQ(!cleared, left > 0)
		TH_LOG("%d of %d pages have their old bytes", left, PAGES);
}

TEST_HARNESS_MAIN
