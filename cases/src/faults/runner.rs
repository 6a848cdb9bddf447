//! Cases that attack the runner and its reports.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;

use nix::sys::ptrace;
use nix::unistd::Pid;

use super::{AREA, EXPORTER, FaultCase, fault_case};
use crate::protocol::{CaseKey, Outcome, Record};
use crate::steps::{CaseResult, OrBroken, Steps};
use crate::variant::CaseParams;

pub(super) const FAULT_CASES: &[FaultCase] = &[
    fault_case!(
        "runner_is_killed",
        "The case overwrites the code of init.",
        Brief,
        Fail,
        ["Attempted to kill init"],
        overwrite
    ),
    fault_case!(
        "runner_is_stopped",
        "The case stops init with ptrace.",
        Brief,
        Lost,
        ["the guest did not end it"],
        |s, _| {
            let init = Pid::from_raw(1);
            ptrace::attach(init).or_broken("ptrace")?;
            let _ = s.call(
                "pause()",
                |()| "ok".into(),
                || {
                    loop {
                        nix::unistd::pause();
                    }
                },
            );
            Ok(())
        }
    ),
    fault_case!(
        "garbage_on_the_channel",
        "The case writes invalid data to the result channel.",
        Brief,
        Broken,
        ["no record"],
        |s: &mut Steps, _: CaseParams| {
            s.check("a check holds", true, "");
            s.channel().raw(b"\x00\xff no record at all \n");
            Ok(())
        }
    ),
    fault_case!(
        "forged_end",
        "The case sends an end record itself.",
        Brief,
        Broken,
        ["was not running"],
        |s: &mut Steps, _: CaseParams| {
            let case = CaseKey::new(&format!("{AREA}forged_end"), EXPORTER.name());
            s.check("a check holds", true, "");
            s.channel().send(Record::End { case, outcome: Outcome::Pass, ms: 1 });
            Ok(())
        }
    ),
    fault_case!(
        "forged_count",
        "The case sends the final record of the run and restarts the machine.",
        Brief,
        Lost,
        ["restarted without a message"],
        |s: &mut Steps, _: CaseParams| {
            s.check("a check holds", true, "");
            s.channel().send(Record::Count { ended: 0 });
            s.channel().drain();
            nix::sys::reboot::reboot(nix::sys::reboot::RebootMode::RB_AUTOBOOT).or_broken("reboot").map(drop)
        }
    ),
];

/// Overwrites all code of process 1, which runs the same program as this process.
fn overwrite(s: &mut Steps, _on: CaseParams) -> CaseResult {
    let maps = fs::read_to_string("/proc/1/maps").or_broken("/proc/1/maps")?;
    let memory = File::options().write(true).open("/proc/1/mem").or_broken("/proc/1/mem")?;
    let code = maps.lines().filter(|line| line.contains(" r-xp ") && line.contains("/init"));
    let ranges: Vec<(u64, u64)> = code
        .filter_map(|line| {
            let (start, end) = line.split(' ').next()?.split_once('-')?;
            Some((u64::from_str_radix(start, 16).ok()?, u64::from_str_radix(end, 16).ok()?))
        })
        .collect();
    let _ = s.call(
        "write(/proc/1/mem, undefined instructions)",
        |()| "ok".into(),
        || {
            for (start, end) in &ranges {
                // ud2, from include/asm-generic: 0f 0b, whichever of the two bytes comes first.
                let junk = [0x0f, 0x0b].repeat((end - start) as usize / 2);
                let _ = memory.write_all_at(&junk, *start);
            }
            Ok(())
        },
    );
    s.note("the code of init is overwritten");
    Ok(())
}
