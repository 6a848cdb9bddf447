//! Whether a JSON value keeps to a schema: the words that docs/report.schema.json uses, and a panic for every other one. A
//! library for all of JSON Schema takes longer to compile than the rest of a test. Fields that the schema does not name are
//! mistakes here; to others they are what a later version may add.

use std::collections::BTreeSet;

use serde_json::Value;

/// Says nothing about values.
const TOLD: [&str; 7] = ["$schema", "$id", "$defs", "title", "description", "format", "default"];

/// What is wrong, the first of it.
///
/// # Errors
/// With the place, such as `/verdicts/3/key`.
pub fn keeps_to(value: &Value, schema: &Value) -> Result<(), String> {
    let known = check(value, schema, schema, "")?;
    unknown(value, &known, "")
}

fn unknown(value: &Value, known: &BTreeSet<String>, at: &str) -> Result<(), String> {
    let stray = value.as_object().into_iter().flatten().map(|(field, _)| field).find(|field| !known.contains(*field));
    stray.map_or(Ok(()), |field| Err(format!("{at}/{field} is not in the schema")))
}

/// Checks all words of a schema, and gives the fields that it names.
fn check(value: &Value, schema: &Value, root: &Value, at: &str) -> Result<BTreeSet<String>, String> {
    let mut known = BTreeSet::new();
    let fail = |what: String| Err(format!("{}: {what}: {value}", if at.is_empty() { "/" } else { at }));
    for (word, wanted) in schema.as_object().expect("a schema is an object") {
        match word.as_str() {
            "$ref" => {
                let pointer =
                    wanted.as_str().and_then(|text| text.strip_prefix('#')).expect("a reference to this file");
                let target = root.pointer(pointer).unwrap_or_else(|| panic!("{pointer} leads nowhere"));
                known.extend(check(value, target, root, at)?);
            }
            "type" => {
                let names = wanted.as_array().map_or_else(|| vec![wanted], |names| names.iter().collect());
                if !names.iter().any(|name| is_a(value, name.as_str().unwrap_or_default())) {
                    return fail(format!("is no {wanted}"));
                }
            }
            "const" if value != wanted => return fail(format!("is not {wanted}")),
            "enum" if !wanted.as_array().expect("a list").contains(value) => {
                return fail(format!("is none of {wanted}"));
            }
            "minimum" if value.as_f64().is_some_and(|number| number < wanted.as_f64().unwrap_or_default()) => {
                return fail(format!("is less than {wanted}"));
            }
            "required" => {
                let missing =
                    |name: &&Value| value.is_object() && value.get(name.as_str().unwrap_or_default()).is_none();
                if let Some(name) = wanted.as_array().into_iter().flatten().find(missing) {
                    return fail(format!("lacks {name}"));
                }
            }
            "properties" => {
                for (field, schema) in wanted.as_object().expect("fields") {
                    known.insert(field.clone());
                    if let Some(value) = value.get(field) {
                        let at = format!("{at}/{field}");
                        let known = check(value, schema, root, &at)?;
                        unknown(value, &known, &at)?;
                    }
                }
            }
            "additionalProperties" if *wanted != Value::Bool(false) => panic!("{at}: {word} {wanted}"),
            "items" => {
                for (index, value) in value.as_array().into_iter().flatten().enumerate() {
                    let at = format!("{at}/{index}");
                    let known = check(value, wanted, root, &at)?;
                    unknown(value, &known, &at)?;
                }
            }
            "oneOf" | "anyOf" => {
                let tried: Vec<_> =
                    wanted.as_array().into_iter().flatten().map(|one| check(value, one, root, at)).collect();
                let good = tried.iter().filter(|one| one.is_ok()).count();
                if good == 0 || good > 1 && word == "oneOf" {
                    let why: Vec<_> = tried.into_iter().filter_map(Result::err).collect();
                    return fail(format!("fits {good} of {word}: {}", why.join("; ")));
                }
                known.extend(tried.into_iter().flatten().flatten());
            }
            "const" | "enum" | "minimum" | "additionalProperties" => {}
            word => assert!(TOLD.contains(&word), "{at}: this check does not know the word {word}"),
        }
    }
    Ok(known)
}

fn is_a(value: &Value, name: &str) -> bool {
    match name {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        "number" => value.is_number(),
        "integer" => value.is_i64() || value.is_u64(),
        name => panic!("there is no type {name}"),
    }
}
