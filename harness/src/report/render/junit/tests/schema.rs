//! Checks a document against junit-10.xsd, the schema of Jenkins: elements, attributes, required attributes, text and times.
//! It reads as much of XML Schema as that file uses; the order of elements is free there.

use std::collections::{BTreeMap, BTreeSet};

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};
use regex::Regex;

const SCHEMA: &str = include_str!("../junit-10.xsd");

/// What an element may have.
#[derive(Debug, Default)]
struct Element {
    children: BTreeSet<String>,
    /// The name of each attribute, with its type and whether it is required.
    attributes: BTreeMap<String, (String, bool)>,
    text: bool,
}

fn attribute(tag: &BytesStart<'_>, name: &str) -> Option<String> {
    let found = tag.try_get_attribute(name).expect("valid XML")?;
    Some(String::from_utf8(found.value.into_owned()).expect("text"))
}

fn name(tag: &BytesStart<'_>) -> String {
    String::from_utf8(tag.name().as_ref().to_vec()).expect("text")
}

/// The elements of the schema, and the pattern of its type for times.
fn elements() -> (BTreeMap<String, Element>, Regex) {
    let mut reader = Reader::from_str(SCHEMA);
    let mut all: BTreeMap<String, Element> = BTreeMap::new();
    let (mut current, mut pattern) = (None, None);
    loop {
        match reader.read_event().expect("valid XML") {
            Event::Eof => break,
            Event::Start(tag) | Event::Empty(tag) => match name(&tag).as_str() {
                "xs:element" => match (attribute(&tag, "ref"), attribute(&tag, "name"), &current) {
                    (Some(child), _, Some(parent)) => {
                        all.get_mut(parent).map(|parent: &mut Element| parent.children.insert(child));
                    }
                    (_, Some(own), None) => {
                        let text = attribute(&tag, "type").as_deref() == Some("xs:string");
                        all.insert(own.clone(), Element { text, ..Element::default() });
                        current = attribute(&tag, "type").is_none().then_some(own);
                    }
                    _ => {}
                },
                "xs:complexType" => {
                    if let Some(element) = current.as_ref().and_then(|own| all.get_mut(own)) {
                        element.text = attribute(&tag, "mixed").as_deref() == Some("true");
                    }
                }
                "xs:attribute" => {
                    if let Some(element) = current.as_ref().and_then(|own| all.get_mut(own)) {
                        let required = attribute(&tag, "use").as_deref() == Some("required");
                        let kind = attribute(&tag, "type").unwrap_or_default();
                        element.attributes.insert(attribute(&tag, "name").expect("a name"), (kind, required));
                    }
                }
                "xs:pattern" => pattern = attribute(&tag, "value"),
                _ => {}
            },
            // References have no end tag, so this is the end of a definition.
            Event::End(tag) if tag.name().as_ref() == b"xs:element" => current = None,
            _ => {}
        }
    }
    assert!(all.len() > 8 && all["testcase"].children.contains("skipped"), "{all:?}");
    (all, Regex::new(&format!("^(?:{})$", pattern.expect("a type for times"))).expect("a valid pattern"))
}

/// What a document has that the schema does not allow.
pub fn faults(xml: &str) -> Vec<String> {
    let (elements, times) = elements();
    let mut faults = Vec::new();
    let mut open: Vec<String> = Vec::new();
    let mut reader = Reader::from_str(xml);
    loop {
        let event = reader.read_event().expect("valid XML");
        let opens = matches!(event, Event::Start(_));
        match event {
            Event::Eof => break,
            Event::Start(tag) | Event::Empty(tag) => {
                let own = name(&tag);
                let allowed = match open.last() {
                    Some(parent) => elements.get(parent).is_some_and(|parent| parent.children.contains(&own)),
                    None => own == "testsuites" || own == "testsuite",
                };
                if !allowed {
                    faults.push(format!("{own} in {:?}", open.last()));
                }
                faults.extend(elements.get(&own).map_or(Vec::new(), |element| of_attributes(&tag, element, &times)));
                open.extend(opens.then_some(own));
            }
            Event::End(_) => drop(open.pop()),
            Event::Text(text) => {
                let allowed = open.last().and_then(|own| elements.get(own)).is_some_and(|element| element.text);
                if !allowed && !text.trim_ascii().is_empty() {
                    faults.push(format!("text in {:?}", open.last()));
                }
            }
            _ => {}
        }
    }
    faults
}

fn of_attributes(tag: &BytesStart<'_>, element: &Element, times: &Regex) -> Vec<String> {
    let own = name(tag);
    let mut faults = Vec::new();
    for found in tag.attributes() {
        let found = found.expect("valid XML");
        let key = String::from_utf8_lossy(found.key.as_ref()).into_owned();
        match element.attributes.get(&key) {
            None => faults.push(format!("{own} has {key}")),
            Some((kind, _)) if kind == "SUREFIRE_TIME" && !times.is_match(&String::from_utf8_lossy(&found.value)) => {
                faults.push(format!("{own} has the time {:?}", found.value));
            }
            Some(_) => {}
        }
    }
    let required = element.attributes.iter().filter(|(_, (_, required))| *required);
    let missing = required.filter(|(key, _)| attribute(tag, key).is_none());
    faults.extend(missing.map(|(key, _)| format!("{own} lacks {key}")));
    faults
}
