use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use proptest::prelude::*;

use super::manifest::{Boot, FILE, PackIdentity, PackManifest};
use super::read::Pack;
use super::suite_version::SuiteVersion;
use super::write::{Members, write};
use super::{FORMAT, VERSION, member};
use crate::error::{Error, ErrorKind};

/// A pack with a little of everything.
fn members() -> Members {
    let mut members = Members::default();
    for name in member::NEEDED {
        members.bytes(name, format!("contents of {name}"));
    }
    members.bytes(member::KERNEL, (0..5_000u32).flat_map(u32::to_le_bytes).collect::<Vec<u8>>());
    members.bytes(format!("{}/until-6.6/a__b@udmabuf.snap", member::SNAPSHOTS), "a transcript");
    members
}

fn manifest(members: &Members) -> PackManifest {
    PackManifest {
        format: FORMAT.into(),
        version: VERSION,
        identity: PackIdentity::default(),
        suite: SuiteVersion { catalogue: Vec::new(), ..SuiteVersion::own(None) },
        boot: Boot::default(),
        cases: Vec::new(),
        members: members.facts().unwrap(),
    }
}

/// A directory with a valid pack in it.
fn packed() -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("a.pack.tar.gz");
    let members = members();
    write(&file, &manifest(&members), &members).unwrap();
    (dir, file)
}

/// Unpacks into a directory, and checks that nothing appears beside it.
fn unpack(file: &Path) -> Result<Pack, Error> {
    let dir = tempfile::tempdir().unwrap();
    let inside = dir.path().join("inside");
    let result = Pack::unpack(file, &inside);
    let others: Vec<_> = fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(others.iter().all(|name| name == "inside"), "{others:?}");
    result.inspect(|pack| {
        for (name, facts) in &pack.manifest.members {
            assert_eq!(fs::metadata(inside.join(name)).unwrap().len(), facts.size, "{name}");
        }
    })
}

/// The error for these bytes as a pack.
fn error_for(bytes: &[u8]) -> String {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("a.pack.tar.gz");
    fs::write(&file, bytes).unwrap();
    let error = unpack(&file).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Usage, "{error}");
    assert!(!error.next.is_empty(), "{error}");
    error.to_string().replace(&format!("{}/", dir.path().display()), "")
}

fn unzipped(file: &Path) -> Vec<u8> {
    let mut bytes = Vec::new();
    GzDecoder::new(fs::File::open(file).unwrap()).read_to_end(&mut bytes).unwrap();
    bytes
}

fn zipped(bytes: &[u8]) -> Vec<u8> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(bytes).unwrap();
    gzip.finish().unwrap()
}

/// An archive of members as they are given, whatever a manifest says; names are written as they are.
fn archive(entries: &[(&str, tar::EntryType, &[u8])]) -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    for (name, kind, bytes) in entries {
        let mut header = tar::Header::new_gnu();
        header.as_gnu_mut().unwrap().name[..name.len()].copy_from_slice(name.as_bytes());
        header.set_entry_type(*kind);
        header.set_mode(0o644);
        header.set_size(bytes.len() as u64);
        header.set_cksum();
        archive.append(&header, *bytes).unwrap();
    }
    zipped(&archive.into_inner().unwrap())
}

const PLAIN: tar::EntryType = tar::EntryType::Regular;

/// The manifest of [`packed`] after a change, in front of its members.
fn with_manifest(change: impl Fn(&mut serde_json::Value)) -> Vec<u8> {
    let members = members();
    let mut value = serde_json::to_value(manifest(&members)).unwrap();
    change(&mut value);
    archive(&[(FILE, PLAIN, value.to_string().as_bytes())])
}

