/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The ioctl ABI of /dev/dmabuf-conformance-edu: a PCI card that copies between
 * its own memory and a dma-buf by DMA.
 *
 * Every open file imports at most one buffer. Closing the file undoes it.
 *
 * Errors common to all requests:
 *   ENOTTY  unknown request
 *   EFAULT  argument unreadable
 *   EINVAL  unknown enumerator, reserved member not zero
 *   EINTR   a signal arrived while another thread used the card
 */
#ifndef DMABUF_CONFORMANCE_EDU_H
#define DMABUF_CONFORMANCE_EDU_H

#include <linux/ioctl.h>
#include <linux/types.h>

#define DBC_EDU_DEVICE_NAME	"dmabuf-conformance-edu"

/**
 * struct dbc_edu_attach - import a buffer and map it for the card
 * @fd: in: descriptor for dma_buf_get()
 * @direction: in: DBC_TO_DEVICE if the card is to read the buffer,
 *             DBC_FROM_DEVICE if it is to write it
 *
 * Errors: EBUSY the file has a buffer already; what dma_buf_get(),
 * dma_buf_attach() and dma_buf_map_attachment() return. Nothing is left then.
 */
struct dbc_edu_attach {
	__s32 fd;
	__u32 direction;
};

/**
 * struct dbc_edu_copy - let the card read or write the whole buffer
 * @data: in: user address of as many bytes as the buffer has: what the card
 *        writes, or where what it has read is stored
 *
 * Errors: ENXIO no buffer; EFAULT for @data; ETIMEDOUT the card did not finish.
 */
struct dbc_edu_copy {
	__u64 data;
};

#define DBC_EDU_ATTACH	_IOW(0xDC, 0x40, struct dbc_edu_attach)
#define DBC_EDU_COPY	_IOW(0xDC, 0x41, struct dbc_edu_copy)
/* Undoes DBC_EDU_ATTACH. ENXIO: no buffer. */
#define DBC_EDU_DETACH	_IO(0xDC, 0x42)

#endif /* DMABUF_CONFORMANCE_EDU_H */
