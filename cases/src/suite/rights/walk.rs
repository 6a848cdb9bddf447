//! Every sequence of up to four steps from a descriptor, looking for a right that it lacked.

use std::collections::{HashSet, VecDeque};

use crate::prelude::*;
use crate::uapi::process::pidfd_getfd;

case! {
    /// From a read-only alias and from heap buffers of every lesser access mode: no sequence of up to four steps out of
    /// deriving with any mode, dup, F_DUPFD, F_SETFL, an SCM_RIGHTS round trip and pidfd_getfd reaches a descriptor that
    /// can be mapped in a way that the first one could not, or that claims a mode that the first one had not. Without the
    /// patch the same holds for the heap buffers and the steps but deriving.
    "R-2", Contract, Exporter::MAIN, [],
    [ALIASES.needing(&[Need::Derive, Need::TestImporter]), EXPORTED.only_on(Exporter::HEAP)]
}

const DEPTH: usize = 4;

fn run(s: &mut Steps, on: On) -> CaseResult {
    if on.fds() == FdKind::Exported {
        return heap_modes(s, &Tools::new(false)?);
    }
    let primary = s.export(on.exporter, 1)?.primary;
    let observer = BufferObserver::start(&primary)?;
    let alias = s.must_derive("RO alias", &primary, RDONLY)?;
    s.must_balance(&observer, &primary, &alias)?;
    let tools = Tools::new(true)?;
    // Not from the primary: it has every right, so a walk from it could find nothing.
    walk(s, &tools, &alias)?;
    let all = Rights::of(&primary.quiet_dup().or_broken("dup")?);
    s.check("the primary, by the same measure, has every right", all.read && all.write, "it has not");
    if on.exporter == Exporter::SystemHeap {
        heap_modes(s, &tools)?;
    }
    Ok(())
}

/// Walks from a buffer of each access mode that gives less than everything.
fn heap_modes(s: &mut Steps, tools: &Tools) -> CaseResult {
    for (name, mode) in [
        ("O_RDONLY heap buffer", libc::O_RDONLY),
        ("O_WRONLY heap buffer", libc::O_WRONLY),
        ("mode 3 heap buffer", libc::O_ACCMODE),
    ] {
        let root = s.heap_export(name, 1, (mode | libc::O_CLOEXEC) as u32)?;
        walk(s, tools, &root)?;
    }
    Ok(())
}

/// What a descriptor lets its holder do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Rights {
    read: bool,
    write: bool,
}

impl Rights {
    /// By deed and by claim: what can be mapped, and what F_GETFL says.
    fn of(fd: &OwnedFd) -> Self {
        let claimed = fcntl(fd.as_raw_fd(), libc::F_GETFL, 0).unwrap_or(libc::O_ACCMODE) & libc::O_ACCMODE;
        let mapped = |prot| memory::map(fd.as_fd(), PAGE, prot, libc::MAP_SHARED, 0);
        let readable = mapped(libc::PROT_READ);
        let upgraded = readable.as_ref().is_ok_and(|mapping| mapping.protect(RW).is_ok());
        Rights {
            read: readable.is_ok() || matches!(claimed, libc::O_RDONLY | libc::O_RDWR),
            write: upgraded || mapped(libc::PROT_WRITE).is_ok() || matches!(claimed, libc::O_WRONLY | libc::O_RDWR),
        }
    }

    fn exceed(self, root: Rights) -> bool {
        self.read && !root.read || self.write && !root.write
    }
}

/// One way to get from a descriptor to a descriptor.
enum Move {
    Derive(u32),
    Dup,
    DupFd,
    SetFlags,
    Message,
    Steal,
}

impl Move {
    fn name(&self) -> String {
        match self {
            Move::Derive(flags) => format!("derive {}", flags_text(*flags)),
            Move::Dup => "dup".into(),
            Move::DupFd => "F_DUPFD".into(),
            Move::SetFlags => "F_SETFL O_RDWR|O_APPEND|O_NONBLOCK".into(),
            Move::Message => "SCM_RIGHTS".into(),
            Move::Steal => "pidfd_getfd".into(),
        }
    }
}

