//! A timer whose signal ends a call that waits.

use std::time::Duration;

use nix::errno::Errno;
use nix::sys::signal::{SigEvent, SigevNotify, Signal};
use nix::sys::time::TimeSpec;
use nix::sys::timer::{Expiration, Timer, TimerSetTimeFlags};
use nix::time::ClockId;

use super::process::handle_signal;

/// Runs `act` while this process, which has one thread, gets SIGALRM after `each` and again and again. An interruptible wait
/// in `act` ends with `EINTR`; no signal comes too early for it, because another one follows.
///
/// # Errors
/// The errno of timer_create(2), timer_settime(2) or sigaction(2).
pub fn interrupting<T>(each: Duration, act: impl FnOnce() -> T) -> Result<T, Errno> {
    handle_signal(Signal::SIGALRM, false)?;
    let event = SigEvent::new(SigevNotify::SigevSignal { signal: Signal::SIGALRM, si_value: 0 });
    let mut timer = Timer::new(ClockId::CLOCK_MONOTONIC, event)?;
    let each = TimeSpec::from_duration(each);
    timer.set(Expiration::IntervalDelayed(each, each), TimerSetTimeFlags::empty())?;
    let result = act();
    drop(timer);
    Ok(result)
}
