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

fn printed(sink: &Shared) -> String {
    String::from_utf8(lock(&sink.0).clone()).unwrap()
}

#[test]
fn a_log_gets_a_line_at_the_start_and_one_at_the_end() {
    let sink = Shared::default();
    let task = Progress::into_sink(sink.clone(), PLAIN_INTERVAL).task("building", Some(900));
    (0..900).for_each(|_| task.inc(1));
    task.done("vmlinux");
    let text = printed(&sink);
    assert_eq!(text.lines().count(), 2, "{text}");
    assert!(text.starts_with("building ...\nbuilding: vmlinux (0."), "{text}");
}

#[test]
fn a_slow_task_prints_its_progress() {
    let sink = Shared::default();
    let task = Progress::into_sink(sink.clone(), Duration::ZERO).bytes("fetching", None);
    task.total(2_000_000);
    task.message("from sid");
    task.set(1_000_000);
    let text = printed(&sink);
    let last = text.lines().last().unwrap();
    assert!(last.starts_with("fetching: 1.0 of 2.0 MB, "), "{last}");
    assert!(last.contains("/s, ") && last.ends_with(" s left, from sid"), "{last}");
}

#[test]
fn numbers_have_a_rate_and_an_estimate_if_known() {
    let after = |seconds: f64, at, total| TaskProgress::by_average(at, total, Duration::from_secs_f64(seconds));
    for (standing, unit, text) in [
        (after(10.0, 450, Some(1350)), Unit::Count, "450 of 1350, 45/s, 20.0 s left"),
        (after(10.0, 25, Some(50)), Unit::Count, "25 of 50, 2.5/s, 10.0 s left"),
        (after(300.0, 2, Some(8)), Unit::Count, "2 of 8, 2 min 30 s each, 15 min 0 s left"),
        (after(5.0, 8, Some(8)), Unit::Count, "8 of 8, 1.6/s"),
        (after(5.0, 0, Some(8)), Unit::Count, "0 of 8"),
        (after(5.0, 9, Some(8)), Unit::Count, "9 of 8, 1.8/s"),
        (after(2.0, 40, None), Unit::Count, "40, 20/s"),
        (after(2.0, 0, None), Unit::Count, ""),
        (after(8.0, 20_000_000, Some(165_000_000)), Unit::Bytes, "20.0 of 165.0 MB, 2.5 MB/s, 58.0 s left"),
        (after(8.0, 400_000, Some(1_700_000_000)), Unit::Bytes, "0.0 of 1.7 GB, 50.0 kB/s, 566 min 32 s left"),
        (after(1.0, 3_000_000, None), Unit::Bytes, "3.0 MB, 3.0 MB/s"),
    ] {
        assert_eq!(standing.numbers(unit), text);
    }
}

/// A terminal that records what is written to it.
#[derive(Clone, Debug, Default)]
struct Screen {
    columns: u16,
    lines: Arc<Mutex<Vec<String>>>,
}

impl indicatif::TermLike for Screen {
    fn width(&self) -> u16 {
        self.columns
    }
    fn move_cursor_up(&self, _: usize) -> std::io::Result<()> {
        Ok(())
    }
    fn move_cursor_down(&self, _: usize) -> std::io::Result<()> {
        Ok(())
    }
    fn move_cursor_right(&self, _: usize) -> std::io::Result<()> {
        Ok(())
    }
    fn move_cursor_left(&self, _: usize) -> std::io::Result<()> {
        Ok(())
    }
    fn write_line(&self, text: &str) -> std::io::Result<()> {
        self.write_str(text)
    }
    fn write_str(&self, text: &str) -> std::io::Result<()> {
        lock(&self.lines).push(text.to_string());
        Ok(())
    }
    fn clear_line(&self) -> std::io::Result<()> {
        Ok(())
    }
    fn flush(&self) -> std::io::Result<()> {
        Ok(())
    }
}

/// What tasks of every kind draw on a terminal with this many columns.
fn drawn(columns: u16) -> Vec<String> {
    let screen = Screen { columns, ..Screen::default() };
    let bars = MultiProgress::with_draw_target(ProgressDrawTarget::term_like(Box::new(screen.clone())));
    let columns = Box::new(move || usize::from(columns));
    let progress = Progress { inner: Arc::new(Inner::Bars { bars, colour: true, columns }) };
    let long = "fetching linux-source-7.2 7.2.13-1 from a suite with a long name";
    for total in [None, Some(165_210_000)] {
        for task in [progress.bytes(long, total), progress.task(long, total)] {
            for at in [0, 1, 1_000_000, 99_999_999, 165_209_999] {
                task.set(at);
                task.message("drivers/dma-buf/a/rather/long/path/of/an/object/file/of/the/kernel.o");
                task.bar.as_ref().unwrap().force_draw();
            }
        }
    }
    let lines = lock(&screen.lines);
    lines.iter().map(|line| console::strip_ansi_codes(line).trim_end().to_string()).collect()
}

#[test]
fn no_bar_is_wider_than_the_terminal() {
    for columns in [200, 120, 100, 99, 80, 66, 65, 56, 55, 40, 20] {
        let lines = drawn(columns);
        assert!(lines.iter().any(|line| line.contains("fetch")), "{columns}: {lines:?}");
        let wide: Vec<_> = lines.iter().filter(|line| line.chars().count() > usize::from(columns)).collect();
        assert!(wide.is_empty(), "{columns}: {wide:?}");
    }
    let lines = drawn(80);
    assert!(lines.iter().any(|line| line.contains("100.0 of 165.2 MB")), "{lines:?}");
}

#[test]
fn a_dropped_task_prints_nothing() {
    let sink = Shared::default();
    drop(Progress::into_sink(sink.clone(), PLAIN_INTERVAL).task("building", None));
    assert_eq!(printed(&sink), "building ...\n");
}

#[test]
fn durations_are_formatted() {
    assert_eq!(duration(Duration::from_millis(4_660)), "4.7 s");
    assert_eq!(duration(Duration::from_secs(376)), "6 min 16 s");
}
