// SPDX-License-Identifier: GPL-2.0
/*
 * Initial contents from memory that is long in coming: whoever loads waits, can be
 * interrupted, and holds up nobody else.
 */
#define _GNU_SOURCE
#include <poll.h>
#include <sys/time.h>
#include <sys/wait.h>

#include <linux/userfaultfd.h>

#include "load_fixture.h"

/* Pages [start, end) of memory at @base that are missing until somebody answers. */
static int missing(char *base, long start, long end)
{
	int uffd = syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register range = {
		.range = { (uintptr_t)base + start * page_size(),
			   (end - start) * page_size() },
		.mode = UFFDIO_REGISTER_MODE_MISSING,
	};

	if (uffd < 0)
		return -1;
	if (madvise(base + start * page_size(), range.range.len, MADV_DONTNEED) ||
	    ioctl(uffd, UFFDIO_API, &api) || ioctl(uffd, UFFDIO_REGISTER, &range)) {
		close(uffd);
		return -1;
	}
	return uffd;
}

/* Waits until somebody waits for missing memory: its address, or 0. */
static uint64_t wanted(int uffd)
{
	struct pollfd poll_fd = { .fd = uffd, .events = POLLIN };
	struct uffd_msg msg;

	if (poll(&poll_fd, 1, 60000) != 1 ||
	    read(uffd, &msg, sizeof(msg)) != sizeof(msg) ||
	    msg.event != UFFD_EVENT_PAGEFAULT)
		return 0;
	return msg.arg.pagefault.address;
}

static int answer(int uffd, void *to, void *from, long pages)
{
	struct uffdio_copy copy = {
		.dst = (uintptr_t)to,
		.src = (uintptr_t)from,
		.len = pages * page_size(),
	};

	return ioctl(uffd, UFFDIO_COPY, &copy);
}

/* A load by another thread. */
struct loader {
	int fd;
	uint64_t start, end;
	void *from;
	long pages;
	int ret, error;
	pthread_t thread;
};

static void *loader_thread(void *arg)
{
	struct loader *loader = arg;

	loader->ret = load_pages(loader->fd, loader->start, loader->end,
				 loader->from, &loader->pages);
	loader->error = errno;
	return NULL;
}

static int loader_start(struct loader *loader)
{
	struct sigaction action = { .sa_handler = rm_signal };

	/* Without SA_RESTART, so that a signal is seen as EINTR. */
	sigaction(SIGUSR1, &action, NULL);
	return pthread_create(&loader->thread, NULL, loader_thread, loader);
}

/* With a timeout: what would wait for the load would wait for ever. */
TEST_F_TIMEOUT(load, a_source_that_does_not_answer_stalls_nobody, 120)
{
	struct loader loader = { .fd = self->fd, .start = 8, .end = 16,
				 .from = self->bytes };
	int uffd = missing(self->bytes, 0, 8), id;
	long pages;

	ASSERT_LE(0, uffd);
	ASSERT_EQ(0, loader_start(&loader));
	ASSERT_EQ((uintptr_t)self->bytes, wanted(uffd));

	/* The load waits now, and does so until the end. */
	EXPECT_ALLOWED(reserve(self->fd, 0, PAGES), "reserve");
	EXPECT_ALLOWED(punch(self->fd, 0, PAGES), "punch");
	id = rm_bind(self->a, self->fd, 8, 16, EXCL);
	ASSERT_LT(0, id);
	EXPECT_LT(0, rm_get(self->a, id, 8));
	EXPECT_LT(0, rm_get(self->a, id, 15));
	EXPECT_ALLOWED(punch(self->fd, 8, 10), "punch what is bound");
	EXPECT_ALLOWED(rm_unbind(self->a, id), "unbind");
	EXPECT_ALLOWED(load_pages(self->fd, 8, 16, self->bytes + 8 * self->page, &pages),
		       "another load");

	ASSERT_EQ(0, pthread_kill(loader.thread, SIGUSR1));
	ASSERT_EQ(0, pthread_join(loader.thread, NULL));
	EXPECT_EQ(-1, loader.ret);
	EXPECT_EQ(EINTR, loader.error)
		TH_LOG("a signal ends it");
	EXPECT_EQ(0, loader.pages);
	EXPECT_HOLDS(8, self->bytes + 8 * self->page);
	close(uffd);
}

TEST_F_TIMEOUT(load, a_source_that_answers_late, 120)
{
	struct loader loader = { .fd = self->fd, .start = 8, .end = 16,
				 .from = self->bytes + 10 };
	int uffd = missing(self->bytes, 4, 9);

	ASSERT_LE(0, uffd);
	ASSERT_EQ(0, loader_start(&loader));
	ASSERT_EQ((uintptr_t)self->bytes + 4 * self->page, wanted(uffd));
	ASSERT_EQ(0, punch(self->fd, 0, PAGES));
	ASSERT_EQ(0, answer(uffd, self->bytes + 4 * self->page,
			    self->bytes + 20 * self->page, 5));
	ASSERT_EQ(0, pthread_join(loader.thread, NULL));
	EXPECT_EQ(0, loader.ret);
	EXPECT_EQ(8, loader.pages);
	for (int i = 0; i < 8; i++)
		EXPECT_HOLDS(8 + i, self->bytes + 10 + i * self->page);
	close(uffd);
}

