//! SET_NAME when its allocation fails.

use crate::prelude::*;

case! {
    /// If an allocation inside SET_NAME fails, the caller gets ENOMEM and the buffer keeps its name. The next call
    /// succeeds.
    "L-8", Contract, Exporter::HEAP, [FaultInjection], [ALIASES, DUPLICATES]
}

fn run(s: &mut Steps, on: CaseParams) -> CaseResult {
    let primary = s.export(on.exporter, 1)?.primary;
    let descriptors = s.descriptors_of(on.fds(), primary)?.into_vec();
    let fail = FailNth::prepare()?;
    let shown = |fd: &Fd| fdinfo(fd).map(|info| info.name.unwrap_or_default()).map_err(gave);
    // Whether a read-only alias may set the name is for a record to say.
    for fd in &descriptors[..2] {
        let before = || set_name(fd.as_fd(), c"before").or_broken("naming the buffer");
        let walked = fail.each_allocation(
            before,
            |()| set_name(fd.as_fd(), c"after"),
            |(), result| {
                let want = if result.is_ok() { "after" } else { "before" };
                let found = descriptors.iter().try_for_each(|fd| {
                    let name = shown(fd)?;
                    ensure(name == want, || format!("{} shows {name:?}", fd.name))
                });
                let again =
                    set_name(fd.as_fd(), c"again").map_err(|errno| format!("the next call: {}", errno_name(errno)));
                Ok(found.and(again))
            },
        )?;
        let some = walked.and_then(|failed| ensure(failed > 0, || "the call allocates no memory".into()));
        s.holds(format!("set_name({}) with any allocation failing: a clean errno, the name is kept", fd.name), some);
    }
    Ok(())
}
