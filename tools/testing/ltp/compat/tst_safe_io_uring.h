/* SPDX-License-Identifier: GPL-2.0-or-later */

#ifndef TST_IO_URING_H__
#define TST_IO_URING_H__

#include "lapi.h"

/* As much of it as is needed to submit and to see what came out. */
struct tst_io_uring {
	int fd;
	char *sqr_base, *cqr_base;
	size_t sqr_mapsize, cqr_mapsize, entries_mapsize;

	struct io_uring_sqe *sqr_entries;
	const unsigned int *sqr_mask;
	unsigned int *sqr_tail, *sqr_array;

	const struct io_uring_cqe *cqr_entries;
	const unsigned int *cqr_tail, *cqr_mask;
	unsigned int *cqr_head;
};

static inline void *tst_map_ring_(int fd, size_t len, off_t offset)
{
	return SAFE_MMAP(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd,
			 offset);
}

static inline void safe_io_uring_init(unsigned int entries, struct io_uring_params *p,
				      struct tst_io_uring *ring)
{
	ring->fd = tst_syscall(__NR_io_uring_setup, entries, p);
	if (ring->fd < 0)
		tst_brk(TBROK | TERRNO, "io_uring_setup() failed");

	ring->sqr_mapsize = p->sq_off.array + p->sq_entries * sizeof(unsigned int);
	ring->cqr_mapsize = p->cq_off.cqes + p->cq_entries * sizeof(struct io_uring_cqe);
	ring->entries_mapsize = p->sq_entries * sizeof(struct io_uring_sqe);
	ring->sqr_base = tst_map_ring_(ring->fd, ring->sqr_mapsize, IORING_OFF_SQ_RING);
	ring->cqr_base = tst_map_ring_(ring->fd, ring->cqr_mapsize, IORING_OFF_CQ_RING);
	ring->sqr_entries = tst_map_ring_(ring->fd, ring->entries_mapsize, IORING_OFF_SQES);

	ring->sqr_tail = (void *)(ring->sqr_base + p->sq_off.tail);
	ring->sqr_mask = (void *)(ring->sqr_base + p->sq_off.ring_mask);
	ring->sqr_array = (void *)(ring->sqr_base + p->sq_off.array);
	ring->cqr_head = (void *)(ring->cqr_base + p->cq_off.head);
	ring->cqr_tail = (void *)(ring->cqr_base + p->cq_off.tail);
	ring->cqr_mask = (void *)(ring->cqr_base + p->cq_off.ring_mask);
	ring->cqr_entries = (void *)(ring->cqr_base + p->cq_off.cqes);
}

static inline void safe_io_uring_close(struct tst_io_uring *ring)
{
	SAFE_MUNMAP(ring->sqr_entries, ring->entries_mapsize);
	SAFE_MUNMAP(ring->cqr_base, ring->cqr_mapsize);
	SAFE_MUNMAP(ring->sqr_base, ring->sqr_mapsize);
	SAFE_CLOSE(ring->fd);
}

#define SAFE_IO_URING_INIT(entries, params, ring)	safe_io_uring_init(entries, params, ring)
#define SAFE_IO_URING_CLOSE(ring)			safe_io_uring_close(ring)
#define SAFE_IO_URING_ENTER(strict, fd, to_submit, ...)			\
	TST_SAFE_LEN_(strict, to_submit, io_uring_enter(fd, to_submit, __VA_ARGS__))

#endif /* TST_IO_URING_H__ */
