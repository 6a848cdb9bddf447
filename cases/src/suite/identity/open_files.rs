//! One inode, several open file descriptions.

use nix::sys::stat::fstat;

use crate::prelude::*;

case! {
    /// All descriptors of a buffer have its st_dev, st_ino and size. Each alias is an open file description of its own:
    /// kcmp shows that, and a status flag set on one is not set on the others. Duplicates are one open file description
    /// and share status flags. Another buffer has another inode.
    "I-1", Contract, Exporter::WITH_DEVICES, [], [ALIASES, DUPLICATES]
}

const PAGES: usize = 3;

fn run(s: &mut Steps, on: CaseParams) -> CaseResult {
    let primary = s.export(on.exporter, PAGES)?.primary;
    let other = s.export(on.exporter, 1)?.primary;
    let descriptors = s.descriptors_of(on.fds(), primary)?.into_vec();
    let want = identity(&descriptors[0]).or_broken("fstat")?;
    for fd in &descriptors {
        s.check(format!("{} has the buffer's st_dev and st_ino", fd.name), identity(fd) == Ok(want), "they differ");
        let size = fstat(fd).map(|stat| stat.st_size);
        s.equal(format!("st_size of {}", fd.name), size, Ok((PAGES * PAGE) as i64));
        if on.fds() == FdKind::Duplicate {
            let same = same_description(descriptors[0].number(), fd.number()).or_broken("kcmp")?;
            s.check(format!("{} is the same open file description", fd.name), same, "kcmp: different");
        }
    }
    s.check("another buffer has a different st_ino", identity(&other) != Ok(want), "it has the same");
    if on.fds() == FdKind::Alias { each_is_its_own(s, &descriptors) } else { all_are_one(s, &descriptors) }
}

fn each_is_its_own(s: &mut Steps, descriptors: &[Fd]) -> CaseResult {
    for (index, one) in descriptors.iter().enumerate() {
        for two in &descriptors[index + 1..] {
            let same = same_description(one.number(), two.number()).or_broken("kcmp")?;
            s.check(format!("{} and {} are different open file descriptions", one.name, two.name), !same, "kcmp: same");
        }
        let duplicate = s.dup("duplicate", one)?;
        let same = same_description(one.number(), duplicate.number()).or_broken("kcmp")?;
        s.check(format!("a duplicate of {} is the same open file description", one.name), same, "kcmp: different");
    }

    for (index, one) in descriptors.iter().enumerate() {
        let flag = |fd: i32| fcntl(fd, libc::F_GETFL, 0).map(|flags| flags & libc::O_NONBLOCK != 0);
        fcntl(one.number(), libc::F_SETFL, libc::O_NONBLOCK).or_broken("F_SETFL")?;
        let others: Result<Vec<bool>, Errno> = descriptors
            .iter()
            .enumerate()
            .filter(|(place, _)| *place != index)
            .map(|(_, fd)| flag(fd.number()))
            .collect();
        let alone = flag(one.number()) == Ok(true) && others.is_ok_and(|others| !others.contains(&true));
        s.check(format!("O_NONBLOCK set on {} is set only there", one.name), alone, "it is not");
        fcntl(one.number(), libc::F_SETFL, 0).or_broken("F_SETFL")?;
    }
    Ok(())
}

fn all_are_one(s: &mut Steps, descriptors: &[Fd]) -> CaseResult {
    fcntl(descriptors[3].number(), libc::F_SETFL, libc::O_NONBLOCK).or_broken("F_SETFL")?;
    let flags = descriptors.iter().map(|fd| fcntl(fd.number(), libc::F_GETFL, 0).map(|flags| flags & libc::O_NONBLOCK));
    let flags = flags.collect::<Result<Vec<_>, Errno>>();
    s.equal("O_NONBLOCK set on one is set on all", flags, Ok(vec![libc::O_NONBLOCK; 4]));
    Ok(())
}
