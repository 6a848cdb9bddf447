//! `/init` of the guest: sets the machine up, runs the plan, and ends the machine.

fn main() {
    if let Some(status) = cases::helper::run(std::env::args()) {
        std::process::exit(status);
    }
    cases::init::main();
}
