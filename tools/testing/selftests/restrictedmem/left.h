/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Shared by the tests that look for what is left of files that are gone.
 *
 * To be included after restrictedmem.h, text.h and test_consumer.h.
 */
#ifndef _SELFTESTS_RESTRICTEDMEM_LEFT_H
#define _SELFTESTS_RESTRICTEDMEM_LEFT_H

/* Consumers and bindings of all processes. */
#define REFERENCES "/sys/module/restrictedmem_test/refcnt"

/* Memory of all tmpfs files. Processors add up what they know only when told to. */
static inline long long shmem(void)
{
	write_text("/proc/sys/vm/stat_refresh", "1");
	return read_key("/proc/meminfo", "Shmem:");
}

/* Closing is done with when the last task is; give it a moment. */
static inline bool shmem_back_to(long long before)
{
	for (int i = 0; i < 100; i++) {
		if (shmem() <= before)
			return true;
		rm_sleep_ms(20);
	}
	return false;
}

#endif /* _SELFTESTS_RESTRICTEDMEM_LEFT_H */
