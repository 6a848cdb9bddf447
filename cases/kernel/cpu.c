// SPDX-License-Identifier: GPL-2.0-only
/* CPU access: begin and end, and copying through the kernel mapping. */

#include <linux/iosys-map.h>
#include <linux/mm.h>
#include <linux/sched/signal.h>

#include "internal.h"

static int dbc_cpu(struct dbc_context *context, struct dbc_cpu *cpu, bool begin)
{
	struct dbc_handle *handle;
	int ret;

	if (cpu->direction > DBC_FROM_DEVICE)
		return -EINVAL;
	handle = dbc_handle_lock(context, cpu->handle);
	if (IS_ERR(handle))
		return PTR_ERR(handle);
	if (begin && handle->cpu_access) {
		ret = -EBUSY;
	} else if (begin) {
		ret = dma_buf_begin_cpu_access(handle->dmabuf, cpu->direction);
		/* User space gets EINTR: a test does not expect a restart. */
		if (ret == -ERESTARTSYS)
			ret = -EINTR;
		handle->cpu_access = !ret;
		handle->cpu_direction = cpu->direction;
	} else if (!handle->cpu_access || cpu->direction != handle->cpu_direction) {
		ret = -EINVAL;
	} else {
		ret = dbc_step_end_cpu(handle);
	}
	dbc_handle_unlock(handle);
	return ret;
}

int dbc_begin_cpu(struct dbc_context *context, void *arg)
{
	return dbc_cpu(context, arg, true);
}

int dbc_end_cpu(struct dbc_context *context, void *arg)
{
	return dbc_cpu(context, arg, false);
}

/* Copies through a bounce page: user memory may fault, and the map may be I/O memory. */
static int dbc_copy(struct dbc_handle *handle, const struct dbc_rw *rw, bool write)
{
	u64 size = handle->dmabuf->size, done = 0;
	void __user *data = u64_to_user_ptr(rw->data);
	void *page;
	int ret = 0;

	if (!handle->vmapped || rw->offset > size || rw->len > size - rw->offset)
		return -EINVAL;
	page = (void *)__get_free_page(GFP_KERNEL);
	if (!page)
		return -ENOMEM;

	while (done < rw->len && !ret) {
		size_t part = min_t(u64, rw->len - done, PAGE_SIZE);

		if (fatal_signal_pending(current)) {
			ret = -EINTR;
		} else if (write) {
			if (copy_from_user(page, data + done, part))
				ret = -EFAULT;
			else
				iosys_map_memcpy_to(&handle->vmap, rw->offset + done, page, part);
		} else {
			iosys_map_memcpy_from(page, &handle->vmap, rw->offset + done, part);
			if (copy_to_user(data + done, page, part))
				ret = -EFAULT;
		}
		done += part;
	}
	free_page((unsigned long)page);
	return ret;
}

static int dbc_rw(struct dbc_context *context, const struct dbc_rw *rw, bool write)
{
	struct dbc_handle *handle;
	int ret;

	if (rw->reserved)
		return -EINVAL;
	handle = dbc_handle_lock(context, rw->handle);
	if (IS_ERR(handle))
		return PTR_ERR(handle);
	ret = dbc_copy(handle, rw, write);
	dbc_handle_unlock(handle);
	return ret;
}

int dbc_vread(struct dbc_context *context, void *arg)
{
	return dbc_rw(context, arg, false);
}

int dbc_vwrite(struct dbc_context *context, void *arg)
{
	return dbc_rw(context, arg, true);
}