#[test]
fn packing_is_lossless_and_deterministic() {
    let (dir, file) = packed();
    let pack = Pack::unpack(&file, &dir.path().join("out")).unwrap();
    assert_eq!(pack.manifest, manifest(&members()));
    let snapshot = pack.path(member::SNAPSHOTS).join("until-6.6/a__b@udmabuf.snap");
    assert_eq!(fs::read_to_string(snapshot).unwrap(), "a transcript");
    assert_eq!(pack.config().unwrap(), "contents of kernel/config");
    let (_other, again) = packed();
    assert_eq!(fs::read(&file).unwrap(), fs::read(again).unwrap());
}

#[test]
fn a_truncated_pack_is_damaged() {
    let (_dir, file) = packed();
    let bytes = fs::read(file).unwrap();
    for len in (2..bytes.len()).step_by(bytes.len() / 200).chain(bytes.len() - 20..bytes.len()) {
        let text = error_for(&bytes[..len]);
        assert!(text.starts_with("usage: the pack a.pack.tar.gz is damaged\n    it is cut short\n"), "{len}: {text}");
    }
}

#[test]
fn a_pack_with_missing_doubled_or_changed_members_is_refused() {
    let (_dir, file) = packed();
    let bytes = unzipped(&file);
    let mut archive = tar::Archive::new(&bytes[..]);
    let mut all: Vec<(String, Vec<u8>)> = Vec::new();
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).unwrap();
        all.push((entry.path().unwrap().display().to_string(), bytes));
    }
    let pack = |all: &[(String, Vec<u8>)]| {
        self::archive(&all.iter().map(|(name, bytes)| (name.as_str(), PLAIN, &bytes[..])).collect::<Vec<_>>())
    };
    let without: Vec<_> = all.iter().filter(|(name, _)| name != member::GUEST).cloned().collect();
    assert!(error_for(&pack(&without)).contains("guest/init is missing"));
    let doubled = [&all[..], &all[1..2]].concat();
    assert!(error_for(&pack(&doubled)).contains("is in it twice"));
    let mut other = all.clone();
    other[3].1[2] ^= 1;
    assert!(error_for(&pack(&other)).contains("SHA-256"), "{}", error_for(&pack(&other)));
    let mut longer = all.clone();
    longer[3].1.push(0);
    assert!(error_for(&pack(&longer)).contains("bytes instead of"));
    all.swap(0, 1);
    assert!(error_for(&pack(&all)).contains("is not a pack of this suite"));
}

#[test]
fn other_files_differ_from_damaged_packs() {
    for (bytes, why) in [
        (b"".to_vec(), "it is empty"),
        (b"#!/bin/sh\n".to_vec(), "it is not compressed with gzip"),
        (zipped(b"some text"), "it is not a tar archive"),
        (zipped(&[0; 2048]), "it is an empty archive"),
        (archive(&[("linux/Makefile", PLAIN, b"VERSION = 7")]), "it starts with \"linux/Makefile\""),
        (archive(&[(FILE, tar::EntryType::Symlink, b"")]), "instead of manifest.json"),
        (archive(&[(FILE, PLAIN, b"{\"files\": {}}")]), "is not from this program"),
        (with_manifest(|value| value["format"] = "a cake".into()), "has format \"a cake\""),
    ] {
        let text = error_for(&bytes);
        assert!(text.starts_with("usage: a.pack.tar.gz is not a pack of this suite\n"), "{text}");
        assert!(text.contains(why) && text.contains("repro pack"), "{why}: {text}");
    }
    let (dir, _) = packed();
    let error = unpack(dir.path()).unwrap_err();
    assert!(error.cause.contains("it is not a regular file"), "{error}");
    assert_eq!(unpack(Path::new("gone.pack.tar.gz")).unwrap_err().exit_code().number(), 2);
}

#[test]
fn a_later_version_is_recognised_even_if_everything_else_changed() {
    let text =
        error_for(&archive(&[(FILE, PLAIN, format!("{{\"format\": \"{FORMAT}\", \"version\": 7}}").as_bytes())]));
    assert!(text.contains("has a later version of the pack format") && text.contains("version 7"), "{text}");
    let text = error_for(&with_manifest(|value| value["boot"] = 1.into()));
    assert!(text.contains("is damaged") && text.contains("is invalid"), "{text}");
}

