//! `cargo xtask shell` with a prompt and with a script. Timeouts are long enough for any machine.

use std::fs;
use std::io::{Seek, Write};
use std::process::Stdio;

use nix::sys::termios::{LocalFlags, tcgetattr};
use rexpect::process::WaitStatus;
use rexpect::session::{PtySession, spawn_command};

use crate::common::{Ran, command, root, run};

/// Timeout for each expected output, in milliseconds. The first one may include building a kernel.
const TIMEOUT_MS: u64 = 600_000;
const PROMPT: &str = "guest:/root # ";

fn shell(args: &[&str]) -> PtySession {
    let args = [&["shell"], args].concat();
    spawn_command(command(&args), Some(TIMEOUT_MS)).expect("a terminal")
}

/// Types a line and waits for output that is not in it.
fn types(session: &mut PtySession, line: &str, answer: &str) -> String {
    session.send_line(line).expect("the terminal takes it");
    sees(session, answer)
}

/// Waits for output, and returns what came before it.
fn sees(session: &mut PtySession, words: &str) -> String {
    session.exp_string(words).unwrap_or_else(|error| panic!("{words}: {error}"))
}

/// Whether the terminal is in its usual mode: line by line, with Ctrl-C as a signal. rexpect only turns off the echo.
fn is_sane(session: &PtySession) -> bool {
    let flags = tcgetattr(session.process().get_file_handle().expect("a terminal")).expect("its settings").local_flags;
    flags.contains(LocalFlags::ICANON | LocalFlags::ISIG)
}

/// Waits for the end, and returns the exit code.
fn code(session: &mut PtySession) -> i32 {
    let rest = session.exp_eof().expect("the program ends");
    match session.process().wait() {
        Ok(WaitStatus::Exited(_, code)) => code,
        other => panic!("{other:?} after {rest}"),
    }
}

#[test]
#[ignore = "boots a kernel"]
fn a_person_works_in_the_guest_and_gets_the_terminal_back() {
    let mut session = shell(&[]);
    sees(&mut session, PROMPT);
    assert!(!is_sane(&session), "keys should go to the guest");
    types(&mut session, "uname -r", "7.2.");
    types(&mut session, "cases run R-2; echo status=$?", "case   rights/walk   exporter system-heap");
    let output = sees(&mut session, "status=0");
    assert!(output.contains("end    pass") && output.contains("(exit status 0)"), "{output}");
    types(&mut session, "cases run no-such-case; echo status=$?", "status=2");
    // The runner kills only processes of its cases: the shell and its background jobs survive.
    types(&mut session, "sleep 100000 & cases run killed_holders; echo status=$?", "status=0");
    types(&mut session, "kill $! && echo killed-$((40 + 2))", "killed-42");
    // Ctrl-C goes to the guest, not to xtask.
    session.send_line("echo sleeping-$((40 + 2)); sleep 100000").unwrap();
    sees(&mut session, "sleeping-42");
    session.send_control('c').unwrap();
    sees(&mut session, PROMPT);
    types(&mut session, "echo alive-$((40 + 2))", "alive-42");
    session.send_line("exit 3").unwrap();
    assert_eq!(code(&mut session), 0);
    assert!(is_sane(&session));
}

#[test]
#[ignore = "boots a kernel"]
fn ctrl_a_x_ends_a_guest_that_does_not_respond() {
    let mut session = shell(&[]);
    sees(&mut session, PROMPT);
    session.send_line("trap '' INT; echo stubborn-$((40 + 2)); while :; do :; done").unwrap();
    sees(&mut session, "stubborn-42");
    session.send_control('c').unwrap();
    session.send_control('a').unwrap();
    session.send("h").unwrap();
    session.flush().unwrap();
    sees(&mut session, "Ctrl-A x ends the guest");
    session.send_control('a').unwrap();
    session.send("x").unwrap();
    session.flush().unwrap();
    assert_eq!(code(&mut session), 0);
    assert!(is_sane(&session));
}

/// Runs with commands on standard input.
fn piped(commands: &str, args: &[&str]) -> Ran {
    let mut file = tempfile::tempfile().expect("a file");
    file.write_all(commands.as_bytes()).and_then(|()| file.rewind()).expect("it takes them");
    run(command(&[&["shell"], args].concat()).stdin(Stdio::from(file)))
}

#[test]
#[ignore = "boots a kernel"]
fn only_the_output_of_the_commands_is_printed() {
    let ran = piped("cd /sys/kernel/debug/dma_buf\necho one; echo two >&2\nls bufinfo\nexit 7\n", &["--quiet"]);
    assert_eq!((ran.code, ran.stdout.as_str(), ran.stderr.as_str()), (7, "one\nbufinfo\n", "two\n"));
}

#[test]
#[ignore = "builds and boots a kernel"]
fn a_violated_clause_is_the_exit_code_of_the_shell() {
    let patch = root().join("harness/tests/defects/no-access-check.patch");
    let args = ["--with", patch.to_str().unwrap(), "--command", "cases run derive_table@udmabuf"];
    let ran = piped("", &args);
    assert_eq!(ran.code, 10, "{}{}", ran.stdout, ran.stderr);
    assert!(ran.stdout.contains("FAILED: ") && ran.stdout.contains("end    fail"), "{}", ran.stdout);
}

#[test]
#[ignore = "boots a kernel"]
fn a_kernel_panic_is_a_lost_guest_and_not_an_exit_code() {
    let ran = piped("echo before\necho c > /proc/sysrq-trigger\necho after\n", &[]);
    assert_eq!((ran.code, ran.stdout.as_str()), (20, "before\n"), "{}", ran.stderr);
    assert!(ran.stderr.contains("the guest was lost") && ran.stderr.contains("sysrq_handle_crash"), "{}", ran.stderr);
}

/// The flavour that is built fastest. These tests fail if virtme-ng cannot be installed, with a message that says how to.
const VNG: &[&str] = &["--vng", "--flavour", "fast"];

#[test]
#[ignore = "installs virtme-ng, builds and boots a kernel"]
fn under_virtme_ng_a_person_has_the_files_of_the_host_and_the_cases() {
    let mut session = shell(VNG);
    sees(&mut session, "cases explain R-2");
    let line = fs::read_to_string(root().join("kernels.toml")).unwrap().lines().next().unwrap().to_string();
    types(&mut session, &format!("head -n 1 {}/kernels.toml", root().display()), &line);
    types(&mut session, "cases run R-2; echo status=$?", "case   rights/walk   exporter system-heap");
    let output = sees(&mut session, "status=0");
    assert!(output.contains("end    pass") && output.contains("(exit status 0)"), "{output}");
    // Keys typed before the next prompt can be lost with the signal.
    types(&mut session, "sh -c 'echo sleeping-$((40 + 2)); exec sleep 100000'", "sleeping-42");
    session.send_control('c').unwrap();
    sees(&mut session, "virtme-ng:");
    types(&mut session, "echo alive-$((40 + 2))", "alive-42");
    session.send_line("exit").unwrap();
    assert_eq!(code(&mut session), 0);
    assert!(is_sane(&session));
}

#[test]
#[ignore = "installs virtme-ng, builds and boots a kernel"]
fn under_virtme_ng_a_script_prints_its_output_and_returns_its_code() {
    let ran = piped("uname -n; cases run derive_table@udmabuf >&2 && exit 7\n", &[VNG, &["--quiet"]].concat());
    assert_eq!((ran.code, ran.stdout.trim()), (7, "virtme-ng"), "{}", ran.stderr);
    assert!(ran.stderr.contains("end    pass"), "{}", ran.stderr);
}
