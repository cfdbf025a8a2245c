/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Calls whose result is known beforehand. Each of these is one result of the test,
 * named by printf()-like arguments or else by the text of the call.
 */

#ifndef TST_TEST_MACROS_H__
#define TST_TEST_MACROS_H__

extern long TST_RET;
extern void *TST_RET_PTR;
extern int TST_ERR;
extern int TST_PASS;

#define TEST(SCALL)							\
do {									\
	errno = 0;							\
	TST_RET = SCALL;						\
	TST_ERR = errno;						\
} while (0)

#define TESTPTR(SCALL)							\
do {									\
	errno = 0;							\
	TST_RET_PTR = (void *)SCALL;					\
	TST_ERR = errno;						\
} while (0)

/* The name of a result; @text if the format that follows is NULL. */
const char *tst_name_(const char *text, ...);
#define TST_NAME_(text, ...)	tst_name_(text, ##__VA_ARGS__, NULL)

/* Report what a call returned, and whether that was right. */
void tst_expect_(const char *file, const int lineno, bool right, long ret,
		 const char *expected, const char *name);

#define TST_EXPECT_(SCALL, RIGHT, EXPECTED, NAME)			\
do {									\
	TEST(SCALL);							\
	tst_expect_(__FILE__, __LINE__, RIGHT, TST_RET, EXPECTED, NAME);\
} while (0)

#define TST_EXP_PASS(SCALL, ...)					\
	TST_EXPECT_(SCALL, TST_RET == 0, "0", TST_NAME_(#SCALL, ##__VA_ARGS__))

#define TST_EXP_VAL(SCALL, VAL, ...)					\
	TST_EXPECT_(SCALL, TST_RET == (VAL), #VAL, TST_NAME_(#SCALL, ##__VA_ARGS__))

#define TST_EXP_FD(SCALL, ...)						\
({									\
	TST_EXPECT_(SCALL, TST_RET >= 0, "a descriptor",		\
		    TST_NAME_(#SCALL, ##__VA_ARGS__));			\
	TST_RET;							\
})

#define TST_EXP_FAIL(SCALL, EXP_ERR, ...)				\
	TST_EXPECT_(SCALL, TST_RET == -1 && TST_ERR == (EXP_ERR),	\
		    tst_strerrno(EXP_ERR), TST_NAME_(#SCALL, ##__VA_ARGS__))

/* For calls that return more than 0 if they do not fail, which is no difference here. */
#define TST_EXP_FAIL2(SCALL, EXP_ERR, ...)				\
	TST_EXPECT_(SCALL, TST_RET == -1 && TST_ERR == (EXP_ERR),	\
		    tst_strerrno(EXP_ERR), TST_NAME_(#SCALL, ##__VA_ARGS__))

#define TST_EXP_FAIL_PTR_VOID(SCALL, EXP_ERR, ...)			\
do {									\
	TESTPTR(SCALL);							\
	tst_expect_(__FILE__, __LINE__,					\
		    TST_RET_PTR == (void *)-1 && TST_ERR == (EXP_ERR),	\
		    (long)TST_RET_PTR, tst_strerrno(EXP_ERR),		\
		    TST_NAME_(#SCALL, ##__VA_ARGS__));			\
} while (0)

#define TST_EXP_EXPR(EXPR, ...)						\
	tst_res((EXPR) ? TPASS : TFAIL, "%s", TST_NAME_(#EXPR, ##__VA_ARGS__))

#define TST_EXP_EQ_LI(VAL_A, VAL_B)					\
do {									\
	long long tst_a_ = VAL_A, tst_b_ = VAL_B;			\
									\
	TST_PASS = tst_a_ == tst_b_;					\
	tst_res(TST_PASS ? TPASS : TFAIL, "%s == %s: %lld == %lld",	\
		#VAL_A, #VAL_B, tst_a_, tst_b_);			\
} while (0)

#define TST_RETRY_FN_EXP_BACKOFF(FUNC, ECHCK, MAX_DELAY)		\
({									\
	unsigned int tst_delay_ = 1;					\
	typeof(FUNC) tst_ret_ = FUNC;					\
									\
	while (!(ECHCK)(tst_ret_) && tst_delay_ < (MAX_DELAY) * 1000000) { \
		usleep(tst_delay_);					\
		tst_delay_ *= 2;					\
		tst_ret_ = FUNC;					\
	}								\
	tst_ret_;							\
})

#endif /* TST_TEST_MACROS_H__ */
