//! The mails of a discussion: which of them are the series.
//!
//! Only what is marked as a patch in its subject and is no answer counts. Of several versions the newest does, whole: with
//! every patch that its numbers promise. A discussion without any such mark is taken patch by patch as it comes.

use std::collections::BTreeMap;

use super::Patch;
use super::message::{Mail, bare};
use crate::error::{Error, ErrorKind, Result};

/// Mails in one discussion; more is a mailing list.
pub const MOST_MAILS: usize = 5_000;
/// Missing patches that an error lists.
const LISTED: usize = 12;

/// The patches of a discussion in their order, and what to tell about the choice.
pub fn choose(mails: &[Mail], what: &str, wanted: Option<u32>) -> Result<(Vec<Patch>, Vec<String>)> {
    if mails.len() > MOST_MAILS {
        return Err(wrong(what, &format!("holds more than {MOST_MAILS} mails, which is no discussion of one series"))
            .next("Save the thread of the series alone."));
    }
    let posts: Vec<&Mail> = mails.iter().filter(|mail| !mail.reply && mail.mark.is_some()).collect();
    if posts.is_empty() {
        return unmarked(mails, what, wanted);
    }
    let version = |mail: &&Mail| mail.mark.map_or(1, |mark| mark.version);
    let mut versions: Vec<u32> = posts.iter().map(version).collect();
    versions.sort_unstable();
    versions.dedup();
    let names = versions.iter().map(|version| format!("v{version}")).collect::<Vec<_>>().join(", ");
    let chosen = wanted.unwrap_or(versions[versions.len() - 1]);
    if !versions.contains(&chosen) {
        return Err(Error::new(ErrorKind::Usage, format!("{what} holds no v{chosen}"))
            .cause(format!("it holds {names}"))
            .next("Name one of these behind the #, or none for the newest."));
    }
    let posts: Vec<&Mail> = posts.into_iter().filter(|mail| version(mail) == chosen).collect();
    let mut notes = Vec::new();
    if versions.len() > 1 {
        notes.push(format!("{what} holds {names}: v{chosen} is taken"));
    }
    let patches = if posts.iter().any(|mail| mail.mark.is_some_and(|mark| mark.number.is_some())) {
        numbered(&posts, what, chosen, &versions, &mut notes)?
    } else {
        plain(&posts, what)?
    };
    if patches.is_empty() {
        return Err(nothing(mails, what));
    }
    Ok((patches, notes))
}

/// A version whose mails are counted.
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
        return Err(wrong(what, "holds series of different length")
            .cause(subjects)
            .next("Save each series in a file of its own."));
    }
    let mut slots: BTreeMap<u32, &Mail> = BTreeMap::new();
    for mail in posts {
        let Some((mark, (number, total))) = mail.mark.and_then(|mark| Some((mark, mark.number?))) else {
            if mail.diff.is_some() {
                notes.push(format!("not numbered as the others, and left out: {}", mail.subject));
            }
            continue;
        };
        if number == 0 {
            continue;
        }
        match slots.get(&number) {
            Some(known) if known.diff == mail.diff && mail.diff.is_some() => {}
            Some(known) if mark.resent || known.diff.is_none() && mail.diff.is_some() => {
                notes.push(format!("{} is there twice, and the later one is taken", name(number, total)));
                slots.insert(number, mail);
            }
            Some(known) => {
                return Err(wrong(what, &format!("holds two different {}", name(number, total)))
                    .cause(format!("{}\n{}", known.subject, mail.subject))
                    .next("Save each series in a file of its own."));
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
            true => "Save the whole thread; archives offer it as mbox.gz.".to_string(),
            false => format!(
                "Save the whole thread, or take an earlier version with {} behind the name.",
                older.join(" or ")
            ),
        };
        return Err(wrong(what, &format!("lacks {} of {total} patches", missing.len()))
            .cause(listed.join("\n"))
            .next(next));
    }
    if let Some((number, mail)) = slots.iter().find(|(number, _)| **number > total) {
        return Err(wrong(what, &format!("counts to {number} of {total}"))
            .cause(&mail.subject)
            .next("Save the patches of the series as files, and name their directory."));
    }
    slots.into_iter().map(|(number, mail)| patch(mail, number as usize, what)).collect()
}

/// Marked and not counted: in the order of the file.
fn plain(posts: &[&Mail], what: &str) -> Result<Vec<Patch>> {
    let mut patches: Vec<Patch> = Vec::new();
    for mail in posts.iter().filter(|mail| mail.diff.is_some() || mail.trouble.is_some()) {
        let patch = patch(mail, patches.len() + 1, what)?;
        // The copy of the list and that to oneself.
        if !patches.iter().any(|known| known.text == patch.text) {
            patches.push(patch);
        }
    }
    Ok(patches)
}

fn unmarked(mails: &[Mail], what: &str, wanted: Option<u32>) -> Result<(Vec<Patch>, Vec<String>)> {
    if let Some(wanted) = wanted.filter(|wanted| *wanted != 1) {
        return Err(Error::new(ErrorKind::Usage, format!("{what} holds no v{wanted}"))
            .cause("no subject names a version")
            .next("Leave out the # and what is behind it."));
    }
    let patches = plain(&mails.iter().filter(|mail| !mail.reply).collect::<Vec<_>>(), what)?;
    if patches.is_empty() { Err(nothing(mails, what)) } else { Ok((patches, Vec::new())) }
}

/// Every diff in its order, for a file that says by its name that it is a patch.
pub fn all(mails: &[Mail], what: &str) -> Result<Vec<Patch>> {
    let patches = plain(&mails.iter().collect::<Vec<_>>(), what)?;
    if patches.is_empty() { Err(nothing(mails, what)) } else { Ok(patches) }
}

fn patch(mail: &Mail, number: usize, what: &str) -> Result<Patch> {
    let broken = |why: &str| {
        wrong(what, "holds a patch that cannot be used")
            .cause(format!("{}\n{why}", mail.subject))
            .next("Save the patches of the series as files, and name their directory.")
    };
    if let Some(trouble) = &mail.trouble {
        return Err(broken(trouble).next("Save it again, raw; archives offer it as mbox.gz, b4 as mbox."));
    }
    let diff = mail.diff.clone().ok_or_else(|| broken("no diff is in it").next("Was it sent with its patch?"))?;
    Ok(Patch { name: file_name(number, &mail.subject), text: diff })
}

/// As git format-patch names files.
fn file_name(number: usize, subject: &str) -> String {
    let words = bare(subject).split(|c: char| !c.is_alphanumeric() && c != '_' && c != '.');
    let slug = words.filter(|word| !word.is_empty()).collect::<Vec<_>>().join("-");
    format!("{number:04}-{}.patch", slug.chars().take(60).collect::<String>().trim_end_matches(['-', '.']))
}

fn nothing(mails: &[Mail], what: &str) -> Error {
    let replies = mails.iter().filter(|mail| mail.reply).count();
    let mut seen = vec![format!("{} mails, {replies} of them answers", mails.len())];
    seen.extend(mails.iter().take(5).map(|mail| {
        let why = mail.trouble.as_deref().unwrap_or("no diff is in it");
        format!("{}: {why}", if mail.subject.is_empty() { "(no subject)" } else { &mail.subject })
    }));
    wrong(what, "holds no patch")
        .cause(seen.join("\n"))
        .next("Quoted patches in answers do not count. Save the thread raw; archives offer it as mbox.gz.")
}

fn wrong(what: &str, how: &str) -> Error {
    Error::new(ErrorKind::Patch, format!("{what} {how}"))
}