TEST_F_TIMEOUT(load, bound_while_the_source_does_not_answer, 120)
{
	struct loader loader = { .fd = self->fd, .start = 8, .end = 16,
				 .from = self->bytes };
	int uffd = missing(self->bytes, 0, 8), id;

	ASSERT_LE(0, uffd);
	ASSERT_EQ(0, loader_start(&loader));
	ASSERT_EQ((uintptr_t)self->bytes, wanted(uffd));
	id = rm_bind(self->a, self->fd, 15, 20, EXCL);
	ASSERT_LT(0, id);
	ASSERT_EQ(0, rm_fill(self->a, id, 15, 20, 0x55));
	ASSERT_EQ(0, answer(uffd, self->bytes, self->bytes + 20 * self->page, 8));
	ASSERT_EQ(0, pthread_join(loader.thread, NULL));
	EXPECT_EQ(-1, loader.ret);
	EXPECT_EQ(EBUSY, loader.error)
		TH_LOG("somebody uses it now");
	EXPECT_EQ(0, loader.pages);
	EXPECT_EQ(0x55, rm_look(self->a, id, 15));
	EXPECT_EQ(5, pages_of(self->fd));
	close(uffd);
}

TEST_F_TIMEOUT(load, a_signal_leaves_what_was_done, 120)
{
	long size = (BATCH + 100) * self->page;
	char *source = mmap(NULL, size, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct loader loader = { .fd = new_sized_file(size), .end = BATCH + 100,
				 .from = source };
	int uffd;

	ASSERT_LE(0, loader.fd);
	memset(source, 0x77, size);
	uffd = missing(source, BATCH, BATCH + 100);
	ASSERT_LE(0, uffd);
	ASSERT_EQ(0, used_before(self->a, loader.fd, BATCH, BATCH + 100, 0x55));
	ASSERT_EQ(0, loader_start(&loader));
	ASSERT_EQ((uintptr_t)source + BATCH * self->page, wanted(uffd));
	ASSERT_EQ(0, pthread_kill(loader.thread, SIGUSR1));
	ASSERT_EQ(0, pthread_join(loader.thread, NULL));
	EXPECT_EQ(-1, loader.ret);
	EXPECT_EQ(EINTR, loader.error);
	EXPECT_EQ(BATCH, loader.pages);
	EXPECT_EQ(0x77, look(self->a, loader.fd, 0));
	EXPECT_EQ(0x77, look(self->a, loader.fd, BATCH - 1));
	EXPECT_EQ(0x55, look(self->a, loader.fd, BATCH));
	close(loader.fd);
	close(uffd);
}

TEST_F_TIMEOUT(load, who_waits_for_a_source_can_be_killed, 120)
{
	int pipes[2], uffd, pidfd, status;
	pid_t child;
	long pages;

	ASSERT_EQ(0, pipe(pipes));
	child = fork();
	ASSERT_LE(0, child);
	if (!child) {
		uffd = missing(self->bytes, 0, 8);
		if (write(pipes[1], &uffd, sizeof(uffd)) == sizeof(uffd))
			load_pages(self->fd, 0, 8, self->bytes, &pages);
		_exit(0);
	}
	ASSERT_EQ(sizeof(uffd), read(pipes[0], &uffd, sizeof(uffd)));
	pidfd = syscall(SYS_pidfd_open, child, 0);
	ASSERT_LE(0, pidfd);
	uffd = syscall(SYS_pidfd_getfd, pidfd, uffd, 0);
	ASSERT_LE(0, uffd);
	ASSERT_EQ((uintptr_t)self->bytes, wanted(uffd));
	ASSERT_EQ(0, kill(child, SIGKILL));
	ASSERT_EQ(child, waitpid(child, &status, 0));
	EXPECT_TRUE(WIFSIGNALED(status));
	EXPECT_EQ(0, pages_of(self->fd));
	EXPECT_ALLOWED(punch(self->fd, 0, PAGES), "nothing is locked");
	close(uffd);
}

/* A load that waits for nothing hears of signals, too, and gets on if tried again. */
TEST_F_TIMEOUT(load, signals_are_heard_between_batches, 120)
{
	const long pages = 8192;
	struct sigaction action = { .sa_handler = rm_signal };
	/* Again and again: one signal alone may come before the call begins. */
	struct itimerval timer = { { .tv_usec = 2000 }, { .tv_usec = 2000 } };
	char *source = mmap(NULL, pages * self->page, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int fd = new_sized_file(pages * self->page), interrupted = 0;
	long at = 0, done;

	ASSERT_LE(0, fd);
	ASSERT_NE(MAP_FAILED, source);
	memset(source, 0x66, pages * self->page);
	ASSERT_EQ(0, sigaction(SIGALRM, &action, NULL));
	ASSERT_EQ(0, setitimer(ITIMER_REAL, &timer, NULL));
	while (at < pages) {
		if (load_pages(fd, at, pages, source + at * self->page, &done)) {
			ASSERT_EQ(EINTR, errno);
			interrupted++;
		} else {
			ASSERT_EQ(pages - at, done);
		}
		ASSERT_LT(0, done)
			TH_LOG("each call gets on");
		at += done;
		EXPECT_EQ(at, pages_of(fd));
	}
	timer = (struct itimerval) {};
	ASSERT_EQ(0, setitimer(ITIMER_REAL, &timer, NULL));
	EXPECT_LT(0, interrupted);
	EXPECT_EQ(0x66, look(self->a, fd, 0));
	EXPECT_EQ(0x66, look(self->a, fd, pages - 1));
	close(fd);
}

TEST_HARNESS_MAIN
