//! A broker that derives aliases in a domain of its own.

use crate::prelude::*;

case! {
    /// The policy permits a client to use what the broker opened, and not what the producer opened. The producer exports a buffer. The
    /// client gets the alias that the broker derived, and neither the primary nor an alias that the producer derived.
    "S-5", Contract, Exporter::MAIN, [Derive, Selinux]
}

fn run(s: &mut Steps, on: CaseParams) -> CaseResult {
    let mut selinux = Confinement::start()?;
    let primary = s.export(on.exporter, 1)?.primary;
    let own = s.must_derive("RO alias of the producer", &primary, RDONLY)?;
    s.policy_is_in_force(&mut selinux, &primary)?;

    let pair = Pair::new().or_broken("socketpair")?;
    let sent = s.attempt(&mut selinux, BROKER, "derives an RO alias and sends it", || {
        pair.send(derive(primary.as_fd(), RDONLY)?.as_fd())
    })?;
    s.succeeds("the broker derives", sent.result)?;
    let received = s.attempt(&mut selinux, CLIENT, "receives the alias of the broker and maps it", || {
        let alias = pair.receive()?;
        memory::map(alias.as_fd(), PAGE, libc::PROT_READ, libc::MAP_SHARED, 0).map(drop)
    })?;
    s.check("the client gets it", received.result.is_ok(), outcome_name(&received.result));
    let decided = received.decided();
    let brokers = decided
        .iter()
        .filter(|decision| decision.contains(" fd:"))
        .all(|decision| decision == "granted fd:{use} of broker_t");
    s.check("SELinux decided about the broker", brokers && !decided.is_empty(), format_args!("{decided:?}"));

    for fd in [&primary, &own] {
        let received = s.attempt_receive(&mut selinux, CLIENT, fd)?;
        s.fails_with(format!("the client does not get the {}", fd.name), &received.result, NOT_RECEIVED);
        let want = ["denied fd:{use} of producer_t".to_string()];
        s.equal("SELinux decided about the producer", received.decided(), want.to_vec());
    }
    Ok(())
}
