// SPDX-License-Identifier: GPL-2.0

#include <linux/pagemap.h>

__rust_helper void
rust_helper_mapping_set_inaccessible(struct address_space *mapping)
{
	mapping_set_inaccessible(mapping);
}

__rust_helper gfp_t
rust_helper_mapping_gfp_mask(const struct address_space *mapping)
{
	return mapping_gfp_mask(mapping);
}

__rust_helper void rust_helper_mapping_set_gfp_mask(struct address_space *m,
						    gfp_t mask)
{
	mapping_set_gfp_mask(m, mask);
}
