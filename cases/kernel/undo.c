// SPDX-License-Identifier: GPL-2.0-only
/*
 * Undoing one step of an importer. The caller holds the handle's lock.
 * Requests call this, and so does closing a context.
 */

#include "internal.h"

int dbc_step_detach(struct dbc_handle *handle)
{
	if (!handle->attach)
		return -EINVAL;
	if (handle->sgt)
		return -EBUSY;
	dma_buf_detach(handle->dmabuf, handle->attach);
	handle->attach = NULL;
	return 0;
}

int dbc_step_unmap(struct dbc_handle *handle)
{
	if (!handle->sgt)
		return -EINVAL;
	dma_buf_unmap_attachment_unlocked(handle->attach, handle->sgt, handle->direction);
	handle->sgt = NULL;
	return 0;
}

int dbc_step_vunmap(struct dbc_handle *handle)
{
	if (!handle->vmapped)
		return -EINVAL;
	dma_buf_vunmap_unlocked(handle->dmabuf, &handle->vmap);
	handle->vmapped = false;
	return 0;
}

int dbc_step_end_cpu(struct dbc_handle *handle)
{
	handle->cpu_access = false;
	return dma_buf_end_cpu_access(handle->dmabuf, handle->cpu_direction);
}
