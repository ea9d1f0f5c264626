//! Validates a JSON document against a JSON Schema, as far as `report.schema.json` makes use of it: 80 lines instead of the
//! seventy crates of a whole validator. A keyword that it doesn't know is an error, so that nothing passes unseen.
//!
//! The clients' tests use it too, by its path: `common` travels with each of them.

use serde_json::Value;

/// The schema of what the clients report.
pub fn report() -> Value {
    serde_json::from_str(include_str!("../../report.schema.json")).unwrap()
}

/// What is wrong with a document, each with its place in it.
pub fn faults(document: &Value, root: &Value) -> Vec<String> {
    let mut faults = Vec::new();
    check(document, root, root, "", &mut faults);
    faults
}

fn check(value: &Value, schema: &Value, root: &Value, place: &str, faults: &mut Vec<String>) {
    for (keyword, wanted) in schema.as_object().unwrap() {
        let fault = match keyword.as_str() {
            "$schema" | "$defs" | "title" | "description" => None,
            "$ref" => {
                let pointer = wanted.as_str().unwrap().strip_prefix('#').unwrap();
                check(value, root.pointer(pointer).unwrap(), root, place, faults);
                None
            }
            "type" => {
                let types = wanted.as_array().cloned().unwrap_or_else(|| vec![wanted.clone()]);
                (!types.iter().any(|name| has_type(value, name.as_str().unwrap()))).then(|| format!("is no {wanted}"))
            }
            "const" => (value != wanted).then(|| format!("is not {wanted}")),
            "enum" => (!wanted.as_array().unwrap().contains(value)).then(|| format!("is none of {wanted}")),
            "minimum" => below(value, wanted).then(|| format!("is less than {wanted}")),
            "maximum" => below(wanted, value).then(|| format!("is more than {wanted}")),
            "required" => {
                let missing = |name: &&Value| value.is_object() && value.get(name.as_str().unwrap()).is_none();
                wanted.as_array().unwrap().iter().find(missing).map(|name| format!("has no {name}"))
            }
            "properties" => {
                for (name, schema) in wanted.as_object().unwrap() {
                    if let Some(member) = value.get(name) {
                        check(member, schema, root, &format!("{place}/{name}"), faults);
                    }
                }
                None
            }
            "additionalProperties" => {
                assert_eq!(wanted, &Value::Bool(false));
                let known = schema["properties"].as_object().unwrap();
                let mut members = value.as_object().into_iter().flatten();
                members.find(|(name, _)| !known.contains_key(*name)).map(|(name, _)| format!("has an unknown {name}"))
            }
            "items" => {
                for (index, item) in value.as_array().into_iter().flatten().enumerate() {
                    check(item, wanted, root, &format!("{place}/{index}"), faults);
                }
                None
            }
            "oneOf" => {
                let of_each: Vec<Vec<String>> = wanted
                    .as_array()
                    .unwrap()
                    .iter()
                    .map(|schema| {
                        let mut faults = Vec::new();
                        check(value, schema, root, place, &mut faults);
                        faults
                    })
                    .collect();
                let fit = of_each.iter().filter(|faults| faults.is_empty()).count();
                (fit != 1).then(|| format!("fits {fit} of {}, not one: {of_each:?}", of_each.len()))
            }
            unknown => panic!("a keyword that this validator doesn't know: {unknown}"),
        };
        faults.extend(fault.map(|fault| format!("{place}: {fault}")));
    }
}

fn has_type(value: &Value, name: &str) -> bool {
    match name {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        unknown => panic!("an unknown type: {unknown}"),
    }
}

/// Whether both are numbers, and the first is less.
fn below(value: &Value, other: &Value) -> bool {
    value.as_f64().zip(other.as_f64()).is_some_and(|(value, other)| value < other)
}
