//! `/init` of the guest: sets up the machine, runs the plan, and stops the machine. In a shell it is `cases`.

fn main() {
    if let Some(status) = cases::exec_helper::run(std::env::args()) {
        std::process::exit(status);
    }
    if std::process::id() != 1 {
        std::process::exit(cases::cli::main(std::env::args().skip(1).collect()));
    }
    cases::init::main();
}
