/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A cgroup for the test, of version 2, made before it and removed after it.
 */

#ifndef TST_CGROUP_H
#define TST_CGROUP_H

enum tst_cg_ver {
	TST_CG_V2 = 2,
};

struct tst_cg_group;

extern const struct tst_cg_group *const tst_cg;

/* Both are for the runner. The first says whether there is one now. */
bool tst_cg_make_(const char *const *controllers);
void tst_cg_remove_(void);

/* The path of one of its files. */
const char *tst_cg_path_(const struct tst_cg_group *cg, const char *name);

#define SAFE_CG_HAS(cg, name)						\
	(access(tst_cg_path_(cg, name), F_OK) == 0)
#define SAFE_CG_PRINTF(cg, name, ...)					\
	SAFE_FILE_PRINTF(tst_cg_path_(cg, name), __VA_ARGS__)
#define SAFE_CG_PRINT(cg, name, text)					\
	SAFE_FILE_PRINTF(tst_cg_path_(cg, name), "%s", text)
#define SAFE_CG_SCANF(cg, name, ...)					\
	SAFE_FILE_LINES_SCANF(tst_cg_path_(cg, name), __VA_ARGS__)
#define SAFE_CG_LINES_SCANF(cg, name, ...)				\
	SAFE_FILE_LINES_SCANF(tst_cg_path_(cg, name), __VA_ARGS__)

#endif /* TST_CGROUP_H */
