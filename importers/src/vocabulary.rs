//! The words that make a place in a driver an importer: functions of the dma-buf core, and the helper layers above it.
//!
//! The list of layers is fixed. A layer that is not in it still calls the core, so it shows as a new caller of the core.

use crate::site::SiteKind;

/// Functions of `drivers/dma-buf/dma-buf.c` that importers call.
pub const CORE: [(&str, SiteKind); 10] = [
    ("dma_buf_get", SiteKind::Get),
    ("dma_buf_attach", SiteKind::Attach),
    ("dma_buf_dynamic_attach", SiteKind::Attach),
    ("dma_buf_map_attachment", SiteKind::Map),
    ("dma_buf_map_attachment_unlocked", SiteKind::Map),
    ("dma_buf_pin", SiteKind::Pin),
    ("dma_buf_vmap", SiteKind::Vmap),
    ("dma_buf_vmap_unlocked", SiteKind::Vmap),
    ("dma_buf_mmap", SiteKind::Mmap),
    ("dma_buf_begin_cpu_access", SiteKind::Cpu),
];

/// How a driver uses a helper layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    /// It calls a function with this name. A `*` at the end stands for any ending.
    Call(&'static str),
    /// A structure is initialised with this field.
    Field(&'static str),
    /// An initialiser contains this macro, which contains such fields.
    Macro(&'static str),
    /// The field gets a value other than 0 and false.
    Set(&'static str),
    /// An expression contains this constant.
    Constant(&'static str),
}

/// A layer that imports for drivers, so that they call the core never or rarely.
#[derive(Debug)]
pub struct Layer {
    /// The kind of places in its users.
    pub kind: SiteKind,
    /// Files below these paths belong to the layer itself. Their words are not listed.
    pub own: &'static [&'static str],
    /// Only files below this path are users.
    pub below: &'static str,
    /// What its users write.
    pub uses: &'static [Use],
}

/// The layers. V4L2 queues are found by [`crate::queue`].
pub const LAYERS: [Layer; 5] = [
    Layer {
        kind: SiteKind::Prime,
        own: &["drivers/gpu/drm/drm_"],
        below: "drivers/",
        uses: &[
            Use::Field("gem_prime_import"),
            Use::Field("gem_prime_import_sg_table"),
            Use::Field("prime_fd_to_handle"),
            Use::Macro("DRM_GEM_SHMEM_DRIVER_OPS*"),
            Use::Macro("DRM_GEM_DMA_DRIVER_OPS*"),
            Use::Macro("DRM_GEM_CMA_DRIVER_OPS*"),
            Use::Call("drm_gem_prime_fd_to_handle"),
            Use::Call("ttm_prime_fd_to_handle"),
        ],
    },
    Layer {
        kind: SiteKind::Umem,
        own: &["drivers/infiniband/core/"],
        below: "drivers/infiniband/",
        uses: &[
            Use::Field("reg_user_mr_dmabuf"),
            Use::Call("ib_umem_dmabuf_get*"),
            Use::Call("ib_umem_get_attr*"),
            Use::Call("ib_umem_get_cq_buf*"),
            Use::Call("ib_umem_get_desc*"),
        ],
    },
    Layer {
        kind: SiteKind::Iio,
        own: &["drivers/iio/buffer/"],
        below: "drivers/",
        uses: &[Use::Call("devm_iio_dmaengine_buffer_setup*"), Use::Call("iio_dmaengine_buffer_setup*")],
    },
    Layer {
        kind: SiteKind::Netmem,
        own: &[],
        below: "drivers/net/",
        uses: &[Use::Constant("PP_FLAG_ALLOW_UNREADABLE_NETMEM")],
    },
    Layer { kind: SiteKind::Gadget, own: &[], below: "drivers/usb/", uses: &[Use::Set("sg_supported")] },
];

/// Functions that initialise a V4L2 queue, and what they are written in.
pub const QUEUE_INIT: [&str; 3] = ["vb2_queue_init", "vb2_queue_init_name", "vb2_core_queue_init"];

/// The files of videobuf2 itself.
pub const QUEUE_OWN: &str = "drivers/media/common/videobuf2/";

/// The flag of `io_modes` that lets user space queue dma-bufs.
pub const QUEUE_FLAG: &str = "VB2_DMABUF";

impl Use {
    /// The name, without the `*`.
    pub fn word(self) -> &'static str {
        let (Use::Call(word) | Use::Field(word) | Use::Macro(word) | Use::Set(word) | Use::Constant(word)) = self;
        word.trim_end_matches('*')
    }

    /// Whether a name in a file is this one.
    pub fn names(self, name: &str) -> bool {
        let (Use::Call(word) | Use::Field(word) | Use::Macro(word) | Use::Set(word) | Use::Constant(word)) = self;
        match word.strip_suffix('*') {
            Some(start) => name.starts_with(start),
            None => name == word,
        }
    }
}

impl Layer {
    /// Whether a file can be a user of the layer.
    pub fn concerns(&self, file: &str) -> bool {
        file.starts_with(self.below) && !self.own.iter().any(|own| file.starts_with(own))
    }
}

/// What a C file contains if it has a place. Longer words that begin with one of these are found with them.
pub fn needles() -> Vec<&'static str> {
    let core = CORE.iter().map(|(name, _)| *name);
    let layers = LAYERS.iter().flat_map(|layer| layer.uses).map(|used| used.word());
    core.chain(layers).chain(QUEUE_INIT).collect()
}

/// Whether a place is a call of this function.
pub fn is_wanted_call(name: &str) -> bool {
    let of_layer = |used: &Use| matches!(used, Use::Call(_)) && used.names(name);
    CORE.iter().any(|(core, _)| *core == name)
        || QUEUE_INIT.contains(&name)
        || LAYERS.iter().flat_map(|layer| layer.uses).any(of_layer)
}
