// SPDX-License-Identifier: GPL-2.0-only
/*
 * What an importer does with a buffer, one step per request. Steps may be
 * undone in any order that the dma-buf API allows; any other order is refused
 * before the API is called.
 */

#include <linux/dma-direction.h>
#include <linux/fcntl.h>
#include <linux/scatterlist.h>

#include "internal.h"

int dbc_attach(struct dbc_context *context, void *arg)
{
	struct dbc_handle *handle = dbc_handle_lock(context, *(u32 *)arg);
	struct dma_buf_attachment *attach;
	int ret = 0;

	if (IS_ERR(handle))
		return PTR_ERR(handle);
	if (handle->attach) {
		ret = -EBUSY;
	} else {
		attach = dbc_attach_access(handle->dmabuf, dbc_device, handle->read_only);
		if (IS_ERR(attach))
			ret = PTR_ERR(attach);
		else
			handle->attach = attach;
	}
	dbc_handle_unlock(handle);
	return ret;
}

static int dbc_step_vmap(struct dbc_handle *handle)
{
	int ret;

	if (handle->vmapped)
		return -EBUSY;
	/* dma_buf_vmap() returns EINVAL for this and for misuse alike. */
	if (!handle->dmabuf->ops->vmap)
		return -EOPNOTSUPP;
	/* A kernel mapping is writable. */
	if (handle->read_only)
		return -EACCES;
	ret = dma_buf_vmap_unlocked(handle->dmabuf, &handle->vmap);
	handle->vmapped = !ret;
	return ret;
}

static int dbc_simple(struct dbc_context *context, void *arg,
		      int (*step)(struct dbc_handle *handle))
{
	struct dbc_handle *handle = dbc_handle_lock(context, *(u32 *)arg);
	int ret;

	if (IS_ERR(handle))
		return PTR_ERR(handle);
	ret = step(handle);
	dbc_handle_unlock(handle);
	return ret;
}

int dbc_detach(struct dbc_context *context, void *arg)
{
	return dbc_simple(context, arg, dbc_step_detach);
}

int dbc_unmap(struct dbc_context *context, void *arg)
{
	return dbc_simple(context, arg, dbc_step_unmap);
}

int dbc_vmap(struct dbc_context *context, void *arg)
{
	return dbc_simple(context, arg, dbc_step_vmap);
}

int dbc_vunmap(struct dbc_context *context, void *arg)
{
	return dbc_simple(context, arg, dbc_step_vunmap);
}

/* The numbers of the ABI are those of enum dma_data_direction. */
static_assert(DBC_BIDIRECTIONAL == (int)DMA_BIDIRECTIONAL);
static_assert(DBC_TO_DEVICE == (int)DMA_TO_DEVICE);
static_assert(DBC_FROM_DEVICE == (int)DMA_FROM_DEVICE);

int dbc_map(struct dbc_context *context, void *arg)
{
	struct dbc_map *map = arg;
	struct dbc_handle *handle;
	struct scatterlist *sg;
	struct sg_table *sgt;
	unsigned int i;
	int ret = 0;

	if (map->direction > DBC_FROM_DEVICE || map->reserved)
		return -EINVAL;
	handle = dbc_handle_lock(context, map->handle);
	if (IS_ERR(handle))
		return PTR_ERR(handle);
	if (!handle->attach) {
		ret = -EINVAL;
		goto unlock;
	}
	if (handle->sgt) {
		ret = -EBUSY;
		goto unlock;
	}
	sgt = dma_buf_map_attachment_unlocked(handle->attach, map->direction);
	if (IS_ERR_OR_NULL(sgt)) {
		ret = sgt ? PTR_ERR(sgt) : -ENOMEM;
		goto unlock;
	}
	handle->sgt = sgt;
	handle->direction = map->direction;
	map->segments = sgt->nents;
	map->bytes = 0;
	for_each_sgtable_dma_sg(sgt, sg, i)
		map->bytes += sg_dma_len(sg);
unlock:
	dbc_handle_unlock(handle);
	return ret;
}

int dbc_export(struct dbc_context *context, void *arg)
{
	struct dbc_export *export = arg;
	struct dbc_handle *handle;
	int fd;

	if (export->reserved || (export->flags & ~(O_ACCMODE | O_CLOEXEC)))
		return -EINVAL;
	handle = dbc_handle_lock(context, export->handle);
	if (IS_ERR(handle))
		return PTR_ERR(handle);
	/* The descriptor would be that of the first file. */
	if (handle->read_only) {
		dbc_handle_unlock(handle);
		return -EACCES;
	}
	get_dma_buf(handle->dmabuf);
	fd = dma_buf_fd(handle->dmabuf, export->flags);
	if (fd < 0)
		dma_buf_put(handle->dmabuf);
	dbc_handle_unlock(handle);
	export->fd = fd;
	return fd < 0 ? fd : 0;
}
