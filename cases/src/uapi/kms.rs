//! The part of include/uapi/drm/drm_mode.h for showing framebuffers, and for writing what is shown to one.

use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd};

use nix::errno::Errno;

use super::{IOC_READ, IOC_WRITE, ioc, ioctl_struct, own};

#[repr(C)]
struct ClientCap {
    capability: u64,
    value: u64,
}

#[repr(C)]
#[derive(Default)]
struct CardResources {
    pointers: [u64; 4],
    counts: [u32; 4],
    limits: [u32; 4],
}

#[repr(C)]
#[derive(Default)]
struct PlaneResources {
    pointer: u64,
    count: u32,
}

#[repr(C)]
#[derive(Default)]
struct Connector {
    pointers: [u64; 4],
    counts: [u32; 3],
    encoder: u32,
    id: u32,
    kind: u32,
    rest: [u32; 6],
}

#[repr(C)]
struct ObjectProperties {
    ids: u64,
    values: u64,
    count: u32,
    object: u32,
    kind: u32,
}

#[repr(C)]
struct Property {
    pointers: [u64; 2],
    id: u32,
    flags: u32,
    name: [u8; 32],
    counts: [u32; 2],
}

#[repr(C)]
struct Blob {
    data: u64,
    length: u32,
    id: u32,
}

#[repr(C)]
#[derive(Default)]
struct Framebuffer {
    id: u32,
    width: u32,
    height: u32,
    format: u32,
    flags: u32,
    handles: [u32; 4],
    pitches: [u32; 4],
    offsets: [u32; 4],
    modifiers: [u64; 4],
}

#[repr(C)]
#[derive(Default)]
struct Atomic {
    flags: u32,
    count: u32,
    objects: u64,
    counts: u64,
    properties: u64,
    values: u64,
    reserved: u64,
    user_data: u64,
}

/// `struct drm_mode_modeinfo`.
#[repr(C)]
#[derive(Default)]
struct Mode {
    clock: u32,
    /// Visible pixels of a line, begin and end of the sync pulse, all, skew.
    horizontal: [u16; 5],
    /// The same of lines of a frame; the last is a factor.
    vertical: [u16; 5],
    refresh: u32,
    flags: u32,
    kind: u32,
    name: [u8; 32],
}

/// An object of a display, with its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DisplayObject {
    /// What combines planes into frames.
    Crtc(u32),
    /// Where frames go.
    Connector(u32),
    /// What shows a framebuffer.
    Plane(u32),
}

impl DisplayObject {
    /// Its number.
    pub fn id(self) -> u32 {
        match self {
            DisplayObject::Crtc(id) | DisplayObject::Connector(id) | DisplayObject::Plane(id) => id,
        }
    }

    /// `DRM_MODE_OBJECT_*`.
    fn kind(self) -> u32 {
        match self {
            DisplayObject::Crtc(_) => 0xcccc_cccc,
            DisplayObject::Connector(_) => 0xc0c0_c0c0,
            DisplayObject::Plane(_) => 0xeeee_eeee,
        }
    }
}

