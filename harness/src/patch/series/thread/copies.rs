//! Mails that are in a thread more than once, and patches that were posted again.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::Mail;

/// Each mail once: an archive may have a copy from each list, with its footer. A complete copy is preferred.
pub fn once<'a>(mails: &'a [Mail], notes: &mut Vec<String>) -> Vec<&'a Mail> {
    let mut places: HashMap<&str, usize> = HashMap::new();
    let mut kept: Vec<&Mail> = Vec::new();
    for mail in mails {
        let place = mail.id.as_deref().map(|id| *places.entry(id).or_insert(kept.len()));
        let Some(known) = place.and_then(|place| kept.get_mut(place)) else {
            kept.push(mail);
            continue;
        };
        let (complete, again) = (is_complete(known), is_complete(mail));
        if again && !complete {
            *known = mail;
        } else if again && known.fingerprint != mail.fingerprint {
            notes.push(format!("two copies of a mail differ, using the first: {}", known.subject));
        }
    }
    kept
}

fn is_complete(mail: &Mail) -> bool {
    mail.diff.is_some() && mail.trouble.is_none()
}

/// Of patches without numbers, those that no later one replaces: a patch that answers another one is a new version of it.
/// `mails` is the whole thread.
pub fn newest<'a>(posts: &[&'a Mail], mails: &[&'a Mail], notes: &mut Vec<String>) -> Vec<&'a Mail> {
    let by_id = by_id(mails);
    let patches: Vec<&Mail> = posts.iter().copied().filter(|mail| mail.diff.is_some()).collect();
    let places: HashMap<*const Mail, usize> =
        patches.iter().enumerate().map(|(at, mail)| (address(mail), at)).collect();
    // The newest patch of each that answers no other one.
    let mut newest: BTreeMap<usize, &Mail> = BTreeMap::new();
    for (index, patch) in patches.iter().copied().enumerate() {
        let answered = ancestors(patch, &by_id);
        let first = answered.into_iter().filter_map(|mail| places.get(&address(mail))).next_back();
        let known = newest.entry(*first.unwrap_or(&index)).or_insert(patch);
        if known.date.zip(patch.date).is_none_or(|(old, new)| old <= new) {
            *known = patch;
        }
    }
    for (first, last) in newest.iter().filter(|(first, last)| address(patches[**first]) != address(last)) {
        notes.push(format!("{} was posted again in its thread: using {}", patches[*first].subject, last.subject));
    }
    let used: HashSet<*const Mail> = newest.values().map(|mail| address(mail)).collect();
    posts.iter().copied().filter(|mail| mail.diff.is_none() || used.contains(&address(mail))).collect()
}

/// Tells mails apart that may be equal.
fn address(mail: &Mail) -> *const Mail {
    mail
}

/// The mails of a thread by their identifiers.
pub fn by_id<'a>(mails: &[&'a Mail]) -> HashMap<&'a str, &'a Mail> {
    mails.iter().filter_map(|mail| Some((mail.id.as_deref()?, *mail))).collect()
}

/// The mails that a mail answers, directly or not, the nearest first.
pub fn ancestors<'a>(mail: &'a Mail, by_id: &HashMap<&str, &'a Mail>) -> Vec<&'a Mail> {
    let mut seen = HashSet::from([address(mail)]);
    let mut found: Vec<&Mail> = Vec::new();
    let mut at = mail;
    while let Some(next) = at.answers.iter().find_map(|id| by_id.get(id.as_str())) {
        // A circle ends at the first mail that was seen.
        if !seen.insert(address(next)) {
            break;
        }
        found.push(next);
        at = next;
    }
    found
}
