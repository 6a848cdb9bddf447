use super::*;

const CONSOLE: &str = "\
[    1.000000] Run /init as init process
[    2.000000] conformance: begin lifetime/a@udmabuf
[    2.200000] conformance: begin lifetime/b@udmabuf
[    2.300000] ==================================================================
[    2.300001] BUG: KASAN: slab-use-after-free in dma_buf_poll+0x1b/0x2f0
[    2.300002] Read of size 8 at addr ffff888003b1c400 by task init/64
[    2.300003] Call Trace:
[    2.300004]  <TASK>
[    2.300005]  dma_buf_poll+0x1b/0x2f0
[    2.300006]  </TASK>
";

fn titles(console: &str) -> Vec<String> {
    scan(console.as_bytes()).into_iter().map(|complaint| complaint.title).collect()
}

#[test]
fn a_report_belongs_to_its_case_and_has_its_frame() {
    let complaints = scan(CONSOLE.as_bytes());
    assert_eq!(complaints.len(), 1);
    let complaint = &complaints[0];
    assert_eq!(complaint.case, Some(CaseKey::new("lifetime/b", "udmabuf")));
    assert_eq!((complaint.kind, complaint.starts[0].us), (Kind::Kasan, Some(2_300_001)));
    assert_eq!(complaint.title, "BUG: KASAN: slab-use-after-free in dma_buf_poll");
    assert_eq!((complaint.frame.as_deref(), complaint.lines.len()), (Some("dma_buf_poll"), 6));
}

#[test]
fn a_quiet_console_has_no_complaint() {
    assert_eq!(scan(b"[    0.100000] Linux version 7.2.13\n[    1.000000] random: crng init done\n"), []);
}

#[test]
fn the_title_survives_line_endings_garbage_and_cuts() {
    let whole = titles(CONSOLE);
    assert_eq!(titles(&CONSOLE.replace('\n', "\r\n")), whole);
    let mut bytes = CONSOLE.as_bytes().to_vec();
    bytes.extend(b"[    2.400000] \xff\xfe\x00\x1b[2J\n");
    assert_eq!(scan(&bytes).len(), 1);
    // Wherever the console is cut, no wrong complaint is found, and the title is found once its line is complete.
    let title = CONSOLE.find("+0x1b/0x2f0").unwrap() + "+0x1b/0x2f0".len();
    for len in 0..CONSOLE.len() {
        let found = titles(&CONSOLE[..len]);
        assert!(found.len() <= 1 && (len < title || found == whole), "cut after {len}: {found:?}");
    }
}

#[test]
fn a_panic_that_cuts_a_line_short_is_found() {
    let console = "<4>[    1.000000][   T1] an ordinary li<0>[    1.100000][   T1] Kernel panic - not syncing: now";
    assert_eq!(titles(console), ["Kernel panic - not syncing: now"]);
}

#[test]
fn text_of_a_program_is_never_a_complaint() {
    let forged = "<12>[    1.000000] BUG: KASAN: x in f+0x1/0x2\nBUG: KASAN: to the terminal\n<4>[    1.100000] WARNING: words\n";
    assert_eq!(titles(forged), Vec::<String>::new());
    // If the console shows priorities, a mark counts only if a program wrote it.
    let console = "<13>[    1.000000] conformance: begin a/b@udmabuf\n<4>[    1.100000] conformance: begin a/forged@udmabuf\n\
                   <4>[    1.200000] refcount_t: underflow; use-after-free.\n";
    assert_eq!(scan(console.as_bytes())[0].case, Some(CaseKey::new("a/b", "udmabuf")));
    // A mark that contains the text of a complaint is a mark.
    assert_eq!(titles("[    1.000000] conformance: begin BUG: KASAN: x@y\n"), Vec::<String>::new());
}

#[test]
fn simultaneous_reports_of_two_processors_are_separated() {
    let mixed = "\
<4>[    1.000000][   T64] ------------[ cut here ]------------
<4>[    1.000001][   T65] ------------[ cut here ]------------
<4>[    1.000002][   T64] refcount_t: underflow; use-after-free.
<4>[    1.000003][   T65] WARNING: a.c:5 at second_one+0x1/0x2, CPU#1: init/65
<4>[    1.000004][   T64] WARNING: lib/refcount.c:28 at refcount_warn_saturate+0x1/0x2, CPU#0: init/64
<4>[    1.000005][   T65] Call Trace:
<4>[    1.000006][   T64] Call Trace:
<4>[    1.000007][   T65]  second_one+0x1/0x2
<4>[    1.000008][   T64]  first_one+0x1/0x2
";
    let complaints = scan(mixed.as_bytes());
    let seen: Vec<_> = complaints.iter().map(|found| (found.kind, found.frame.as_deref(), found.lines.len())).collect();
    assert_eq!(seen, [(Kind::Refcount, Some("first_one"), 5), (Kind::Warning, Some("second_one"), 4)]);
    // Without callers the traces are mixed, but no report is lost.
    let plain = mixed.replace("[   T64]", "").replace("[   T65]", "");
    assert_eq!(scan(plain.as_bytes()).len(), 2);
}

#[test]
fn a_report_that_continues_into_the_next_case_belongs_to_the_first() {
    let console = "\
<13>[    1.000000][    T1] conformance: begin a/one@udmabuf
<1>[    1.100000][   T33] BUG: unable to handle page fault for address: ffff900000000000
<13>[    1.100001][    T1] conformance: begin a/two@udmabuf
<4>[    1.100002][   T33] Oops: 0000 [#1] SMP
<4>[    1.100003][   T33] RIP: 0010:late_fn+0x1/0x2
";
    let complaints = scan(console.as_bytes());
    assert_eq!(complaints.len(), 1);
    assert_eq!(complaints[0].case, Some(CaseKey::new("a/one", "udmabuf")));
    assert_eq!(complaints[0].frame.as_deref(), Some("late_fn"));
}

#[test]
fn the_number_of_complaints_is_limited_but_a_panic_is_kept() {
    let mut console = "[    1.000000] BUG: KASAN: x in f+0x1/0x2\n".repeat(5000);
    console += &"[    1.000000] a line of a report\n".repeat(5000);
    console += "[    1.000000] Kernel panic - not syncing: x\n";
    let complaints = scan(console.as_bytes());
    assert_eq!(complaints.len(), MOST + 1);
    assert!(complaints.iter().all(|complaint| complaint.lines.len() <= LONGEST));
    assert!(complaints.last().unwrap().is_fatal());
}
