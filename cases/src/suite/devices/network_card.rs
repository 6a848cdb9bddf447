//! A network card that receives into a read-only alias.

use crate::prelude::*;
use crate::uapi::netdev::{self, Card};

case! {
    /// A network card can be bound to a read-only alias to send from it, which is what the alias is for, and to receive into it: it then
    /// writes every byte of the buffer. The same for a buffer that vgem exported O_RDONLY: the limit is older than aliases. Binding
    /// needs CAP_NET_ADMIN, but no right to write.
    "H-3", Hazard("netlink binds a queue to whatever buffer it gets a descriptor of, and maps it for the card to write"),
    Exporter::MAIN, [TestImporter, NetworkCard], [ALIASES, EXPORTED.needing(&[Need::Vgem]).only_on(Exporter::HEAP)],
    relies on [Importing]
}

const PAGES: usize = 2;
const BYTES: usize = PAGES * PAGE;
const WRITTEN: u8 = 0xe1;

fn run(s: &mut Steps, on: CaseParams) -> CaseResult {
    let buffer = s.read_only_buffer(on, "buffer", PAGES, 0x5a)?;
    let name = buffer.fd.name.clone();
    let before = buffer.observer.counts(&[&buffer.fd])?;
    let card = Card::start().or_broken(netdev::DEVICE)?;

    let text = format!("netdev_bind_tx({name})");
    let sending = s.call(text, |_| "bound".into(), || card.bind_sending(buffer.fd.as_fd()));
    if sending.is_ok() {
        s.note_held("the card", &buffer.observer, &name)?;
    }
    s.control("C-1", format!("the card may send from the {name}"), sending.map(drop).map_err(gave));

    let text = format!("netdev_bind_rx({name})");
    let receiving = s.call(text, |_| "bound".into(), || card.bind_receiving(buffer.fd.as_fd()));
    let mut written = 0;
    if receiving.is_ok() {
        s.note_held("the card", &buffer.observer, &name)?;
        let received = s.call("the card receives 2 pages", |()| "done".into(), || card.receive(&[WRITTEN; BYTES]));
        received.or_broken("receiving")?;
        written = buffer.count(WRITTEN);
    }
    s.note(format!("the card wrote {written} of {BYTES} bytes of the {name}"));
    s.hazard(format!("the card receives into the {name}"), written > 0);
    drop(receiving);
    s.holds("reference counts unchanged", buffer.observer.unchanged(&[&buffer.fd], &before)?);
    Ok(())
}
