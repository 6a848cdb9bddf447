// SPDX-License-Identifier: GPL-2.0-only
/*
 * An industrial I/O device without hardware. The IIO core imports dma-bufs and
 * maps them for it, as for every device with a DMA engine; this is the engine.
 * It has a memory: what is sent through buffer 0 is stored there, and buffer 1
 * receives it.
 */

#include <linux/dma-direct.h>
#include <linux/iio/buffer.h>
#include <linux/iio/buffer_impl.h>
#include <linux/iio/iio.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/platform_device.h>
#include <linux/scatterlist.h>
#include <linux/slab.h>

#define DBC_IIO_NAME	"dmabuf-conformance-iio"
#define DBC_IIO_MEMORY	(4 * PAGE_SIZE)

/* What reads and writes: not behind an IOMMU. */
static struct device *engine;
static DEFINE_MUTEX(memory_lock);
static u8 *memory;

/* The core keeps the attachment and its mapping; nothing is needed besides. */
static struct iio_dma_buffer_block *dbc_iio_attach(struct iio_buffer *buffer,
						   struct dma_buf_attachment *attach)
{
	return NULL;
}

static void dbc_iio_detach(struct iio_buffer *buffer, struct iio_dma_buffer_block *block)
{
}

static int dbc_iio_enqueue(struct iio_buffer *buffer, struct iio_dma_buffer_block *block,
			   struct dma_fence *fence, struct sg_table *sgt, size_t size, bool cyclic)
{
	struct scatterlist *sg;
	size_t done = 0;
	unsigned int i;

	if (size > DBC_IIO_MEMORY || cyclic)
		return -EINVAL;
	for_each_sgtable_dma_sg(sgt, sg, i) {
		size_t len = min_t(size_t, sg_dma_len(sg), size - done);
		void *at = phys_to_virt(dma_to_phys(engine, sg_dma_address(sg)));

		if (buffer->direction == IIO_BUFFER_DIRECTION_OUT)
			memcpy(memory + done, at, len);
		else
			memcpy(at, memory + done, len);
		done += len;
	}
	iio_buffer_signal_dmabuf_done(fence, 0);
	return 0;
}

/* One transfer at a time; the core calls these around dbc_iio_enqueue(). */
static void dbc_iio_lock(struct iio_buffer *buffer)
{
	mutex_lock(&memory_lock);
}

static void dbc_iio_unlock(struct iio_buffer *buffer)
{
	mutex_unlock(&memory_lock);
}

static void dbc_iio_release(struct iio_buffer *buffer)
{
	kfree(buffer);
}

static const struct iio_buffer_access_funcs dbc_iio_access = {
	.release = dbc_iio_release,
	.attach_dmabuf = dbc_iio_attach,
	.detach_dmabuf = dbc_iio_detach,
	.enqueue_dmabuf = dbc_iio_enqueue,
	.lock_queue = dbc_iio_lock,
	.unlock_queue = dbc_iio_unlock,
	.modes = INDIO_BUFFER_HARDWARE,
};

static int dbc_iio_add_buffer(struct iio_dev *indio, enum iio_buffer_direction direction)
{
	struct iio_buffer *buffer = kzalloc(sizeof(*buffer), GFP_KERNEL);
	int ret;

	if (!buffer)
		return -ENOMEM;
	iio_buffer_init(buffer);
	buffer->access = &dbc_iio_access;
	buffer->direction = direction;
	ret = iio_device_attach_buffer(indio, buffer);
	iio_buffer_put(buffer);
	return ret;
}

static const struct iio_info dbc_iio_info;

/* Nothing is undone if it fails: the kernel then has no such device. */
static int __init dbc_iio_init(void)
{
	struct platform_device *pdev;
	struct iio_dev *indio;
	int ret;

	pdev = platform_device_register_simple(DBC_IIO_NAME, PLATFORM_DEVID_NONE, NULL, 0);
	if (IS_ERR(pdev))
		return PTR_ERR(pdev);
	/* As the parent it is also what the core maps for. */
	engine = &pdev->dev;
	memory = kzalloc(DBC_IIO_MEMORY, GFP_KERNEL);
	indio = iio_device_alloc(engine, 0);
	if (!memory || !indio)
		return -ENOMEM;
	indio->name = DBC_IIO_NAME;
	indio->info = &dbc_iio_info;
	indio->modes = INDIO_DIRECT_MODE | INDIO_BUFFER_HARDWARE;
	ret = dbc_iio_add_buffer(indio, IIO_BUFFER_DIRECTION_OUT);
	if (!ret)
		ret = dbc_iio_add_buffer(indio, IIO_BUFFER_DIRECTION_IN);
	return ret ?: iio_device_register(indio);
}
device_initcall(dbc_iio_init);
