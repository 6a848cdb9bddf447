//! The list of buffers in debugfs when it is longer than one read.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{Read, Seek, SeekFrom},
};

use crate::prelude::*;

case! {
    /// With a hundred buffers open, bufinfo lists each of them once with its size and name, in whatever pieces it is read, from
    /// the beginning and from the middle, and the sums in its last line are those of the lines. With the buffers closed it is as
    /// before.
    "ENUM-1", Contract, Exporter::MAIN, [Bufinfo],
    relies on [Listing]
}

/// Several pages of text.
const BUFFERS: usize = 100;

fn run(s: &mut Steps, on: CaseParams) -> CaseResult {
    let before = listed(&text(PAGE)?)?;
    let mut buffers = Vec::new();
    let mut want = before.lines.clone();
    for index in 0..BUFFERS {
        let primary = export(on.exporter, 1 + index % 3).or_broken("export of a buffer")?.primary;
        let name = std::ffi::CString::new(format!("buffer-{index}")).map_err(|_| "a zero").or_broken("a name")?;
        set_name(primary.as_fd(), &name).or_broken("naming a buffer")?;
        let inode = identity(&primary).or_broken("fstat")?.1;
        want.insert(inode, ((1 + index % 3) * PAGE, name.to_string_lossy().into_owned()));
        buffers.push(primary);
    }
    let whole = text(1 << 20)?;
    let list = listed(&whole)?;
    s.holds("every buffer is listed once, with its size and name", same(&list, &want));
    let sums = (want.len(), want.values().map(|(bytes, _)| bytes).sum());
    s.equal("the last line has their number and sum of bytes", (list.objects, list.bytes), sums);
    for piece in [64, 1000, 4096, 12288] {
        let again = text(piece)?;
        let length = ensure(again.len() == whole.len(), || "the length differs".into());
        s.holds(format!("read in pieces of {piece} bytes it is the same"), same(&listed(&again)?, &want).and(length));
    }
    s.holds("read from the middle it is the second half", halved(&whole)?);
    drop(buffers);
    let after = listed(&text(PAGE)?)?;
    s.holds("with the buffers closed the list is as before", same(&after, &before.lines));
    Ok(())
}

/// The file, read in pieces of this many bytes.
fn text(piece: usize) -> CaseResult<String> {
    let mut file = File::open(BUFINFO).or_broken(BUFINFO)?;
    let mut text = Vec::new();
    let mut buffer = vec![0; piece];
    loop {
        match file.read(&mut buffer).or_broken(BUFINFO)? {
            0 => return String::from_utf8(text).map_err(|_| "not text").or_broken(BUFINFO),
            read => text.extend_from_slice(&buffer[..read]),
        }
    }
}

/// Whether a read after a seek to the middle gives the rest.
fn halved(whole: &str) -> CaseResult<Result<(), String>> {
    let mut file = File::open(BUFINFO).or_broken(BUFINFO)?;
    let middle = whole.len() / 2;
    file.seek(SeekFrom::Start(middle as u64)).or_broken("seeking in bufinfo")?;
    let mut rest = String::new();
    file.read_to_string(&mut rest).or_broken(BUFINFO)?;
    Ok(ensure(rest == whole[middle..], || "it is another text".into()))
}

/// The buffers by inode, with size and name, and the sums of the last line.
struct List {
    lines: BTreeMap<u64, (usize, String)>,
    twice: Option<u64>,
    objects: usize,
    bytes: usize,
}

fn listed(text: &str) -> CaseResult<List> {
    let mut list = List { lines: BTreeMap::new(), twice: None, objects: 0, bytes: 0 };
    for line in text.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words[..] {
            ["Total", objects, "objects,", bytes, "bytes"] => {
                list.objects = objects.parse().map_err(|_| "no number").or_broken(line)?;
                list.bytes = bytes.parse().map_err(|_| "no number").or_broken(line)?;
            }
            // Size, flags, mode, count, exporter, inode and name; other columns may follow.
            [size, _, _, _, _, inode, name, ..] if size.parse::<usize>().is_ok() => {
                let inode = inode.parse().map_err(|_| "no number").or_broken(line)?;
                let entry = (size.parse().unwrap_or_default(), name.to_string());
                if list.lines.insert(inode, entry).is_some() {
                    list.twice = Some(inode);
                }
            }
            _ => {}
        }
    }
    Ok(list)
}

fn same(list: &List, want: &BTreeMap<u64, (usize, String)>) -> Result<(), String> {
    ensure(list.twice.is_none(), || "a buffer is listed twice".into())?;
    let missing = want.iter().filter(|(inode, entry)| list.lines.get(inode) != Some(entry)).count();
    ensure(missing == 0, || format!("{missing} buffers are missing, or have another size or name"))?;
    ensure(list.lines.len() == want.len(), || format!("{} buffers, not {}", list.lines.len(), want.len()))
}
