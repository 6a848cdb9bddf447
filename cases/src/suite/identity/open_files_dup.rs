//! As `open_files`, for duplicates, which are no open files of their own.

use nix::errno::Errno;
use nix::libc;
use nix::sys::stat::fstat;

use crate::case::Judgement::Contract;
use crate::exporter::Exporter;
use crate::fixture::facts::identity;
use crate::fixture::siblings::Kin;
use crate::steps::{OrBroken, Step, Steps, errno_name};
use crate::uapi::fcntl;
use crate::uapi::memory::PAGE;
use crate::uapi::process::same_description;

crate::case! {
    /// Without any alias: duplicates of a descriptor have the buffer's st_dev, st_ino and size and are one open file
    /// description, status flags included. Another export has another inode.
    "I-1", Contract, Exporter::MAIN, []
}

const PAGES: usize = 3;

fn run(s: &mut Steps, exporter: Exporter) -> Step {
    let primary = s.export(exporter, PAGES)?.primary;
    let other = s.export(exporter, 1)?.primary;
    let family = s.kin(Kin::Duplicates, primary)?.into_vec();
    let want = identity(&family[0]).map_err(errno_name).or_broken("fstat")?;
    for fd in &family {
        s.check(format!("{} has the buffer's st_dev and st_ino", fd.name), identity(fd) == Ok(want), "others");
        let size = fstat(fd).map(|stat| stat.st_size);
        s.equal(format!("st_size of {}", fd.name), size, Ok((PAGES * PAGE) as i64));
        let same = same_description(family[0].number(), fd.number()).map_err(errno_name).or_broken("kcmp")?;
        s.check(format!("{} is the same open file", fd.name), same, "kcmp: another");
    }
    s.check("another buffer has another st_ino", identity(&other) != Ok(want), "it has the same");
    fcntl(family[3].number(), libc::F_SETFL, libc::O_NONBLOCK).map_err(errno_name).or_broken("F_SETFL")?;
    let flags = family.iter().map(|fd| fcntl(fd.number(), libc::F_GETFL, 0).map(|flags| flags & libc::O_NONBLOCK));
    let flags = flags.collect::<Result<Vec<_>, Errno>>();
    s.equal("O_NONBLOCK set on one shows on all", flags, Ok(vec![libc::O_NONBLOCK; 4]));
    Ok(())
}
