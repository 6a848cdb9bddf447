// SPDX-License-Identifier: GPL-2.0-only
/*
 * A network card without hardware whose receive queue takes memory providers.
 * The core imports a dma-buf for it and maps it; the page pool of the queue then
 * gives out DMA addresses in that buffer, and the card writes there.
 */

#include <linux/dma-direct.h>
#include <linux/etherdevice.h>
#include <linux/ethtool.h>
#include <linux/module.h>
#include <linux/netdevice.h>
#include <linux/platform_device.h>
#include <net/netdev_queues.h>
#include <net/page_pool/helpers.h>

#include "dmabuf_conformance_net.h"

#define NIC_PAGES	16

/* What the core allocates for a queue, and the card keeps while it is up. */
struct nic_queue {
	struct page_pool *pool;
};

/* Guarded by the lock of the net_device, which every operation below has. */
struct nic {
	struct nic_queue queue;
};

static int nic_queue_alloc(struct net_device *dev, struct netdev_queue_config *config, void *memory,
			   int index)
{
	struct page_pool_params params = {
		.flags = PP_FLAG_DMA_MAP | PP_FLAG_DMA_SYNC_DEV | PP_FLAG_ALLOW_UNREADABLE_NETMEM,
		.pool_size = NIC_PAGES,
		.nid = NUMA_NO_NODE,
		.dev = dev->dev.parent,
		.dma_dir = DMA_FROM_DEVICE,
		.max_len = PAGE_SIZE,
		.netdev = dev,
		.queue_idx = index,
	};
	struct nic_queue *queue = memory;
	struct page_pool *pool = page_pool_create(&params);

	if (IS_ERR(pool))
		return PTR_ERR(pool);
	queue->pool = pool;
	return 0;
}

static void nic_queue_free(struct net_device *dev, void *memory)
{
	struct nic_queue *queue = memory;

	page_pool_destroy(queue->pool);
	queue->pool = NULL;
}

static int nic_queue_start(struct net_device *dev, struct netdev_queue_config *config, void *memory,
			   int index)
{
	struct nic *nic = netdev_priv(dev);

	nic->queue = *(struct nic_queue *)memory;
	return 0;
}

static int nic_queue_stop(struct net_device *dev, void *memory, int index)
{
	struct nic *nic = netdev_priv(dev);

	*(struct nic_queue *)memory = nic->queue;
	nic->queue.pool = NULL;
	return 0;
}

static const struct netdev_queue_mgmt_ops nic_queue_ops = {
	.ndo_queue_mem_size = sizeof(struct nic_queue),
	.ndo_queue_mem_alloc = nic_queue_alloc,
	.ndo_queue_mem_free = nic_queue_free,
	.ndo_queue_start = nic_queue_start,
	.ndo_queue_stop = nic_queue_stop,
};

static int nic_open(struct net_device *dev)
{
	struct nic *nic = netdev_priv(dev);

	return nic_queue_alloc(dev, NULL, &nic->queue, 0);
}

static int nic_stop(struct net_device *dev)
{
	struct nic *nic = netdev_priv(dev);

	nic_queue_free(dev, &nic->queue);
	return 0;
}

/* There is no wire. */
static netdev_tx_t nic_transmit(struct sk_buff *skb, struct net_device *dev)
{
	dev_kfree_skb(skb);
	return NETDEV_TX_OK;
}

static int nic_receive(struct net_device *dev, const struct dbc_net_receive *received)
{
	struct nic *nic = netdev_priv(dev);
	unsigned int pages = received->len >> PAGE_SHIFT, taken, page;
	netmem_ref buffers[NIC_PAGES];
	int ret = 0;
	void *data;

	if (!pages || pages > NIC_PAGES || received->len != (u64)pages << PAGE_SHIFT)
		return -EINVAL;
	data = memdup_user(u64_to_user_ptr(received->data), received->len);
	if (IS_ERR(data))
		return PTR_ERR(data);
	for (taken = 0; taken < pages; taken++) {
		buffers[taken] = page_pool_alloc_netmems(nic->queue.pool, GFP_KERNEL);
		if (!buffers[taken]) {
			ret = -ENOMEM;
			break;
		}
	}
	for (page = 0; !ret && page < pages; page++) {
		dma_addr_t address = page_pool_get_dma_addr_netmem(buffers[page]);

		/* Where a device that is not behind an IOMMU writes. */
		memcpy(phys_to_virt(dma_to_phys(dev->dev.parent, address)),
		       data + (page << PAGE_SHIFT), PAGE_SIZE);
	}
	while (taken--)
		page_pool_put_full_netmem(nic->queue.pool, buffers[taken], false);
	kfree(data);
	return ret;
}

static int nic_private(struct net_device *dev, struct ifreq *request, void __user *argument, int cmd)
{
	struct dbc_net_receive received;

	if (cmd != DBC_NET_RECEIVE)
		return -EOPNOTSUPP;
	if (copy_from_user(&received, argument, sizeof(received)))
		return -EFAULT;
	if (!netif_running(dev))
		return -ENETDOWN;
	return nic_receive(dev, &received);
}

static const struct net_device_ops nic_ops = {
	.ndo_open = nic_open,
	.ndo_stop = nic_stop,
	.ndo_start_xmit = nic_transmit,
	.ndo_siocdevprivate = nic_private,
};

/* Nothing is undone if it fails: the kernel then has no such card. */
static int __init nic_init(void)
{
	struct platform_device *pdev;
	struct net_device *dev;

	pdev = platform_device_register_simple("dmabuf-conformance-net", PLATFORM_DEVID_NONE, NULL, 0);
	if (IS_ERR(pdev))
		return PTR_ERR(pdev);
	dev = alloc_etherdev(sizeof(struct nic));
	if (!dev)
		return -ENOMEM;
	strscpy(dev->name, DBC_NET_NAME);
	SET_NETDEV_DEV(dev, &pdev->dev);
	eth_hw_addr_random(dev);
	dev->netdev_ops = &nic_ops;
	dev->queue_mgmt_ops = &nic_queue_ops;
	dev->netmem_tx = NETMEM_TX_DMA;
	/* Memory providers want headers apart from data, in whole pages. */
	dev->cfg->hds_config = ETHTOOL_TCP_DATA_SPLIT_ENABLED;
	return register_netdev(dev);
}
device_initcall(nic_init);
