/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The private ioctl of the network card dbc0, which takes the place of the wire:
 * what user space gives it is received by queue 0.
 */
#ifndef DMABUF_CONFORMANCE_NET_H
#define DMABUF_CONFORMANCE_NET_H

#include <linux/sockios.h>
#include <linux/types.h>

#define DBC_NET_NAME	"dbc0"

/**
 * struct dbc_net_receive - what ifr_data of struct ifreq points to
 * @data: in: user address of what is received
 * @len: in: its size in bytes, a multiple of the page size, at most 16 pages
 *
 * The card takes a buffer of the queue for each page, writes the page there by
 * DMA, and gives the buffers back to the queue: no protocol sees them.
 *
 * Errors: EINVAL @len; EFAULT an address; ENOMEM the queue has fewer buffers.
 * Buffers are taken before anything is written.
 */
struct dbc_net_receive {
	__u64 data;
	__u64 len;
};

#define DBC_NET_RECEIVE	SIOCDEVPRIVATE

#endif /* DMABUF_CONFORMANCE_NET_H */
