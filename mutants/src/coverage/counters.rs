//! What a guest has counted, out of what it said.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use cases::protocol::{Line, Record};

use harness::guest::recording::GuestEnd;

/// Files of counters by the name that the kernel gives them.
pub type Counters = BTreeMap<String, Vec<u8>>;

/// A guest whose counts are missing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lost {
    /// Which guest, from 1.
    pub guest: usize,
    /// Why.
    pub why: String,
}

/// All files of counters in the bytes of the result channel.
///
/// # Errors
/// Why they are not there, or not all of them: then none of them counts.
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
            GuestEnd::Left | GuestEnd::Dismissed => "it said nothing about what it counted".into(),
            _ => "it was lost before it could say what it counted".into(),
        });
    };
    if let Some(doubt) = doubt {
        return Err(doubt);
    }
    if pieces.len() != files {
        return Err(format!("of {files} files with counters {} arrived", pieces.len()));
    }
    let whole = pieces.into_iter().map(|(file, parts)| {
        let parts: Option<Vec<Vec<u8>>> = parts.into_iter().collect();
        parts.map(|parts| (file.clone(), parts.concat())).ok_or_else(|| format!("a part of {file} is missing"))
    });
    whole.collect()
}
