/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Shared by the tests of what the kernel says about restricted memory: whole
 * texts, their lines, and small files that are written to.
 *
 * To be included after restrictedmem.h.
 */
#ifndef _SELFTESTS_RESTRICTEDMEM_TEXT_H
#define _SELFTESTS_RESTRICTEDMEM_TEXT_H

/* All that a file has, in pieces of a size; to be freed. NULL for an error. */
static inline char *read_pieces(const char *path, size_t piece)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t len = 0, size = 4096;
	char *text = malloc(size);
	ssize_t n = -1;

	while (fd >= 0 && text) {
		if (size - len <= piece)
			text = realloc(text, size = 2 * size + piece);
		n = text ? read(fd, text + len, piece) : -1;
		if (n <= 0)
			break;
		len += n;
	}
	if (fd >= 0)
		close(fd);
	if (n < 0 || !text) {
		free(text);
		return NULL;
	}
	text[len] = '\0';
	return text;
}

static inline char *read_text(const char *path)
{
	return read_pieces(path, 1 << 20);
}

static inline int write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC), ret;

	if (fd < 0)
		return -1;
	ret = write(fd, text, strlen(text)) == (ssize_t)strlen(text) ? 0 : -1;
	close(fd);
	return ret;
}

/* The word in brackets of a file such as "always [madvise] never". */
static inline bool read_choice(const char *path, char *choice, size_t size)
{
	char *text = read_text(path);
	char *from = text ? strchr(text, '[') : NULL;
	size_t len = from ? strcspn(++from, "]") : 0;
	bool found = len && len < size;

	if (found) {
		memcpy(choice, from, len);
		choice[len] = '\0';
	}
	free(text);
	return found;
}

#define LARGE_POLICY "/sys/kernel/mm/transparent_hugepage/shmem_enabled"

/* Asks for large folios from now on, and keeps the policy that was there before. */
static inline bool want_large(char *before, size_t size)
{
	if (!read_choice(LARGE_POLICY, before, size) || write_text(LARGE_POLICY, "always"))
		return false;
	write_text("/proc/sys/vm/compact_memory", "1");
	return true;
}

/* The n-th line, from 0, that begins with some text; NULL if there are less. */
static inline const char *nth_line(const char *text, const char *begin, int n)
{
	while (*text) {
		const char *end = strchr(text, '\n');

		if (!strncmp(text, begin, strlen(begin)) && !n--)
			return text;
		if (!end)
			break;
		text = end + 1;
	}
	return NULL;
}

static inline int count_lines(const char *text, const char *begin)
{
	int n = 0;

	while (nth_line(text, begin, n))
		n++;
	return n;
}

/* The number in the only line that begins with some text; else -1. */
static inline long long number_after(const char *text, const char *begin)
{
	const char *line = nth_line(text, begin, 0);

	if (!line || nth_line(text, begin, 1))
		return -1;
	return strtoll(line + strlen(begin), NULL, 10);
}

#endif /* _SELFTESTS_RESTRICTEDMEM_TEXT_H */
