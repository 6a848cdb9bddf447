use super::*;

#[test]
fn output_comes_line_by_line() {
    let mut seen = Vec::new();
    let output = Cmd::new("sh").args(["-c", "echo one; echo two >&2"]).each_line(|line| seen.push(line.to_string()));
    assert!(output.unwrap().status.success());
    assert_eq!(seen, ["one", "two"]);
}

#[test]
fn with_redrawing_a_carriage_return_ends_a_line() {
    let printed = |cmd: Cmd| {
        let mut seen = Vec::new();
        cmd.args(["-c", r"printf 'a\r\nb 1%%\rb 2%%\n\nend'"]).each_line(|line| seen.push(line.to_string())).unwrap();
        seen
    };
    assert_eq!(printed(Cmd::new("sh")), ["a\r", "b 1%\rb 2%", "", "end"]);
    assert_eq!(printed(Cmd::new("sh").redrawing()), ["a", "", "b 1%", "b 2%", "", "end"]);
}

#[test]
fn a_limit_kills_the_whole_group() {
    let cmd = Cmd::new("sh").args(["-c", "sleep 600 & sleep 600"]).limit(Duration::from_millis(300));
    let error = cmd.run().unwrap_err();
    assert!(error.to_string().contains("timed out"), "{error}");
}

#[test]
fn processes_that_outlive_the_child_are_killed() {
    let dir = tempfile::tempdir().unwrap();
    let note = dir.path().join("pid");
    let script = format!("sleep 600 >/dev/null 2>&1 & echo $! > {}", note.display());
    Cmd::new("sh").args(["-c", &script]).run().unwrap();
    let pid: i32 = std::fs::read_to_string(note).unwrap().trim().parse().unwrap();
    // SIGKILL was sent; wait until the process is dead.
    let stat = || std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    while !stat().is_empty() && !stat().contains(") Z ") {
        std::thread::yield_now();
    }
}

#[test]
fn a_group_can_clean_up_after_sigterm() {
    let dir = tempfile::tempdir().unwrap();
    let (ready, clean) = (dir.path().join("ready"), dir.path().join("clean"));
    let script = format!(
        "trap 'echo yes > {}; exit' TERM; echo > {}; while :; do sleep 0.01; done",
        clean.display(),
        ready.display()
    );
    let cmd = Cmd::new("sh").args(["-c", &script]);
    let mut running = cmd.start(Stdio::null(), Stdio::null(), Stdio::null()).unwrap();
    while !ready.exists() {
        std::thread::yield_now();
    }
    assert!(running.stop());
    assert!(clean.exists());
    assert!(!groups::alive(running.group()));
}

#[test]
fn a_logged_command_can_be_pasted_into_a_shell() {
    let cmd = Cmd::new("make").args(["-j2", "O=/a b"]).dir(Path::new("/")).env("X", "1 2").without_env("MAKEFLAGS");
    assert_eq!(cmd.whole(), "cd / && X='1 2' env -u MAKEFLAGS make -j2 'O=/a b'");
    let shell = |text: &str| Cmd::new("sh").args(["-c", text]).run().unwrap().text;
    let print = Cmd::new("sh").args(["-c", "pwd; echo $X"]).dir(Path::new("/")).env("X", "it's").without_env("Y");
    assert_eq!(shell(&print.whole()), "/\nit's\n");
}

#[test]
fn a_std_command_keeps_its_arguments_directory_and_environment() {
    let mut command = Command::new("env");
    command.args(["-u", "LC_ALL"]).current_dir("/").env("A", "b").env_remove("PATH");
    let cmd = Cmd::from(command);
    assert_eq!(cmd.quoted(), "env -u LC_ALL");
    let text = cmd.run().unwrap().text;
    assert!(text.contains("A=b\n") && !text.contains("\nPATH=") && !text.contains("LC_ALL"), "{text}");
}

#[test]
fn the_error_for_a_missing_program_says_what_to_install() {
    let error = Cmd::new("no-such-program").run().unwrap_err();
    assert_eq!(error.kind, ErrorKind::Host);
    assert!(error.to_string().contains("Install no-such-program"), "{error}");
}

#[test]
fn words_are_quoted_for_a_shell() {
    assert_eq!(Cmd::new("git").args(["log", "a b", "it's"]).quoted(), r"git log 'a b' 'it'\''s'");
}
