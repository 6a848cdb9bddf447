//! Mails, mboxes and diffs: mbox.rs, message.rs and thread/ of harness/src/patch/series.

#![no_main]

use harness::patch::series::{Series, files};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Ok(series) = Series::read(data.to_vec()) {
        assert!(!series.patches.is_empty(), "a series without patches is an error");
        for patch in &series.patches {
            assert!(!patch.text.is_empty() && !patch.name.contains('/'));
            assert!(files(&patch.text).iter().all(|file| !file.path.contains('\n')));
        }
    }
});
