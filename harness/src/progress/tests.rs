use super::*;

#[derive(Clone, Default)]
struct Shared(Arc<Mutex<Vec<u8>>>);

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        lock(&self.0).write(bytes)
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn said(sink: &Shared) -> String {
    String::from_utf8(lock(&sink.0).clone()).unwrap()
}

#[test]
fn a_log_gets_a_start_and_an_end() {
    let sink = Shared::default();
    let task = Progress::into_sink(sink.clone(), PLAIN_INTERVAL).task("building", Some(900));
    (0..900).for_each(|_| task.inc(1));
    task.done("vmlinux");
    let text = said(&sink);
    assert_eq!(text.lines().count(), 2, "{text}");
    assert!(text.starts_with("building ...\nbuilding: vmlinux (0."), "{text}");
}

#[test]
fn a_slow_task_says_how_far_it_is() {
    let sink = Shared::default();
    let task = Progress::into_sink(sink.clone(), Duration::ZERO).bytes("fetching", None);
    task.total(2_000_000);
    task.message("from sid");
    task.set(1_000_000);
    let text = said(&sink);
    let last = text.lines().last().unwrap();
    assert!(last.starts_with("fetching: 1.00 MB of 2.00 MB, about 0.0 s left, "), "{last}");
    assert!(last.ends_with("/s, from sid"), "{last}");
}

#[test]
fn an_unfinished_task_goes_without_a_word() {
    let sink = Shared::default();
    drop(Progress::into_sink(sink.clone(), PLAIN_INTERVAL).task("building", None));
    assert_eq!(said(&sink), "building ...\n");
}

#[test]
fn durations_read_well() {
    assert_eq!(duration(Duration::from_millis(4_660)), "4.7 s");
    assert_eq!(duration(Duration::from_secs(376)), "6 min 16 s");
}
