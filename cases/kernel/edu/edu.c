// SPDX-License-Identifier: GPL-2.0-only
/*
 * A driver for QEMU's educational PCI card that imports dma-bufs. The card has
 * a page of memory and copies between it and the bus, so whatever appears in a
 * buffer was written by a bus master and not by a processor.
 */

#include <linux/delay.h>
#include <linux/dma-mapping.h>
#include <linux/fs.h>
#include <linux/io-64-nonatomic-lo-hi.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/pci.h>
#include <linux/scatterlist.h>
#include <linux/slab.h>

#include "../internal.h"
#include "dmabuf_conformance_edu.h"

/* docs/specs/edu.rst of QEMU. */
#define EDU_VENDOR	0x1234
#define EDU_DEVICE	0x11e8
#define EDU_SOURCE	0x80
#define EDU_TARGET	0x88
#define EDU_COUNT	0x90
#define EDU_COMMAND	0x98
#define EDU_START	BIT(0)
#define EDU_TO_MEMORY	BIT(1)
#define EDU_MEMORY	0x40000	/* where the card's own page is */
/* What is copied at once: QEMU ends if a copy reaches the end of that page. */
#define EDU_PART	2048U
#define EDU_DMA_BITS	28

/* A copy takes the card a tenth of a second. */
#define EDU_POLLS	500
#define EDU_PAUSE_MS	10

/* The only card. @lock serializes everything that uses it. */
static struct {
	struct mutex lock;
	struct device *dev;
	void __iomem *registers;
	void *page;
	dma_addr_t page_address;
} edu = { .lock = __MUTEX_INITIALIZER(edu.lock) };

/* One open file; guarded by edu.lock. @dmabuf is NULL without a buffer. */
struct edu_import {
	struct dma_buf *dmabuf;
	struct dma_buf_attachment *attach;
	struct sg_table *sgt;
	enum dma_data_direction direction;
};

static int edu_transfer(u64 source, u64 target, u32 len, u32 command)
{
	unsigned int poll;

	writeq(source, edu.registers + EDU_SOURCE);
	writeq(target, edu.registers + EDU_TARGET);
	writeq(len, edu.registers + EDU_COUNT);
	writeq(command | EDU_START, edu.registers + EDU_COMMAND);
	for (poll = 0; poll < EDU_POLLS; poll++) {
		if (!(readl(edu.registers + EDU_COMMAND) & EDU_START))
			return 0;
		msleep(EDU_PAUSE_MS);
	}
	return -ETIMEDOUT;
}

/* Copies a part of the buffer, by way of the card's page and our own. */
static int edu_copy_part(struct edu_import *import, u64 address, u32 len, u8 __user *data)
{
	int ret;

	if (import->direction == DMA_FROM_DEVICE) {
		if (copy_from_user(edu.page, data, len))
			return -EFAULT;
		ret = edu_transfer(edu.page_address, EDU_MEMORY, len, 0);
		if (!ret)
			ret = edu_transfer(EDU_MEMORY, address, len, EDU_TO_MEMORY);
		return ret;
	}
	ret = edu_transfer(address, EDU_MEMORY, len, 0);
	if (!ret)
		ret = edu_transfer(EDU_MEMORY, edu.page_address, len, EDU_TO_MEMORY);
	if (!ret && copy_to_user(data, edu.page, len))
		ret = -EFAULT;
	return ret;
}

static int edu_copy(struct edu_import *import, u8 __user *data)
{
	struct scatterlist *sg;
	unsigned int i;
	int ret;

	if (!import->dmabuf)
		return -ENXIO;
	for_each_sgtable_dma_sg(import->sgt, sg, i) {
		u32 done, len;

		for (done = 0; done < sg_dma_len(sg); done += len, data += len) {
			len = min(sg_dma_len(sg) - done, EDU_PART);
			ret = edu_copy_part(import, sg_dma_address(sg) + done, len, data);
			if (ret)
				return ret;
		}
	}
	return 0;
}

static int edu_detach(struct edu_import *import)
{
	if (!import->dmabuf)
		return -ENXIO;
	dma_buf_unmap_attachment_unlocked(import->attach, import->sgt, import->direction);
	dma_buf_detach(import->dmabuf, import->attach);
	dma_buf_put(import->dmabuf);
	import->dmabuf = NULL;
	return 0;
}

