//! Binding dma-bufs to the queues of a network card: the part of include/uapi/linux/netdev.h for it, over generic netlink
//! (Documentation/networking/devmem.rst), and the card of `cases/kernel/net`.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::libc;
use nix::sys::socket::{AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, recv, send, socket};

use super::ioctl_struct;

/// The card's directory in sysfs.
pub const DEVICE: &str = "/sys/class/net/dbc0";

const NAME: [u8; 16] = *b"dbc0\0\0\0\0\0\0\0\0\0\0\0\0";

/// `struct ifreq`: a name, and a union of 24 bytes.
#[repr(C)]
struct InterfaceRequest {
    name: [u8; 16],
    /// `ifr_flags` in the low half of the first byte pair, `ifr_ifindex`, or the address `ifr_data`.
    value: u64,
    rest: [u64; 2],
}

/// `struct dbc_net_receive`.
#[repr(C)]
struct Receive {
    data: u64,
    len: u64,
}

const GET_INDEX: u32 = libc::SIOCGIFINDEX as u32;
const SET_FLAGS: u32 = libc::SIOCSIFFLAGS as u32;
/// `SIOCDEVPRIVATE`.
const RECEIVE: u32 = 0x89f0;

/// `GENL_ID_CTRL`, `CTRL_CMD_GETFAMILY`, `CTRL_ATTR_FAMILY_ID`, `CTRL_ATTR_FAMILY_NAME`.
const CONTROL: (u16, u8) = (0x10, 3);
const FAMILY_ID: u16 = 1;
const FAMILY_NAME: u16 = 2;
/// `NETDEV_CMD_BIND_RX` and `NETDEV_CMD_BIND_TX`.
const BIND_RX: u8 = 13;
const BIND_TX: u8 = 15;
/// `NETDEV_A_DMABUF_IFINDEX`, `_QUEUES`, `_FD`.
const IFINDEX: u16 = 1;
const QUEUES: u16 = 2;
const DMABUF_FD: u16 = 3;
/// `NETDEV_A_QUEUE_ID` and `NETDEV_A_QUEUE_TYPE`, which is 0 for receiving.
const QUEUE_ID: u16 = 1;
const QUEUE_TYPE: u16 = 3;
const NESTED: u16 = 0x8000;

/// The headers of a message, struct nlmsghdr and struct genlmsghdr, and that of an attribute.
const HEADERS: usize = 16 + 4;
const ATTRIBUTE: usize = 4;

/// The card, set up.
#[derive(Debug)]
pub struct Card {
    socket: OwnedFd,
    index: u32,
}

