// SPDX-License-Identifier: GPL-2.0

#include <linux/highmem.h>
#include <linux/huge_mm.h>
#include <linux/mm.h>
#include <linux/pagemap.h>

__rust_helper void rust_helper_folio_get(struct folio *folio)
{
	folio_get(folio);
}

__rust_helper void rust_helper_folio_put(struct folio *folio)
{
	folio_put(folio);
}

__rust_helper void rust_helper_folio_lock(struct folio *folio)
{
	folio_lock(folio);
}

__rust_helper unsigned int rust_helper_folio_order(const struct folio *folio)
{
	return folio_order(folio);
}

__rust_helper unsigned long rust_helper_folio_pfn(const struct folio *folio)
{
	return folio_pfn(folio);
}

__rust_helper int rust_helper_folio_nid(const struct folio *folio)
{
	return folio_nid(folio);
}

__rust_helper struct page *rust_helper_folio_file_page(struct folio *folio,
						       pgoff_t index)
{
	return folio_file_page(folio, index);
}

__rust_helper loff_t rust_helper_folio_pos(const struct folio *folio)
{
	return folio_pos(folio);
}

__rust_helper bool rust_helper_folio_test_uptodate(const struct folio *folio)
{
	return folio_test_uptodate(folio);
}

__rust_helper void rust_helper_folio_mark_uptodate(struct folio *folio)
{
	folio_mark_uptodate(folio);
}

__rust_helper bool rust_helper_folio_test_dirty(struct folio *folio)
{
	return folio_test_dirty(folio);
}

__rust_helper bool
rust_helper_folio_contain_hwpoisoned_page(struct folio *folio)
{
	return folio_contain_hwpoisoned_page(folio);
}

__rust_helper struct folio *rust_helper_page_folio(struct page *page)
{
	return page_folio(page);
}

__rust_helper pgoff_t rust_helper_page_pgoff(const struct folio *folio,
					     const struct page *page)
{
	return page_pgoff(folio, page);
}

__rust_helper bool rust_helper_is_page_hwpoison(const struct page *page)
{
	return is_page_hwpoison(page);
}

__rust_helper void rust_helper_clear_highpage(struct page *page)
{
	clear_highpage(page);
}

__rust_helper void rust_helper_memcpy_from_folio(char *to, struct folio *folio,
						 size_t offset, size_t len)
{
	memcpy_from_folio(to, folio, offset, len);
}

__rust_helper void rust_helper_memcpy_to_folio(struct folio *folio,
					       size_t offset, const char *from,
					       size_t len)
{
	memcpy_to_folio(folio, offset, from, len);
}

__rust_helper int rust_helper_folio_split(struct folio *folio,
					  unsigned int new_order,
					  struct page *split_at,
					  struct list_head *list)
{
	return folio_split(folio, new_order, split_at, list);
}

__rust_helper int rust_helper_cond_resched(void)
{
	return cond_resched();
}
