// SPDX-License-Identifier: GPL-2.0

#include <linux/cred.h>

__rust_helper struct ucounts *rust_helper_current_ucounts(void)
{
	return current_ucounts();
}
