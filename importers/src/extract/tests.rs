//! Small C files, one for each word, layer and trap.

use super::*;
use crate::syntax::FileParser;

/// Places as `line function what direction detail`.
fn found(path: &str, text: &str) -> Vec<String> {
    let file = FileParser::new().unwrap().parse(text, crate::vocabulary::is_wanted_call);
    let line = |place: CallSite| {
        assert_eq!(place.file, path);
        let direction = place.direction.map_or("-", DmaDirection::word);
        format!("{} {} {} {direction} {}", place.line, place.function, place.what, place.detail).trim_end().to_string()
    };
    places(path, &file).into_iter().map(line).collect()
}

const DRIVER: &str = "drivers/x/y.c";
const DRM: &str = "drivers/gpu/drm/x/x_drv.c";
const V4L2: &str = "drivers/media/x/y.c";

#[test]
fn calls_of_the_core_are_found_with_their_function_and_direction() {
    let text = "\
static int import(int fd)
{
\tbuf = dma_buf_get(fd);
\ta = dma_buf_attach(buf, dev);
\tif (dynamic)
\t\ta = dma_buf_dynamic_attach(buf, dev, &ops, priv);
\tret = dma_buf_pin(a);
\tsgt = dma_buf_map_attachment_unlocked(a,
\t\t\t\t\t      DMA_FROM_DEVICE);
\treturn x ? dma_buf_mmap(buf, vma, 0) : dma_buf_vmap_unlocked(buf, &map);
}

struct sg_table *
second(struct obj *obj)
{
\tdma_buf_begin_cpu_access(buf, dir);
\treturn dma_buf_map_attachment(obj->attach, obj->dir /* set by the ioctl */);
}
";
    let expected = [
        "3 import dma_buf_get -",
        "4 import dma_buf_attach -",
        "6 import dma_buf_dynamic_attach -",
        "7 import dma_buf_pin -",
        "8 import dma_buf_map_attachment_unlocked from-device DMA_FROM_DEVICE",
        "10 import dma_buf_vmap_unlocked -",
        "10 import dma_buf_mmap -",
        "16 second dma_buf_begin_cpu_access variable dir",
        "17 second dma_buf_map_attachment variable obj->dir",
    ];
    assert_eq!(found(DRIVER, text), expected);
}