#[test]
fn no_member_is_written_outside_of_the_directory() {
    for name in [
        "../outside",
        "/tmp/outside",
        "kernel/../../outside",
        "./x",
        "kernel//x",
        "",
        "a\\b",
        "manifest.json",
        "x\ny",
        "kernel",
    ] {
        let bytes = with_manifest(|value| {
            value["members"][name] = serde_json::json!({ "size": 1, "sha256": "" });
        });
        let text = error_for(&bytes);
        assert!(text.contains("is not allowed"), "{name}: {text}");
    }
    // Members that the manifest does not name are not written.
    let text = serde_json::to_vec(&manifest(&members())).unwrap();
    for (name, kind) in [("../outside", PLAIN), ("extra", PLAIN), (member::GUEST, tar::EntryType::Symlink)] {
        let text = error_for(&archive(&[(FILE, PLAIN, &text), (name, kind, b"")]));
        assert!(text.contains("does not name"), "{text}");
    }
}

#[test]
fn oversized_packs_are_refused() {
    // A huge manifest, a member larger than its manifest says, a huge size in the manifest, and data after the last member.
    let endless = zipped(&[&archive_head(FILE, 1 << 40)[..], &vec![b' '; 20 << 20]].concat());
    assert!(error_for(&endless).contains("has more than 8 MiB"));
    let text = serde_json::to_vec(&manifest(&members())).unwrap();
    let large = vec![0; 1 << 20];
    assert!(error_for(&archive(&[(FILE, PLAIN, &text), (member::GUEST, PLAIN, &large)])).contains("bytes instead of"));
    let huge = with_manifest(|value| value["members"][member::KERNEL]["size"] = u64::MAX.into());
    assert!(error_for(&huge).contains("more than 4 GiB"));
    let long = archive(&[(FILE, PLAIN, &text), ("././@LongLink", tar::EntryType::GNULongName, &large)]);
    assert!(error_for(&long).contains("does not name"));
    let (_dir, file) = packed();
    let followed = zipped(&[unzipped(&file), vec![0; 3 << 20]].concat());
    assert!(error_for(&followed).contains("followed by other data"));
}

fn archive_head(name: &str, size: u64) -> Vec<u8> {
    let mut header = tar::Header::new_gnu();
    header.set_path(name).unwrap();
    header.set_size(size);
    header.set_entry_type(PLAIN);
    header.set_cksum();
    header.as_bytes().to_vec()
}

#[test]
fn no_escape_sequence_gets_to_a_terminal() {
    let text = error_for(&with_manifest(|value| value["identity"]["kernel"] = "\u{1b}[2J".into()));
    assert!(text.contains("control characters") && !text.contains('\u{1b}'), "{text}");
    let text = error_for(&archive(&[("\u{1b}[2J", PLAIN, b"")]));
    assert!(!text.contains('\u{1b}'), "{text}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]
    /// Some bits of a gzip stream do not matter, such as the time in its header. A file that unpacks to the same bytes is not
    /// damaged.
    #[test]
    fn a_flipped_bit_is_noticed_or_does_not_matter(at in any::<prop::sample::Index>(), bit in 0u8..8) {
        let (_dir, file) = packed();
        let whole = unzipped(&file);
        let mut bytes = fs::read(&file).unwrap();
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        fs::write(&file, &bytes).unwrap();
        match unpack(&file) {
            Ok(pack) => {
                prop_assert!(unzipped(&file) == whole, "bit {} of byte {} of {}", bit, at, bytes.len());
                prop_assert_eq!(pack.manifest, manifest(&members()));
            }
            Err(error) => prop_assert_eq!(error.kind, ErrorKind::Usage),
        }
    }
}
