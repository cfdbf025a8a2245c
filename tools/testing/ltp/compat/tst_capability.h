/* SPDX-License-Identifier: GPL-2.0-or-later */

#ifndef TST_CAPABILITY_H
#define TST_CAPABILITY_H

#include <linux/capability.h>

enum tst_cap_act {
	TST_CAP_DROP = 1,
};

struct tst_cap {
	unsigned int action;
	unsigned int id;
	char *name;
};

#define TST_CAP(action, capability)	{action, capability, #capability}

/* Take the capabilities of the list, which ends with {}, away from the process. */
void tst_cap_drop_(const struct tst_cap *caps);

#endif /* TST_CAPABILITY_H */
