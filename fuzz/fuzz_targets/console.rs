//! Kernel logs: harness/src/judge/complaint.

#![no_main]

use harness::judge::complaint::{foreign::as_console, scan};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    for complaint in scan(data).into_iter().chain(scan(as_console(&String::from_utf8_lossy(data)).as_bytes())) {
        assert!(!complaint.lines.is_empty() && !complaint.starts.is_empty());
        assert!(!complaint.title.contains('\n'));
    }
});
