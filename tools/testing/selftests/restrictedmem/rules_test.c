// SPDX-License-Identifier: GPL-2.0
/*
 * What a callback must not do. Each case makes lockdep complain, and most of
 * them leave a task that waits for itself, so each wants a boot of its own where
 * the complaint is required: "rules_test CALL CALLBACK", see splat_tests.list.
 * Without arguments it does nothing.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "../kselftest.h"

#include "restrictedmem.h"
#include "text.h"
#include "test_consumer.h"
#include "poison.h"

#define PAGES 16

/* How long a slow machine may take. */
#define SECONDS 60

static const struct {
	const char *name;
	unsigned int flag;
} calls[] = {
	{ "get", RMTEST_BREAK_GET },
	{ "bind", RMTEST_BREAK_BIND },
	{ "unbind", RMTEST_BREAK_UNBIND },
	{ "get_range", RMTEST_BREAK_GET_RANGE },
	{ "quarantine", RMTEST_BREAK_QUARANTINE },
}, callbacks[] = {
	{ "populate", RMTEST_BREAK_IN_POPULATE },
	{ "prepare", RMTEST_BREAK_IN_PREPARE },
	{ "abort", RMTEST_BREAK_IN_ABORT },
	{ "start", RMTEST_BREAK_IN_START },
	{ "end", RMTEST_BREAK_IN_END },
	{ "error", RMTEST_BREAK_IN_ERROR },
};

static void break_rules(unsigned int flags)
{
	int consumer = open(RMTEST_DEVICE, O_RDWR), other = open(RMTEST_DEVICE, O_RDWR);
	int fd = new_sized_file(PAGES * page_size());
	int id = rm_bind(consumer, fd, 0, 8, RMTEST_SHARED);
	int other_id = rm_bind(other, fd, 0, 8, RMTEST_SHARED);
	struct rmtest_behaviour breaks = { .flags = flags, .break_fd = fd };
	struct rmtest_behaviour refuses = { .prepare_errno = EBUSY };
	long pfn = rm_get(consumer, id, 0);

	if (id < 0 || other_id < 0 || pfn < 0 || rm_behave(consumer, breaks))
		exit(1);
	/* Not by the binding that is about to go. */
	if (flags & RMTEST_BREAK_IN_POPULATE)
		exit(rm_get(other, other_id, 1) < 0);
	if (flags & RMTEST_BREAK_IN_ERROR) {
		/* Somebody else tells of it, for whom we have to stay. */
		while (!poison(pfn))
			pause();
		exit(1);
	}
	/* Who was bound later is asked later. */
	if (flags & RMTEST_BREAK_IN_ABORT && rm_behave(other, refuses))
		exit(1);
	exit(punch(fd, 0, 1) != 0);
}

/* The log rather than a fixed wait: nobody knows how slow the machine is. */
static bool lockdep_complained(void)
{
	int log = open("/dev/kmsg", O_RDONLY | O_NONBLOCK);
	bool found = false;
	char record[1024];
	ssize_t length;

	if (log < 0)
		ksft_exit_fail_perror("/dev/kmsg");
	do {
		length = read(log, record, sizeof(record) - 1);
		record[length < 0 ? 0 : length] = '\0';
		found = strstr(record, "possible recursive locking");
	} while (!found && (length >= 0 || errno == EPIPE));
	close(log);
	return found;
}

static void print_file(const char *path, const char *only)
{
	char line[256];
	FILE *file = fopen(path, "r");

	while (file && fgets(line, sizeof(line), file))
		if (!only || strstr(line, only))
			ksft_print_msg("%s", line);
	if (file)
		fclose(file);
}

/* Where it waits instead, and whether lockdep is there at all. */
static void explain(pid_t pid)
{
	char path[32];

	snprintf(path, sizeof(path), "/proc/%d/stack", pid);
	print_file(path, NULL);
	print_file("/proc/lockdep_stats", NULL);
}

int main(int argc, char **argv)
{
	bool ended = false, complained = false;
	unsigned int flags = 0;
	int status = 0;
	pid_t child;

	ksft_print_header();
	if (argc != 3)
		ksft_exit_skip("each case needs a boot of its own\n");
	for (size_t i = 0; i < ARRAY_SIZE(calls); i++)
		if (!strcmp(argv[1], calls[i].name))
			flags |= calls[i].flag;
	for (size_t i = 0; i < ARRAY_SIZE(callbacks); i++)
		if (!strcmp(argv[2], callbacks[i].name))
			flags |= callbacks[i].flag;
	ksft_set_plan(1);

	child = fork();
	if (!child)
		break_rules(flags);
	/* It may wait for itself by now, and may not even be killed. */
	for (int i = 0; i < SECONDS * 10 && !complained; i++) {
		ended = waitpid(child, &status, WNOHANG) == child;
		complained = lockdep_complained();
		if (ended)
			break;
		rm_sleep_ms(100);
	}
	if (!complained && ended)
		ksft_print_msg("it ended with status %#x\n", status);
	else if (!complained)
		explain(child);
	kill(child, SIGKILL);
	ksft_test_result(complained, "lockdep knows of %s in %s\n", argv[1], argv[2]);
	ksft_finished();
}