/// A property of an object, by its name, and the value that it is to have.
pub type Setting = (DisplayObject, &'static str, u64);

const BOTH: u32 = IOC_READ | IOC_WRITE;
const SET_CLIENT_CAP: u32 = ioc(IOC_WRITE, b'd', 0x0d, size_of::<ClientCap>());
const GETRESOURCES: u32 = ioc(BOTH, b'd', 0xa0, size_of::<CardResources>());
const GETCONNECTOR: u32 = ioc(BOTH, b'd', 0xa7, size_of::<Connector>());
const GETPROPERTY: u32 = ioc(BOTH, b'd', 0xaa, size_of::<Property>());
const RMFB: u32 = ioc(BOTH, b'd', 0xaf, size_of::<u32>());
const GETPLANERESOURCES: u32 = ioc(BOTH, b'd', 0xb5, size_of::<PlaneResources>());
const ADDFB2: u32 = ioc(BOTH, b'd', 0xb8, size_of::<Framebuffer>());
const OBJ_GETPROPERTIES: u32 = ioc(BOTH, b'd', 0xb9, size_of::<ObjectProperties>());
const ATOMIC: u32 = ioc(BOTH, b'd', 0xbc, size_of::<Atomic>());
const CREATEPROPBLOB: u32 = ioc(BOTH, b'd', 0xbd, size_of::<Blob>());
const DESTROYPROPBLOB: u32 = ioc(BOTH, b'd', 0xbe, size_of::<u32>());

/// `DRM_CLIENT_CAP_ATOMIC` and `DRM_CLIENT_CAP_WRITEBACK_CONNECTORS`.
const CAPABILITIES: [u64; 2] = [3, 5];
/// `DRM_MODE_CONNECTOR_WRITEBACK`.
const WRITEBACK: u32 = 18;
/// `DRM_FORMAT_XRGB8888`: four bytes per pixel.
const XRGB8888: u32 = u32::from_le_bytes(*b"XR24");
/// `DRM_MODE_ATOMIC_NONBLOCK`.
const NONBLOCK: u32 = 0x200;
/// `DRM_MODE_ATOMIC_ALLOW_MODESET`.
const ALLOW_MODESET: u32 = 0x400;

/// `DRM_IOCTL_SET_CLIENT_CAP`: the caller commits atomically, and sees writeback connectors.
///
/// # Errors
/// The errno of the call.
pub fn become_atomic(device: BorrowedFd<'_>) -> Result<(), Errno> {
    let set = |capability| ioctl_struct(device, SET_CLIENT_CAP, &mut ClientCap { capability, value: 1 }).map(drop);
    CAPABILITIES.into_iter().try_for_each(set)
}

/// `DRM_IOCTL_MODE_GETRESOURCES`: the numbers of the first crtc and of all connectors.
///
/// # Errors
/// The errno of the call; `ENODEV` without a crtc.
pub fn resources(device: BorrowedFd<'_>) -> Result<(DisplayObject, Vec<DisplayObject>), Errno> {
    let mut found = CardResources::default();
    ioctl_struct(device, GETRESOURCES, &mut found)?;
    let mut lists = found.counts.map(|count| vec![0_u32; count as usize]);
    let pointers = lists.each_mut().map(|list| list.as_mut_ptr() as u64);
    let mut again = CardResources { pointers, counts: found.counts, ..CardResources::default() };
    ioctl_struct(device, GETRESOURCES, &mut again)?;
    let crtc = lists[1].first().copied().ok_or(Errno::ENODEV)?;
    Ok((DisplayObject::Crtc(crtc), lists[2].iter().copied().map(DisplayObject::Connector).collect()))
}

/// `DRM_IOCTL_MODE_GETCONNECTOR`: whether a connector writes its frames to memory.
///
/// # Errors
/// The errno of the call.
pub fn writes_back(device: BorrowedFd<'_>, connector: DisplayObject) -> Result<bool, Errno> {
    let mut argument = Connector { id: connector.id(), ..Connector::default() };
    ioctl_struct(device, GETCONNECTOR, &mut argument)?;
    Ok(argument.kind == WRITEBACK)
}

/// `DRM_IOCTL_MODE_GETPLANERESOURCES`: the first plane. vkms makes its primary plane first.
///
/// # Errors
/// The errno of the call; `ENODEV` without a plane.
pub fn first_plane(device: BorrowedFd<'_>) -> Result<DisplayObject, Errno> {
    let mut planes = [0_u32; 16];
    let mut argument = PlaneResources { pointer: planes.as_mut_ptr() as u64, count: planes.len() as u32 };
    ioctl_struct(device, GETPLANERESOURCES, &mut argument)?;
    if argument.count == 0 { Err(Errno::ENODEV) } else { Ok(DisplayObject::Plane(planes[0])) }
}

/// The number of an object's property.
///
/// # Errors
/// The errno of a call; `ENOENT` when it has none of that name.
fn property(device: BorrowedFd<'_>, object: DisplayObject, name: &str) -> Result<u32, Errno> {
    let (mut ids, mut values) = ([0_u32; 64], [0_u64; 64]);
    let mut all = ObjectProperties {
        ids: ids.as_mut_ptr() as u64,
        values: values.as_mut_ptr() as u64,
        count: ids.len() as u32,
        object: object.id(),
        kind: object.kind(),
    };
    ioctl_struct(device, OBJ_GETPROPERTIES, &mut all)?;
    for id in ids.into_iter().take(all.count as usize) {
        let mut one = Property { pointers: [0; 2], id, flags: 0, name: [0; 32], counts: [0; 2] };
        ioctl_struct(device, GETPROPERTY, &mut one)?;
        if one.name.split(|byte| *byte == 0).next() == Some(name.as_bytes()) {
            return Ok(id);
        }
    }
    Err(Errno::ENOENT)
}

/// `DRM_IOCTL_MODE_CREATEPROPBLOB`: a mode of `size` by `size` pixels, 60 times a second.
///
/// # Errors
/// The errno of the call.
pub fn create_mode(device: BorrowedFd<'_>, size: u16) -> Result<u32, Errno> {
    let timing = [size, size + 4, size + 8, size + 16, 0];
    let total = u32::from(size) + 16;
    let mut mode =
        Mode { clock: total * total * 60 / 1000, horizontal: timing, vertical: timing, refresh: 60, ..Mode::default() };
    let data = std::ptr::from_mut(&mut mode) as u64;
    let mut blob = Blob { data, length: size_of::<Mode>() as u32, id: 0 };
    ioctl_struct(device, CREATEPROPBLOB, &mut blob)?;
    Ok(blob.id)
}

/// `DRM_IOCTL_MODE_DESTROYPROPBLOB`.
///
/// # Errors
/// The errno of the call.
pub fn destroy_mode(device: BorrowedFd<'_>, mut mode: u32) -> Result<(), Errno> {
    ioctl_struct(device, DESTROYPROPBLOB, &mut mode).map(drop)
}

/// `DRM_IOCTL_MODE_ADDFB2`: a framebuffer of `size` by `size` pixels of four bytes, in lines of `pitch` bytes, from the buffer
/// behind a handle.
///
/// # Errors
/// The errno of the call.
pub fn add_framebuffer(device: BorrowedFd<'_>, handle: u32, size: u32, pitch: u32) -> Result<u32, Errno> {
    let mut argument = Framebuffer {
        width: size,
        height: size,
        format: XRGB8888,
        handles: [handle, 0, 0, 0],
        pitches: [pitch, 0, 0, 0],
        ..Framebuffer::default()
    };
    ioctl_struct(device, ADDFB2, &mut argument)?;
    Ok(argument.id)
}

/// `DRM_IOCTL_MODE_RMFB`.
///
/// # Errors
/// The errno of the call.
pub fn remove_framebuffer(device: BorrowedFd<'_>, mut id: u32) -> Result<(), Errno> {
    ioctl_struct(device, RMFB, &mut id).map(drop)
}

/// `DRM_IOCTL_MODE_ATOMIC`, which may change the mode, and waits until the frame is shown.
///
/// # Errors
/// The errno of the call; `ENOENT` for a property that an object does not have.
pub fn commit(device: BorrowedFd<'_>, settings: &[Setting]) -> Result<(), Errno> {
    atomic(device, settings, ALLOW_MODESET)
}

/// As [`commit`], which begins to write the frame to the framebuffer of the writeback connector once `fence` signals, and does not
/// wait. Returns a sync_file that signals once it is written.
///
/// # Errors
/// As [`commit`].
pub fn write_back(
    device: BorrowedFd<'_>,
    settings: &[Setting],
    connector: DisplayObject,
    (plane, fence): (DisplayObject, BorrowedFd<'_>),
) -> Result<OwnedFd, Errno> {
    let mut written: RawFd = -1;
    let pointer = std::ptr::from_mut(&mut written) as u64;
    let more = [(plane, "IN_FENCE_FD", fence.as_raw_fd() as u64), (connector, "WRITEBACK_OUT_FENCE_PTR", pointer)];
    atomic(device, &[settings, &more].concat(), ALLOW_MODESET | NONBLOCK)?;
    Ok(own(written))
}

fn atomic(device: BorrowedFd<'_>, settings: &[Setting], flags: u32) -> Result<(), Errno> {
    // An object may occur more than once.
    let objects: Vec<u32> = settings.iter().map(|(object, ..)| object.id()).collect();
    let properties = settings.iter().map(|(object, name, _)| property(device, *object, name));
    let properties = properties.collect::<Result<Vec<u32>, Errno>>()?;
    let values: Vec<u64> = settings.iter().map(|(.., value)| *value).collect();
    let counts = vec![1_u32; settings.len()];
    let mut argument = Atomic {
        flags,
        count: settings.len() as u32,
        objects: objects.as_ptr() as u64,
        counts: counts.as_ptr() as u64,
        properties: properties.as_ptr() as u64,
        values: values.as_ptr() as u64,
        ..Atomic::default()
    };
    ioctl_struct(device, ATOMIC, &mut argument).map(drop)
}

const _: () = assert!(size_of::<CardResources>() == 64 && size_of::<Connector>() == 80);
const _: () = assert!(size_of::<ObjectProperties>() == 32 && size_of::<Property>() == 64);
const _: () = assert!(size_of::<Framebuffer>() == 104 && size_of::<Atomic>() == 56 && size_of::<Mode>() == 68);
