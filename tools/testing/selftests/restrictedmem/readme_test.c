// SPDX-License-Identifier: GPL-2.0
/* The example for users of the system call does what it says. */
#define main example
#include "example.c"
#undef main

#include "../kselftest_harness.h"

#include "restrictedmem.h"

TEST(example_of_a_user)
{
	if (!have_restrictedmem())
		SKIP(return, NO_RESTRICTEDMEM);
	EXPECT_EQ(0, example());
}

TEST_HARNESS_MAIN
