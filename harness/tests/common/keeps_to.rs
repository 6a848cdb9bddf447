//! Validates a JSON value against docs/report.schema.json. Unknown fields are errors here, although other readers have to accept
//! them, because a later version may add fields.

use boon::{Compiler, Schemas};
use serde_json::Value;

/// Validates a value.
///
/// # Errors
/// The violations, with their places, such as `/verdicts/3/key`.
pub fn keeps_to(value: &Value, schema: &Value) -> Result<(), String> {
    let mut schema = schema.clone();
    close(&mut schema, true);
    let (mut schemas, mut compiler) = (Schemas::new(), Compiler::new());
    compiler.add_resource("report.json", schema).expect("it has a name");
    let index = compiler.compile("report.json", &mut schemas).expect("it is a schema");
    schemas.validate(value, index).map_err(|error| format!("{error:#}"))
}

/// Forbids unknown fields in objects, except in the variants of an enum.
fn close(schema: &mut Value, whole: bool) {
    let Some(words) = schema.as_object_mut() else { return };
    for (word, inner) in words.iter_mut() {
        match (word.as_str(), inner) {
            ("properties", Value::Object(fields)) => fields.values_mut().for_each(|field| close(field, true)),
            ("$defs", Value::Object(types)) => types.values_mut().for_each(|one| close(one, false)),
            ("oneOf" | "anyOf", Value::Array(variants)) => variants.iter_mut().for_each(|one| close(one, false)),
            ("items", items) => close(items, true),
            _ => {}
        }
    }
    if whole {
        words.insert("unevaluatedProperties".into(), false.into());
    }
}
