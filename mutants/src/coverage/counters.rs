//! Extracts the coverage counters from the records of a guest.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use cases::protocol::{Line, Record};

use harness::guest::recording::GuestEnd;

/// Counter files (.gcda) by the kernel's name for them.
pub type Counters = BTreeMap<String, Vec<u8>>;

/// A guest without counters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lost {
    /// Number of the guest, from 1.
    pub guest: usize,
    /// Why.
    pub why: String,
}

/// All counter files in the bytes of the result channel.
///
/// # Errors
/// Why they are missing or incomplete. Incomplete counters are not used.
pub fn counters(results: &[u8], ending: &GuestEnd) -> Result<Counters, String> {
    let mut pieces: BTreeMap<String, Vec<Option<Vec<u8>>>> = BTreeMap::new();
    let mut counted = None;
    for line in results.split(|byte| *byte == b'\n') {
        match serde_json::from_slice::<Line>(line).map(|line| line.record) {
            Ok(Record::Counts { file, part, of, data }) => {
                let slots = pieces.entry(file.clone()).or_insert_with(|| vec![None; of]);
                let bytes = STANDARD.decode(data).map_err(|error| format!("{file} is damaged: {error}"))?;
                let slot = slots.get_mut(part).ok_or_else(|| format!("{file} has a part {part} of {of}"))?;
                *slot = Some(bytes);
            }
            Ok(Record::Counted { files, doubt }) => counted = Some((files, doubt)),
            _ => {}
        }
    }
    let Some((files, doubt)) = counted else {
        return Err(match ending {
            GuestEnd::Left | GuestEnd::Dismissed => "it sent no counters".into(),
            _ => "it was lost before it could send its counters".into(),
        });
    };
    if let Some(doubt) = doubt {
        return Err(doubt);
    }
    if pieces.len() != files {
        return Err(format!("only {} of {files} counter files arrived", pieces.len()));
    }
    let whole = pieces.into_iter().map(|(file, parts)| {
        let parts: Option<Vec<Vec<u8>>> = parts.into_iter().collect();
        parts.map(|parts| (file.clone(), parts.concat())).ok_or_else(|| format!("a part of {file} is missing"))
    });
    whole.collect()
}
