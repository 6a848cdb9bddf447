// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memory that belongs to no process: what the exporters hold.
 *
 * The kernel's counters are per CPU and folded only occasionally. Here they are
 * summed exactly; otherwise a leak of one or two pages would not be seen.
 */

#include <linux/dma-mapping.h>
#include <linux/mm.h>
#include <linux/mmzone.h>
#include <linux/percpu.h>
#include <linux/scatterlist.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/vmalloc.h>
#include <linux/vmstat.h>

#include "internal.h"

/* The pages of a buffer, with a reference of ours on each. */
struct dbc_held_pages {
	unsigned int count;
	struct page *pages[];
};

/*
 * Takes a reference on each page of a system heap buffer just before its
 * release, to see whether release frees them. Only the heap owns its pages:
 * those of a udmabuf stay in their memfd. NULL if there are no such pages.
 */
struct dbc_held_pages *dbc_hold_pages(struct dma_buf *dmabuf, const struct dma_buf_ops *ops)
{
	struct dma_buf_attachment attach = { .dmabuf = dmabuf, .dev = dbc_device };
	struct dbc_held_pages *held;
	struct sg_page_iter cursor;
	struct sg_table *sgt;

	if (strcmp(dmabuf->exp_name, "system") || ops->attach(dmabuf, &attach))
		return NULL;
	held = kvzalloc(struct_size(held, pages, dmabuf->size >> PAGE_SHIFT), GFP_KERNEL);
	sgt = ops->map_dma_buf(&attach, DMA_TO_DEVICE);
	if (held && !IS_ERR_OR_NULL(sgt))
		for_each_sgtable_page(sgt, &cursor, 0) {
			struct page *page = sg_page_iter_page(&cursor);

			get_page(page);
			held->pages[held->count++] = page;
		}
	if (!IS_ERR_OR_NULL(sgt))
		ops->unmap_dma_buf(&attach, sgt, DMA_TO_DEVICE);
	ops->detach(dmabuf, &attach);
	return held;
}

/* Drops the references and returns how many of the pages are still in use. */
u32 dbc_let_pages_go(struct dbc_held_pages *held)
{
	unsigned int i, folio = 0;
	u32 kept = 0;

	for (i = 0; held && i < held->count; i++) {
		struct page *page = held->pages[i];

		folio++;
		/* All pages of a folio share one count: check it at our last page. */
		if (i + 1 == held->count ||
		    compound_head(held->pages[i + 1]) != compound_head(page)) {
			if (page_count(page) > 1)
				kept += folio;
			folio = 0;
		}
		put_page(page);
	}
	kvfree(held);
	return kept;
}

static long dbc_node_pages(enum node_stat_item item)
{
	long pages = global_node_page_state_pages(item);
	struct pglist_data *node;
	int cpu;

	for_each_online_pgdat(node)
		for_each_online_cpu(cpu)
			pages += per_cpu_ptr(node->per_cpu_nodestats, cpu)->vm_node_stat_diff[item];
	return pages;
}

/* Free pages, in the zones or on per-CPU lists. */
static long dbc_free_pages(void)
{
	struct zone *zone;
	long pages = 0;
	int cpu;

	for_each_populated_zone(zone) {
		pages += zone_page_state_snapshot(zone, NR_FREE_PAGES);
		for_each_online_cpu(cpu)
			pages += READ_ONCE(per_cpu_ptr(zone->per_cpu_pageset, cpu)->count);
	}
	return pages;
}

/* A node counter since the 7.x series, see the Makefile. */
static long dbc_vmalloc_pages(void)
{
#ifdef DBC_HAVE_NR_VMALLOC
	return dbc_node_pages(NR_VMALLOC);
#else
	return vmalloc_nr_pages();
#endif
}

u32 dbc_pinned_pages(void)
{
	return dbc_node_pages(NR_FOLL_PIN_ACQUIRED) - dbc_node_pages(NR_FOLL_PIN_RELEASED);
}

u32 dbc_slab_pages(void)
{
	return dbc_node_pages(NR_SLAB_RECLAIMABLE_B) + dbc_node_pages(NR_SLAB_UNRECLAIMABLE_B);
}

u32 dbc_other_pages(void)
{
	long pages = totalram_pages() - dbc_free_pages() - dbc_slab_pages();

	pages -= dbc_node_pages(NR_ANON_MAPPED) + dbc_node_pages(NR_FILE_PAGES);
	pages -= dbc_node_pages(NR_PAGETABLE);
	pages -= dbc_vmalloc_pages();
	/* vmalloc already includes stacks with VMAP_STACK, cached ones too. */
	if (!IS_ENABLED(CONFIG_VMAP_STACK))
		pages -= dbc_node_pages(NR_KERNEL_STACK_KB) / (PAGE_SIZE / SZ_1K);
	return pages - pcpu_nr_pages();
}
