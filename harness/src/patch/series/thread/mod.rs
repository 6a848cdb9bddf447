//! Finds the series in the mails of a thread.
//!
//! Mails count if their subject marks a patch and they are not replies. Of several versions the newest that has patches is used,
//! and it must be complete. If no subject marks a patch, all diffs are used in their order.

mod copies;

use std::collections::{BTreeMap, HashSet};

use super::Patch;
use super::mark::bare;
use super::message::Mail;
use crate::error::{Error, ErrorKind, Result};

/// Maximum number of mails in a thread; more is a mailing list.
pub const MOST_MAILS: usize = 5_000;
/// Maximum number of missing patches that an error lists.
const LISTED: usize = 12;

/// What was chosen in a thread or directory.
pub struct Chosen {
    /// The version; None if none is marked.
    pub version: Option<u32>,
    /// The patches in their order.
    pub patches: Vec<Patch>,
    /// Notes about the choice.
    pub notes: Vec<String>,
}

impl Chosen {
    /// Patches between which there is no choice.
    pub fn all(patches: Vec<Patch>) -> Self {
        Chosen { version: None, patches, notes: Vec::new() }
    }
}

/// Chooses a version of a thread, and finds its patches.
pub fn choose(mails: &[Mail], what: &str, wanted: Option<u32>) -> Result<Chosen> {
    if mails.len() > MOST_MAILS {
        return Err(wrong(what, &format!("contains more than {MOST_MAILS} mails, too many for a thread"))
            .next("Save only the thread of the series."));
    }
    let mut notes = Vec::new();
    let mails = copies::once(mails, &mut notes);
    let posts = marked(&mails);
    if posts.is_empty() {
        return unmarked(&mails, what, wanted, notes);
    }
    let posts = with_versions(&posts, &mails);
    let mut versions: Vec<u32> = posts.iter().map(|(version, _)| *version).collect();
    versions.sort_unstable();
    versions.dedup();
    // A version may have a cover letter only.
    let filled = |chosen: &&u32| posts.iter().any(|(version, mail)| version == *chosen && is_patch(mail));
    let newest = versions[versions.len() - 1];
    let with_patches = *versions.iter().rev().find(filled).unwrap_or(&newest);
    let names = versions.iter().map(|version| format!("v{version}")).collect::<Vec<_>>().join(", ");
    let chosen = wanted.unwrap_or(with_patches);
    if !versions.contains(&chosen) {
        return Err(Error::new(ErrorKind::Usage, format!("{what} contains no v{chosen}"))
            .cause(format!("it contains {names}"))
            .next("Name one of these after the #, or leave out the # for the newest."));
    }
    let posts: Vec<&Mail> = posts.into_iter().filter(|(version, _)| *version == chosen).map(|(_, mail)| mail).collect();
    if versions.len() > 1 {
        let empty = if wanted.is_none() && chosen < newest { " because it is the newest with patches" } else { "" };
        notes.push(format!("{what} contains {names}: using v{chosen}{empty}"));
    }
    if chosen != 1 && posts.iter().any(|mail| is_patch(mail) && mail.mark.is_some_and(|mark| mark.version.is_none())) {
        notes.push(format!("v{chosen} is marked on the cover letter only, and its patches answer that"));
    }
    let patches = if posts.iter().any(|mail| mail.mark.is_some_and(|mark| mark.number.is_some())) {
        numbered(&posts, what, chosen, &versions, &mut notes)?
    } else {
        plain(&copies::newest(&posts, &mails, &mut notes), what)?
    };
    if patches.is_empty() {
        return Err(nothing(&mails, what));
    }
    Ok(Chosen { version: (versions != [1]).then_some(chosen), patches, notes })
}

/// The mails whose subject marks a patch. A number or a version alone counts only where no patch has the word PATCH: patchwork
/// omits it, and test robots mark their mails with a number.
fn marked<'a>(mails: &[&'a Mail]) -> Vec<&'a Mail> {
    let posts = mails.iter().copied().filter(|mail| !mail.reply && mail.mark.is_some());
    let (worded, others): (Vec<&Mail>, Vec<&Mail>) = posts.partition(|mail| mail.mark.is_some_and(|mark| mark.worded));
    match worded.iter().any(|mail| mail.diff.is_some()) || !others.iter().any(|mail| mail.diff.is_some()) {
        true => worded,
        false => worded.into_iter().chain(others).collect(),
    }
}

