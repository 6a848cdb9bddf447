//! Line counters of the kernel: gcov (Documentation/dev-tools/gcov.rst).
//!
//! The counters include everything since boot, the boot itself included.

use std::fs;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::channel::Channel;
use crate::protocol::Record;

const DIR: &str = "/sys/kernel/debug/gcov";
/// Bytes in one record, before they are encoded.
const PIECE: usize = 12 << 10;

/// Sends the kernel's counters. Does nothing when the kernel has none.
pub fn send(channel: &Channel) {
    let dir = Path::new(DIR);
    if dir.is_dir() {
        records(dir).into_iter().for_each(|record| channel.send(record));
    }
}

fn records(dir: &Path) -> Vec<Record> {
    let (mut found, mut doubt) = (Vec::new(), None);
    if let Err(error) = gather(dir, &mut found) {
        doubt = Some(format!("{}: {error}", dir.display()));
    }
    found.sort();
    let mut records = Vec::new();
    for path in &found {
        let file = Path::new("/").join(path.strip_prefix(dir).unwrap_or(path)).display().to_string();
        match fs::read(path) {
            Ok(bytes) => {
                let pieces: Vec<&[u8]> = bytes.chunks(PIECE).collect();
                records.extend(pieces.iter().enumerate().map(|(part, piece)| Record::Counts {
                    file: file.clone(),
                    part,
                    of: pieces.len(),
                    data: STANDARD.encode(piece),
                }));
            }
            Err(error) => doubt = Some(format!("{file}: {error}")),
        }
    }
    records.push(Record::Counted { files: found.len(), doubt });
    records
}

/// Finds every counter file. Beside each there is a link to gcc's notes file, which does not exist in a guest.
fn gather(dir: &Path, found: &mut Vec<PathBuf>) -> std::io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let (path, kind) = (entry.path(), entry.file_type()?);
        if kind.is_dir() {
            gather(&path, found)?;
        } else if kind.is_file() && path.extension().is_some_and(|extension| extension == "gcda") {
            found.push(path);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_is_sent_completely_with_its_name() {
        let dir = std::env::temp_dir().join(format!("counts-{}", std::process::id()));
        let below = dir.join("build/drivers");
        fs::create_dir_all(&below).unwrap();
        let long: Vec<u8> = (0..PIECE + 5).map(|byte| byte as u8).collect();
        fs::write(below.join("long.gcda"), &long).unwrap();
        fs::write(below.join("short.gcda"), b"x").unwrap();
        fs::write(dir.join("reset"), b"").unwrap();
        std::os::unix::fs::symlink("nowhere", below.join("long.gcno")).unwrap();
        let records = records(&dir);
        fs::remove_dir_all(&dir).unwrap();
        let mut bytes = Vec::new();
        for record in &records[..2] {
            let Record::Counts { file, of: 2, data, .. } = record else { panic!("{record:?}") };
            assert_eq!(file, "/build/drivers/long.gcda");
            bytes.extend(STANDARD.decode(data).unwrap());
        }
        assert_eq!(bytes, long);
        assert!(matches!(&records[2], Record::Counts { file, part: 0, of: 1, .. } if file.ends_with("short.gcda")));
        assert_eq!(records[3], Record::Counted { files: 2, doubt: None });
    }

    #[test]
    fn a_read_error_is_reported() {
        let records = records(Path::new("/nowhere/at/all"));
        assert!(matches!(&records[..], [Record::Counted { files: 0, doubt: Some(_) }]));
    }
}
