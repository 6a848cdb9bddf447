//! A buffer that only an O_PATH descriptor keeps.

use nix::fcntl::OFlag;

use crate::prelude::*;

case! {
    /// The reader opens its descriptor with O_PATH through /proc and closes it, as everybody closes theirs. The O_PATH descriptor keeps the
    /// memory of the buffer, also when it is only in a message on a socket, and bufinfo does not list the buffer. When it is
    /// gone, the buffer is released once. The same without an alias: the limit is older.
    "H-8", Hazard("dma_buf_file_release() takes the buffer off the list, and dma_buf_release() of the dentry, which O_PATH holds, frees it"),
    Exporter::MAIN, [TestImporter, Bufinfo], [ALIASES, EXPORTED],
    relies on [Closing, Listing]
}

fn run(s: &mut Steps, on: CaseParams) -> CaseResult {
    let primary = s.export(on.exporter, 1)?.primary;
    let observer = BufferObserver::start(&primary)?;
    let (_, inode) = identity(&primary).or_broken("fstat")?;
    let listed = || times_listed(inode).or_broken(BUFINFO);
    let reader = match s.alias_if(on.fds(), "RO alias", &primary, RDONLY)? {
        Some(alias) => {
            s.close(primary);
            alias
        }
        None => primary,
    };
    s.about("I-5").equal("with its descriptors open: times in bufinfo", listed()?, 1);
    let text = format!("open(/proc/self/fd/{}, O_PATH)", reader.name);
    let path = s.call(text, |_| "path descriptor".into(), || reopen(reader.number(), OFlag::O_PATH));
    let path = s.about("PROC-3").succeeds("an O_PATH descriptor can be opened", path)?;
    s.close(reader);
    observer.drain()?;
    let kept = observer.alive()?.is_ok();
    let of_no_file = ensure(listed()? == 0 || files_listed(inode).or_broken(BUFINFO)? > 0, || {
        "bufinfo shows a file without references".into()
    });
    s.about("L-2").holds("all files closed: it is not listed with a file that is gone", of_no_file);
    s.hazard(
        "all files closed: the O_PATH descriptor keeps the buffer, which bufinfo does not list",
        kept && listed()? == 0,
    );

    let pair = Pair::new().or_broken("socketpair")?;
    pair.send(path.as_fd()).or_broken("sending an O_PATH descriptor")?;
    drop(path);
    observer.drain()?;
    let kept = observer.alive()?.is_ok();
    s.hazard("the O_PATH descriptor is only in a message: the same", kept && listed()? == 0);
    drop(pair);
    s.about("L-1").holds("socket closed: buffer released once", observer.gone()?);
    Ok(())
}