/// Each mail with its version. If the patches of a version have it on the cover letter only, they are those without a version
/// that answer it.
fn with_versions<'a>(posts: &[&'a Mail], mails: &[&'a Mail]) -> Vec<(u32, &'a Mail)> {
    let by_id = copies::by_id(mails);
    let own = |mail: &Mail| mail.mark.and_then(|mark| mark.version);
    let with_patches: HashSet<Option<u32>> = posts.iter().filter(|mail| is_patch(mail)).map(|mail| own(mail)).collect();
    let is_letter = |mail: &&Mail| !mail.reply && mail.mark.is_some_and(|mark| matches!(mark.number, Some((0, _))));
    let of_letter = |mail: &'a Mail| {
        let letter = copies::ancestors(mail, &by_id).into_iter().find(is_letter)?;
        own(letter).filter(|version| !with_patches.contains(&Some(*version)))
    };
    posts.iter().map(|mail| (own(mail).or_else(|| of_letter(mail)).unwrap_or(1), *mail)).collect()
}

/// Whether a mail has a patch, or should have one.
fn is_patch(mail: &Mail) -> bool {
    let numbered = mail.mark.and_then(|mark| mark.number).is_some_and(|(number, _)| number > 0);
    numbered || mail.diff.is_some() || mail.trouble.is_some()
}

/// The patches of a version whose mails are numbered.
fn numbered(
    posts: &[&Mail],
    what: &str,
    version: u32,
    versions: &[u32],
    notes: &mut Vec<String>,
) -> Result<Vec<Patch>> {
    let name = |number: u32, total: u32| match version {
        1 => format!("[PATCH {number}/{total}]"),
        _ => format!("[PATCH v{version} {number}/{total}]"),
    };
    let mut totals = BTreeMap::new();
    for mail in posts {
        if let Some((_, total)) = mail.mark.and_then(|mark| mark.number) {
            totals.entry(total).or_insert(&mail.subject);
        }
    }
    if totals.len() > 1 {
        let subjects = totals.values().map(|subject| (*subject).clone()).collect::<Vec<_>>().join("\n");
        return Err(wrong(what, "contains series of different lengths")
            .cause(subjects)
            .next("Save each series in its own file."));
    }
    let mut slots: BTreeMap<u32, &Mail> = BTreeMap::new();
    for mail in posts {
        let Some((mark, (number, total))) = mail.mark.and_then(|mark| Some((mark, mark.number?))) else {
            if mail.diff.is_some() {
                notes.push(format!("skipped, because it is not numbered like the others: {}", mail.subject));
            }
            continue;
        };
        if number == 0 {
            continue;
        }
        match slots.get(&number) {
            Some(known) if known.fingerprint == mail.fingerprint && mail.diff.is_some() => {}
            Some(known) if mark.resent || known.diff.is_none() && mail.diff.is_some() => {
                notes.push(format!("{} was sent twice: using the later mail", name(number, total)));
                slots.insert(number, mail);
            }
            Some(known) => {
                return Err(wrong(what, &format!("contains two different {}", name(number, total)))
                    .cause(format!("{}\n{}", known.subject, mail.subject))
                    .next("Save each series in its own file."));
            }
            None => {
                slots.insert(number, mail);
            }
        }
    }
    let total = totals.keys().next().copied().unwrap_or(0);
    let missing: Vec<u32> = (1..=total).filter(|number| !slots.contains_key(number)).collect();
    if !missing.is_empty() {
        let mut listed: Vec<String> = missing.iter().take(LISTED).map(|number| name(*number, total)).collect();
        if missing.len() > LISTED {
            listed.push(format!("and {} more", missing.len() - LISTED));
        }
        let older: Vec<String> = versions.iter().filter(|older| **older < version).map(|v| format!("#v{v}")).collect();
        let next = match older.is_empty() {
            true => "Save the whole thread; mail archives offer it as mbox.gz.".to_string(),
            false => format!(
                "Save the whole thread, or choose an earlier version with {} after the file name.",
                older.join(" or ")
            ),
        };
        return Err(wrong(what, &format!("does not contain {} of {total} patches", missing.len()))
            .cause(listed.join("\n"))
            .next(next));
    }
    if let Some((number, mail)) = slots.iter().find(|(number, _)| **number > total) {
        return Err(wrong(what, &format!("contains patch {number} of {total}"))
            .cause(&mail.subject)
            .next("Save the patches of the series as files in a directory, and name the directory."));
    }
    slots.into_iter().map(|(number, mail)| patch(mail, number as usize, what)).collect()
}

