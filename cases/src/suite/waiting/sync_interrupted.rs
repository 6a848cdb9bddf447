//! Signals for a thread that waits in SYNC.

use nix::sys::signal::Signal;

use crate::prelude::*;
use crate::uapi::process::handle_signal;

case! {
    /// A SYNC that waits for a fence ends with EINTR when a signal arrives whose handler does not restart calls. With a
    /// handler that restarts calls it goes on waiting, and succeeds after the fence. SIGKILL ends a process that waits.
    /// Afterwards SYNC still waits for the fence.
    "WAIT-3", Contract, Exporter::HEAP, [SwSync], [ALIASES, DUPLICATES]
}

fn run(s: &mut Steps, on: CaseParams) -> CaseResult {
    let primary = s.export(on.exporter, 1)?.primary;
    let descriptors = s.descriptors_of(on.fds(), primary)?.into_vec();
    let timeline = Timeline::new()?;
    let fence = timeline.next()?;
    let imported = s.import_fence(&descriptors[0], SyncAccess::Write, "fence", &fence);
    s.succeeds("primary imports the fence", imported)?;

    // First, because a process with several threads should not fork.
    let pid =
        spawn(|| begin_cpu_access(descriptors[2].as_fd(), SyncAccess::Read).map_or_else(|errno| errno as i32, |()| 0))
            .or_broken("fork")?;
    let waits = sleeps(pid);
    let ended = kill_and_reap(pid).or_broken("killing a process")?;
    let sentence = format!("SIGKILL ends a process in SYNC({}, START, READ)", descriptors[2].name);
    let detail = match ended {
        ChildStatus::Exited(errno) if errno != 0 => format!("it returned {}", errno_name(Errno::from_raw(errno))),
        _ => "it did not wait for the fence".into(),
    };
    // Who does not wait cannot be interrupted.
    s.about("WAIT-2").must(sentence, waits, detail)?;

    for (fd, access) in [(&descriptors[3], SyncAccess::Read), (&descriptors[1], SyncAccess::ReadWrite)] {
        let text = format!("SYNC({}, START, {})", fd.name, access_text(access));
        handle_signal(Signal::SIGUSR1, false).or_broken("sigaction")?;
        let call = begins(fd, access)?;
        s.about("WAIT-2").must(format!("{text} waits for the fence"), call.asleep()?, "it returned")?;
        call.signal(Signal::SIGUSR1).or_broken("tgkill")?;
        let result = call.result();
        let detail = format_args!("{result:?}");
        s.check(format!("{text} ends with EINTR when a signal arrives"), result == Some(Err(Errno::EINTR)), detail);
    }

    handle_signal(Signal::SIGUSR1, true).or_broken("sigaction")?;
    let call = begins(&descriptors[3], SyncAccess::Read)?;
    let mut asleep = call.asleep()?;
    for _ in 0..3 {
        call.signal(Signal::SIGUSR1).or_broken("tgkill")?;
        asleep &= call.asleep()?;
    }
    s.must("with SA_RESTART it waits on after each of three signals", asleep, "it returned")?;
    timeline.advance()?;
    let result = call.result();
    s.check("it succeeds once the fence has signalled", result == Some(Ok(())), format_args!("{result:?}"));
    Ok(())
}

fn begins(fd: &Fd, access: SyncAccess) -> CaseResult<Blocked<Result<(), Errno>>> {
    let own = fd.quiet_dup().or_broken("dup")?;
    Blocked::start(move || begin_cpu_access(own.as_fd(), access))
}

/// Whether a child goes to sleep before it ends.
fn sleeps(pid: Pid) -> bool {
    loop {
        match std::fs::read_to_string(format!("/proc/{pid}/stat")) {
            Ok(text) if is_asleep(&text) => return true,
            Ok(text) if !text.contains(") Z ") => std::thread::yield_now(),
            _ => return false,
        }
    }
}