/// The moves, and what they need.
struct Tools {
    moves: Vec<Move>,
    pair: Pair,
    own: OwnedFd,
}

impl Tools {
    /// With or without deriving among the moves.
    fn new(derive: bool) -> CaseResult<Self> {
        let pair = Pair::new().or_broken("socketpair")?;
        let own = pidfd(getpid()).or_broken("pidfd_open")?;
        let modes = [libc::O_RDWR, libc::O_RDONLY, libc::O_WRONLY, libc::O_ACCMODE];
        let flags = modes.into_iter().flat_map(|mode| [mode as u32, (mode | libc::O_CLOEXEC) as u32]);
        let mut moves: Vec<Move> = flags.filter(|_| derive).map(Move::Derive).collect();
        // F_SETFL changes the description that it is used on, so it is the last that is tried on one.
        moves.extend([Move::Dup, Move::DupFd, Move::Message, Move::Steal, Move::SetFlags]);
        Ok(Tools { moves, pair, own })
    }

    fn make(&self, way: &Move, from: &OwnedFd) -> Result<OwnedFd, Errno> {
        match way {
            Move::Derive(flags) => dma_buf::derive(from.as_fd(), *flags),
            Move::Dup => dup(from.as_fd()),
            Move::DupFd => nix::fcntl::fcntl(from, nix::fcntl::FcntlArg::F_DUPFD_CLOEXEC(0)).map(crate::uapi::own),
            Move::SetFlags => {
                let same = dup(from.as_fd())?;
                fcntl(same.as_raw_fd(), libc::F_SETFL, libc::O_RDWR | libc::O_APPEND | libc::O_NONBLOCK)?;
                Ok(same)
            }
            Move::Message => {
                self.pair.send(from.as_fd())?;
                self.pair.receive()
            }
            Move::Steal => pidfd_getfd(&self.own, from.as_raw_fd()),
        }
    }
}

/// What makes two descriptors the same for the walk: their rights, their status flags, and whether deriving made them.
type State = (Rights, i32, bool);

/// Breadth first, so that the first path that is found is a shortest one.
fn walk(s: &mut Steps, tools: &Tools, root: &Fd) -> CaseResult {
    let start = root.quiet_dup().or_broken("dup")?;
    let limit = Rights::of(&start);
    let state = |fd: &OwnedFd, alias| (Rights::of(fd), fcntl(fd.as_raw_fd(), libc::F_GETFL, 0).unwrap_or(-1), alias);
    let mut seen: HashSet<State> = HashSet::from([state(&start, false)]);
    let mut queue = VecDeque::from([(start, false, Vec::<String>::new())]);
    let mut gain = None;
    'walk: while let Some((from, alias, path)) = queue.pop_front() {
        if path.len() == DEPTH {
            continue;
        }
        for way in &tools.moves {
            let to = match tools.make(way, &from) {
                Ok(to) => to,
                // A request for more is refused; any other step has to work, or the walk proves nothing.
                Err(_) if matches!(way, Move::Derive(_)) => continue,
                Err(errno) => return Err(Abort::Broken(format!("{}: {}", way.name(), errno_name(errno)))),
            };
            let alias = alias || matches!(way, Move::Derive(_));
            let reached = state(&to, alias);
            let path: Vec<String> = path.iter().cloned().chain([way.name()]).collect();
            if reached.0.exceed(limit) {
                gain = Some(path.join(", then "));
                break 'walk;
            }
            if seen.insert(reached) {
                queue.push_back((to, alias, path));
            }
        }
    }
    let detail = gain.as_ref().map(|path| format!("shortest path: {path}")).unwrap_or_default();
    s.check(format!("no path from {} gains a right", root.name), gain.is_none(), detail);
    Ok(())
}