/// Patches without numbers, in the order of the file.
fn plain(posts: &[&Mail], what: &str) -> Result<Vec<Patch>> {
    let mut seen = HashSet::new();
    let posts = posts.iter().filter(|mail| mail.diff.is_some() || mail.trouble.is_some());
    // Skips a second copy, such as that from the list.
    let posts = posts.filter(|mail| mail.fingerprint.is_none_or(|hunks| seen.insert(hunks)));
    posts.enumerate().map(|(index, mail)| patch(mail, index + 1, what)).collect()
}

fn unmarked(mails: &[&Mail], what: &str, wanted: Option<u32>, mut notes: Vec<String>) -> Result<Chosen> {
    if let Some(wanted) = wanted.filter(|wanted| *wanted != 1) {
        return Err(Error::new(ErrorKind::Usage, format!("{what} contains no v{wanted}"))
            .cause("no subject has a version")
            .next("Leave out the # and the text after it."));
    }
    let posts: Vec<&Mail> = mails.iter().copied().filter(|mail| !mail.reply).collect();
    let patches = plain(&copies::newest(&posts, mails, &mut notes), what)?;
    if patches.is_empty() { Err(nothing(mails, what)) } else { Ok(Chosen { notes, ..Chosen::all(patches) }) }
}

/// Every diff in its order, for a *.patch or *.diff file.
pub fn all(mails: &[Mail], what: &str) -> Result<Vec<Patch>> {
    let mails: Vec<&Mail> = mails.iter().collect();
    let patches = plain(&mails, what)?;
    if patches.is_empty() { Err(nothing(&mails, what)) } else { Ok(patches) }
}

fn patch(mail: &Mail, number: usize, what: &str) -> Result<Patch> {
    let broken = |why: &str| {
        wrong(what, "contains a patch that cannot be used")
            .cause(format!("{}\n{why}", mail.subject))
            .next("Save the patches of the series as files in a directory, and name the directory.")
    };
    if let Some(trouble) = &mail.trouble {
        return Err(broken(trouble).next("Download the raw mail again; mail archives offer it as mbox.gz, b4 as mbox."));
    }
    let diff = mail
        .diff
        .clone()
        .ok_or_else(|| broken("it contains no diff").next("Check that the mail was sent with the patch."))?;
    Ok(Patch { name: file_name(number, &mail.subject), subject: Some(mail.subject.clone()), text: diff })
}

/// A file name like those of git format-patch.
fn file_name(number: usize, subject: &str) -> String {
    let words = bare(subject).split(|c: char| !c.is_alphanumeric() && c != '_' && c != '.');
    let slug = words.filter(|word| !word.is_empty()).collect::<Vec<_>>().join("-");
    let slug = slug.chars().take(60).collect::<String>();
    let slug = slug.trim_end_matches(['-', '.']);
    format!("{number:04}-{}.patch", if slug.is_empty() { "no-subject" } else { slug })
}

fn nothing(mails: &[&Mail], what: &str) -> Error {
    let replies = mails.iter().filter(|mail| mail.reply).count();
    let mut seen = vec![format!("{} mails, {replies} of them replies", mails.len())];
    seen.extend(mails.iter().take(5).map(|mail| {
        let why = mail.trouble.as_deref().unwrap_or("it contains no diff");
        format!("{}: {why}", if mail.subject.is_empty() { "(no subject)" } else { &mail.subject })
    }));
    wrong(what, "contains no patch")
        .cause(seen.join("\n"))
        .next("Quoted patches in replies do not count. Download the raw thread; mail archives offer it as mbox.gz.")
}

fn wrong(what: &str, how: &str) -> Error {
    Error::new(ErrorKind::Patch, format!("{what} {how}"))
}