/// A binding of a buffer to the card. The kernel keeps it as long as its socket is open.
#[derive(Debug)]
pub struct Binding(#[allow(dead_code, reason = "closing it is what ends the binding")] OwnedFd);

impl Card {
    /// Starts the card.
    ///
    /// # Errors
    /// The errno of the call that failed.
    pub fn start() -> Result<Self, Errno> {
        let socket = socket(AddressFamily::Unix, SockType::Datagram, SockFlag::SOCK_CLOEXEC, None)?;
        let mut request = InterfaceRequest { name: NAME, value: 0, rest: [0; 2] };
        ioctl_struct(socket.as_fd(), GET_INDEX, &mut request)?;
        let index = request.value as u32;
        request.value = libc::IFF_UP as u64;
        ioctl_struct(socket.as_fd(), SET_FLAGS, &mut request)?;
        Ok(Card { socket, index })
    }

    /// Lets the card receive whole pages, which it writes to the buffers of its queue.
    ///
    /// # Errors
    /// The errno of the call.
    pub fn receive(&self, data: &[u8]) -> Result<(), Errno> {
        let received = Receive { data: data.as_ptr() as u64, len: data.len() as u64 };
        let value = std::ptr::from_ref(&received) as u64;
        let mut request = InterfaceRequest { name: NAME, value, rest: [0; 2] };
        ioctl_struct(self.socket.as_fd(), RECEIVE, &mut request).map(drop)
    }

    /// `NETDEV_CMD_BIND_RX`: the card is to receive into a buffer.
    ///
    /// # Errors
    /// The errno that the kernel answers.
    pub fn bind_receiving(&self, dma_buf: BorrowedFd<'_>) -> Result<Binding, Errno> {
        let queue = [attribute(QUEUE_ID, &number(0)), attribute(QUEUE_TYPE, &number(0))].concat();
        self.bind(BIND_RX, dma_buf, &attribute(QUEUES | NESTED, &queue))
    }

    /// `NETDEV_CMD_BIND_TX`: the card is to send from a buffer.
    ///
    /// # Errors
    /// The errno that the kernel answers.
    pub fn bind_sending(&self, dma_buf: BorrowedFd<'_>) -> Result<Binding, Errno> {
        self.bind(BIND_TX, dma_buf, &[])
    }

    fn bind(&self, command: u8, dma_buf: BorrowedFd<'_>, more: &[u8]) -> Result<Binding, Errno> {
        let protocol = SockProtocol::NetlinkGeneric;
        let socket = socket(AddressFamily::Netlink, SockType::Raw, SockFlag::SOCK_CLOEXEC, protocol)?;
        let answer = ask(&socket, CONTROL, &attribute(FAMILY_NAME, b"netdev\0"))?;
        let family = find(&answer, FAMILY_ID).and_then(|id| id.try_into().ok()).ok_or(Errno::EPROTO)?;
        let fd = number(dma_buf.as_raw_fd() as u32);
        let text = [&attribute(IFINDEX, &number(self.index)), &attribute(DMABUF_FD, &fd), more].concat();
        ask(&socket, (u16::from_ne_bytes(family), command), &text)?;
        Ok(Binding(socket))
    }
}

impl Drop for Card {
    fn drop(&mut self) {
        let mut request = InterfaceRequest { name: NAME, value: 0, rest: [0; 2] };
        let _ = ioctl_struct(self.socket.as_fd(), SET_FLAGS, &mut request);
    }
}

/// Sends one request, and gives the attributes of the answer.
fn ask(socket: &OwnedFd, (family, command): (u16, u8), attributes: &[u8]) -> Result<Vec<u8>, Errno> {
    let len = number((HEADERS + attributes.len()) as u32);
    let flags = libc::NLM_F_REQUEST as u16;
    let headers = [&len[..], &family.to_ne_bytes(), &flags.to_ne_bytes(), &[0; 8], &[command, 1, 0, 0]].concat();
    send(socket.as_raw_fd(), &[&headers, attributes].concat(), MsgFlags::empty())?;
    let mut answer = vec![0; 8192];
    let got = recv(socket.as_raw_fd(), &mut answer, MsgFlags::empty())?;
    answer.truncate(got);
    let kind = answer.get(4..6).and_then(|kind| kind.try_into().ok()).map(u16::from_ne_bytes);
    if kind == Some(libc::NLMSG_ERROR as u16) {
        let errno = answer.get(16..20).and_then(|errno| errno.try_into().ok()).map_or(0, i32::from_ne_bytes);
        return Err(Errno::from_raw(-errno));
    }
    answer.get(HEADERS..).map(<[u8]>::to_vec).ok_or(Errno::EPROTO)
}

fn number(number: u32) -> [u8; 4] {
    number.to_ne_bytes()
}

/// A struct nlattr, its value, and the padding to four bytes.
fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
    let len = ((ATTRIBUTE + value.len()) as u16).to_ne_bytes();
    let mut bytes = [&len[..], &kind.to_ne_bytes(), value].concat();
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

/// The value of an attribute.
fn find(mut attributes: &[u8], kind: u16) -> Option<&[u8]> {
    loop {
        let header = attributes.get(..ATTRIBUTE)?;
        let len = usize::from(u16::from_ne_bytes([header[0], header[1]])).max(ATTRIBUTE);
        if u16::from_ne_bytes([header[2], header[3]]) == kind {
            return attributes.get(ATTRIBUTE..len);
        }
        attributes = attributes.get(len.next_multiple_of(4)..)?;
    }
}

const _: () = assert!(size_of::<InterfaceRequest>() == 40 && size_of::<Receive>() == 16);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_attribute_is_found_behind_one_with_padding() {
        let attributes = [attribute(FAMILY_NAME, b"netdev\0"), attribute(FAMILY_ID, &31_u16.to_ne_bytes())].concat();
        assert_eq!(attributes.len() % 4, 0);
        assert_eq!(find(&attributes, FAMILY_ID), Some(&31_u16.to_ne_bytes()[..]));
        assert_eq!(find(&attributes, FAMILY_NAME), Some(&b"netdev\0"[..]));
        assert_eq!(find(&attributes, 7), None);
        assert_eq!(find(&attributes[..6], FAMILY_ID), None);
    }
}