static int edu_attach(struct edu_import *import, const struct dbc_edu_attach *request)
{
	struct dma_buf_attachment *attach;
	struct dma_buf *dmabuf;
	struct sg_table *sgt;
	bool read_only;

	if (request->direction != DBC_TO_DEVICE && request->direction != DBC_FROM_DEVICE)
		return -EINVAL;
	if (import->dmabuf)
		return -EBUSY;
	dmabuf = dbc_get_access(request->fd, &read_only);
	if (IS_ERR(dmabuf))
		return PTR_ERR(dmabuf);
	attach = dbc_attach_access(dmabuf, edu.dev, read_only);
	if (IS_ERR(attach)) {
		dma_buf_put(dmabuf);
		return PTR_ERR(attach);
	}
	sgt = dma_buf_map_attachment_unlocked(attach, request->direction);
	if (IS_ERR(sgt)) {
		dma_buf_detach(dmabuf, attach);
		dma_buf_put(dmabuf);
		return PTR_ERR(sgt);
	}
	*import = (struct edu_import) {
		.dmabuf = dmabuf,
		.attach = attach,
		.sgt = sgt,
		.direction = request->direction,
	};
	return 0;
}

static long edu_ioctl(struct file *file, unsigned int cmd, unsigned long user)
{
	struct edu_import *import = file->private_data;
	void __user *argp = (void __user *)user;
	struct dbc_edu_attach attach;
	struct dbc_edu_copy copy;
	long ret;

	if (mutex_lock_interruptible(&edu.lock))
		return -EINTR;
	switch (cmd) {
	case DBC_EDU_ATTACH:
		ret = copy_from_user(&attach, argp, sizeof(attach)) ? -EFAULT : edu_attach(import, &attach);
		break;
	case DBC_EDU_COPY:
		ret = copy_from_user(&copy, argp, sizeof(copy)) ? -EFAULT :
			edu_copy(import, u64_to_user_ptr(copy.data));
		break;
	case DBC_EDU_DETACH:
		ret = edu_detach(import);
		break;
	default:
		ret = -ENOTTY;
	}
	mutex_unlock(&edu.lock);
	return ret;
}

static int edu_open(struct inode *inode, struct file *file)
{
	file->private_data = kzalloc(sizeof(struct edu_import), GFP_KERNEL);
	return file->private_data ? nonseekable_open(inode, file) : -ENOMEM;
}

static int edu_close(struct inode *inode, struct file *file)
{
	mutex_lock(&edu.lock);
	edu_detach(file->private_data);
	mutex_unlock(&edu.lock);
	kfree(file->private_data);
	return 0;
}

static const struct file_operations edu_fops = {
	.owner = THIS_MODULE,
	.open = edu_open,
	.release = edu_close,
	.unlocked_ioctl = edu_ioctl,
};

static struct miscdevice edu_misc = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = DBC_EDU_DEVICE_NAME,
	.fops = &edu_fops,
};

static int edu_probe(struct pci_dev *pdev, const struct pci_device_id *id)
{
	int ret;

	if (edu.dev)
		return -EBUSY;
	ret = pcim_enable_device(pdev);
	if (ret)
		return ret;
	ret = dma_set_mask_and_coherent(&pdev->dev, DMA_BIT_MASK(EDU_DMA_BITS));
	if (ret)
		return ret;
	edu.registers = pcim_iomap(pdev, 0, 0);
	edu.page = dmam_alloc_coherent(&pdev->dev, EDU_PART, &edu.page_address, GFP_KERNEL);
	if (!edu.registers || !edu.page)
		return -ENOMEM;
	pci_set_master(pdev);
	edu.dev = &pdev->dev;
	return misc_register(&edu_misc);
}

static const struct pci_device_id edu_ids[] = {
	{ PCI_DEVICE(EDU_VENDOR, EDU_DEVICE) },
	{ }
};

static struct pci_driver edu_driver = {
	.name = DBC_EDU_DEVICE_NAME,
	.id_table = edu_ids,
	.probe = edu_probe,
	/* The card stays: an unbind would leave open files without it. */
	.driver.suppress_bind_attrs = true,
};
builtin_pci_driver(edu_driver);