#[test]
fn comments_strings_declarations_and_longer_names_are_not_calls() {
    let text = "\
/* dma_buf_get(fd) is called by dma_buf_vmap() */
struct dma_buf *dma_buf_get(int fd);
EXPORT_SYMBOL_NS_GPL(dma_buf_get, \"DMA_BUF\");
#define GET(fd) dma_buf_get(fd)
static void f(void)
{
\tpr_err(\"dma_buf_vmap(%p) failed\", p);
\tdma_buf_vmap_of_ours(p);
\tops->dma_buf_get(fd);
\tcall(dma_buf_get);
}
";
    assert_eq!(found(DRIVER, text), [""; 0]);
}

#[test]
fn macros_attributes_and_conditional_code_do_not_hide_a_function() {
    let text = "\
MODULE_SOMETHING(x)
DEFINE_THING(thing, {
\t.a = 1,
})
static int __init __maybe_unused first(void)
{
\tlist_for_each_entry(a, &list, node)
\t\tdma_buf_get(a->fd);
#ifdef CONFIG_X
\tif (x) {
#else
\tif (y) {
#endif
\t\tdma_buf_get(2);
\t}
\treturn 0;
}

SYSCALL_DEFINE2(second, int, fd, int, flags)
{
\treturn PTR_ERR(dma_buf_get(fd));
}
";
    let expected = ["8 first dma_buf_get -", "14 first dma_buf_get -", "21 SYSCALL_DEFINE2 dma_buf_get -"];
    assert_eq!(found(DRIVER, text), expected);
}

#[test]
fn drm_drivers_are_found_by_their_fields_and_macros() {
    let text = "\
static const struct drm_driver own = {
\t.gem_prime_import = x_import,
\t.gem_prime_import_sg_table = NULL,
};
static const struct drm_driver shmem = {
\t.fops = &fops,
\tDRM_GEM_SHMEM_DRIVER_OPS,
\tDRM_FBDEV_SHMEM_DRIVER_OPS,
};
static const struct drm_driver dma = {
\tDRM_GEM_DMA_DRIVER_OPS_WITH_DUMB_CREATE(x_dumb_create),
};
int f(void)
{
\treturn drm_gem_prime_fd_to_handle(dev, file, fd, &handle);
}
";
    let expected = [
        "2 own .gem_prime_import - x_import",
        "7 shmem DRM_GEM_SHMEM_DRIVER_OPS -",
        "11 dma DRM_GEM_DMA_DRIVER_OPS_WITH_DUMB_CREATE -",
        "15 f drm_gem_prime_fd_to_handle -",
    ];
    assert_eq!(found(DRM, text), expected);
    // The layer itself is not its user.
    assert_eq!(found("drivers/gpu/drm/drm_prime.c", text), [""; 0]);
}

#[test]
fn users_of_the_other_layers_are_found() {
    let rdma = "\
static const struct ib_device_ops ops = {
\t.reg_user_mr_dmabuf = x_reg_user_mr_dmabuf,
};
int f(void)
{
\tumem = ib_umem_dmabuf_get_pinned(dev, 0, len, fd, access);
\treturn ib_umem_get_cq_buf_or_va(dev, attrs) && ib_umem_get_va(dev, addr);
}
";
    let expected = [
        "2 ops .reg_user_mr_dmabuf - x_reg_user_mr_dmabuf",
        "6 f ib_umem_dmabuf_get_pinned -",
        "7 f ib_umem_get_cq_buf_or_va -",
    ];
    assert_eq!(found("drivers/infiniband/hw/x/main.c", rdma), expected);
    assert_eq!(found("drivers/infiniband/core/umem.c", rdma), [""; 0]);

    let iio = "int f(void)\n{\n\treturn devm_iio_dmaengine_buffer_setup_ext(dev, indio, \"rx\", dir);\n}\n";
    assert_eq!(found("drivers/iio/adc/x.c", iio), ["3 f devm_iio_dmaengine_buffer_setup_ext -"]);

    let net = "int f(void)\n{\n\tpp.flags = PP_FLAG_DMA_MAP |\n\t\t   PP_FLAG_ALLOW_UNREADABLE_NETMEM;\n}\n";
    assert_eq!(found("drivers/net/ethernet/x/rx.c", net), ["4 f PP_FLAG_ALLOW_UNREADABLE_NETMEM -"]);
    assert_eq!(found("net/core/page_pool.c", net), [""; 0]);

    let usb = "int f(void)\n{\n\ta->gadget.sg_supported = 1;\n\tb->sg_supported = false;\n\tif (a->gadget.sg_supported)\n\t\tc = 0;\n}\n";
    assert_eq!(found("drivers/usb/x/gadget.c", usb), ["3 f sg_supported - 1"]);
}

/// A function that initialises the queue `q` after these lines.
fn queue(lines: &str) -> Vec<String> {
    found(V4L2, &format!("int f(struct x *x)\n{{\n{lines}\tvb2_queue_init(q);\n}}\n"))
}

#[test]
fn a_queue_is_what_was_assigned_before() {
    let common = "\tq = &x->queue;\n\tq->type = V4L2_BUF_TYPE_VIDEO_CAPTURE;\n\tq->mem_ops = &vb2_vmalloc_memops;\n";
    let with = |line: &str| queue(&format!("{common}\tq->io_modes = VB2_MMAP{line};\n"));
    assert_eq!(with(" | VB2_DMABUF"), ["7 f vb2_queue_init from-device vb2_vmalloc_memops"]);
    assert_eq!(with(""), [""; 0]);
    assert_eq!(
        with(";\n\tif (x)\n\t\tq->io_modes |= VB2_DMABUF"),
        ["9 f vb2_queue_init from-device vb2_vmalloc_memops"]
    );
    assert_eq!(with(" | VB2_DMABUF;\n\tq->bidirectional = 1")[0].split(' ').nth(3), Some("bidirectional"));
    assert_eq!(with(" | modes"), ["7 f vb2_queue_init from-device vb2_vmalloc_memops, io_modes not found"]);
    // Nothing is known: it is listed, so that somebody looks.
    assert_eq!(queue(""), ["3 f vb2_queue_init variable io_modes not found"]);
}

#[test]
fn branches_give_a_queue_several_values() {
    let common = "\tq->io_modes = VB2_DMABUF;\n";
    let text = format!(
        "{common}\tif (out)\n\t\tq->type = V4L2_BUF_TYPE_VIDEO_OUTPUT;\n\telse\n\t\tq->type = V4L2_BUF_TYPE_VIDEO_CAPTURE;\n\
         \tif (sg) {{\n\t\tq->mem_ops = &vb2_dma_sg_memops;\n\t}} else {{\n\t\tq->mem_ops = &vb2_vmalloc_memops;\n\t}}\n"
    );
    assert_eq!(queue(&text), ["13 f vb2_queue_init variable vb2_dma_sg_memops or vb2_vmalloc_memops"]);
    // A branch that also contains the queue's initialisation is not another value.
    let text = "int f(void)\n{\n\tq->type = type;\n\tif (a) {\n\t\tq->type = V4L2_BUF_TYPE_META_OUTPUT;\n\t\tq->io_modes = VB2_DMABUF;\n\t\tvb2_queue_init(q);\n\t}\n}\n";
    assert_eq!(found(V4L2, text), ["7 f vb2_queue_init to-device"]);
}

#[test]
fn queues_in_one_function_are_told_apart() {
    let text = "\
static int queue_init(void *priv, struct vb2_queue *src_vq, struct vb2_queue *dst_vq)
{
\tsrc_vq->type = mp ? V4L2_BUF_TYPE_VIDEO_OUTPUT_MPLANE : V4L2_BUF_TYPE_VIDEO_OUTPUT;
\tsrc_vq->io_modes = VB2_MMAP | VB2_DMABUF;
\tret = vb2_queue_init(src_vq);
\tdst_vq->type = V4L2_BUF_TYPE_VIDEO_CAPTURE;
\tdst_vq->io_modes = VB2_MMAP;
\treturn vb2_queue_init(dst_vq);
}
int other(struct dev *dev)
{
\tstruct vb2_queue *q = &dev->vid;

\tq->type = V4L2_BUF_TYPE_VIDEO_CAPTURE;
\tq->io_modes = VB2_DMABUF;
\tvb2_queue_init(&dev->vid);
\tq = &dev->vbi;
\tq->io_modes = VB2_READ;
\tvb2_queue_init_name(q, \"vbi\");
}
";
    assert_eq!(found(V4L2, text), ["5 queue_init vb2_queue_init to-device", "16 other vb2_queue_init from-device"]);
}

#[test]
fn a_queue_can_be_a_copy_or_be_initialised_by_a_function_of_the_file() {
    let copy = "\
static const struct vb2_queue template = {
\t.type = V4L2_BUF_TYPE_VIDEO_CAPTURE,
\t.io_modes = VB2_MMAP | VB2_DMABUF,
\t.mem_ops = &vb2_vmalloc_memops,
};
int f(struct x *x)
{
\tx->queue = template;
\treturn vb2_queue_init(&x->queue);
}
";
    assert_eq!(found(V4L2, copy), ["9 f vb2_queue_init from-device vb2_vmalloc_memops"]);
    let wrapper = "\
static int wrapper(struct ctx *ctx, struct vb2_queue *vq)
{
\tvq->mem_ops = &vb2_dma_contig_memops;
\treturn vb2_queue_init(vq);
}
int f(void *priv, struct vb2_queue *src, struct vb2_queue *dst)
{
\tsrc->type = V4L2_BUF_TYPE_VIDEO_OUTPUT;
\tsrc->io_modes = VB2_DMABUF;
\twrapper(priv, src);
\tdst->type = V4L2_BUF_TYPE_VIDEO_CAPTURE;
\tdst->io_modes = VB2_DMABUF;
\treturn wrapper(priv, dst);
}
";
    let expected = [
        "10 f vb2_queue_init to-device vb2_dma_contig_memops",
        "13 f vb2_queue_init from-device vb2_dma_contig_memops",
    ];
    assert_eq!(found(V4L2, wrapper), expected);
    assert_eq!(found("drivers/media/common/videobuf2/videobuf2-v4l2.c", wrapper), [""; 0]);
}
