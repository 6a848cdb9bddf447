// SPDX-License-Identifier: GPL-2.0-only
/* Open files: how many the system has, and how many references one has. */

#include <linux/fs.h>
#include <linux/kallsyms.h>
#include <linux/percpu_counter.h>

#include "internal.h"

/* The count behind /proc/sys/fs/file-nr, static in fs/file_table.c. */
static struct percpu_counter *dbc_file_count;

void __init dbc_files_init(void)
{
	dbc_file_count = (void *)kallsyms_lookup_name("nr_files");
}

/* The exact sum: up to 6.12 file-nr leaves out the per-CPU parts. */
u32 dbc_open_files(void)
{
	return dbc_file_count ? percpu_counter_sum_positive(dbc_file_count) : DBC_UNKNOWN;
}

/* A buggy kernel may have freed the file, so it is only read. */
u32 dbc_peek_file_refs(struct file *file)
{
	unsigned long count;

#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 13, 0)
	file_ref_t refs;

	if (!dbc_peek(refs, &file->f_ref))
		return DBC_CORRUPT;
	count = file_ref_read(&refs);
#else
	atomic_long_t refs;

	if (!dbc_peek(refs, &file->f_count))
		return DBC_CORRUPT;
	count = atomic_long_read(&refs);
#endif
	return min_t(unsigned long, count, DBC_BUSY - 1);
}
