//! Makes the page's TypeScript types from the schemas of the API: the little of JSON Schema that our types use.

use serde_json::{Map, Value};
use std::{collections::BTreeMap, fmt::Write};

const HEAD: &str = "// The types of the API. Made from web/src/dto.rs; do not edit.\n\
                    // UPDATE=1 cargo test -p pc2-web openapi\n";

/// The whole file.
pub(super) fn make(schemas: &Map<String, Value>) -> String {
    let mut file = HEAD.to_owned();
    for (name, schema) in in_order(schemas) {
        let comment = comment(schema, "");
        write!(file, "\n{comment}export type {name} = {}\n", typed(schema, "")).expect("text can be written");
    }
    file
}

/// A schema as a type.
fn typed(schema: &Value, indent: &str) -> String {
    if let Some(reference) = schema["$ref"].as_str() {
        return reference.rsplit('/').next().unwrap_or_default().to_owned();
    }
    if let Some(constant) = schema.get("const") {
        return literal(constant);
    }
    if let Some(values) = schema["enum"].as_array() {
        return values.iter().map(literal).collect::<Vec<_>>().join(" | ");
    }
    let variants = schema["oneOf"].as_array().or_else(|| schema["anyOf"].as_array());
    let union = variants.map(|variants| {
        let objects = variants.iter().any(|variant| variant["type"] == "object");
        let between = if objects { format!("\n{indent}  | ") } else { " | ".to_owned() };
        let union = variants.iter().map(|variant| typed(variant, &format!("{indent}  "))).collect::<Vec<_>>();
        if objects { format!("{between}{}", union.join(&between)) } else { union.join(&between) }
    });
    match (schema["properties"].as_object(), union) {
        (Some(properties), Some(union)) => {
            format!("{} & ({union}\n{indent})", object(schema, properties, indent))
        }
        (Some(properties), None) => object(schema, properties, indent),
        (None, Some(union)) => union,
        (None, None) => plain(schema, indent),
    }
}

fn object(schema: &Value, properties: &Map<String, Value>, indent: &str) -> String {
    let required =
        |name: &str| schema["required"].as_array().is_some_and(|all| all.iter().any(|one| one == name));
    let mut text = "{\n".to_owned();
    for (name, property) in in_order(properties) {
        let inner = format!("{indent}  ");
        let mark = if required(name) { "" } else { "?" };
        let comment = comment(property, &inner);
        writeln!(text, "{comment}{inner}{name}{mark}: {}", typed(property, &inner))
            .expect("text can be written");
    }
    text + indent + "}"
}

/// By name, whatever order the JSON library was built to keep.
fn in_order(map: &Map<String, Value>) -> BTreeMap<&String, &Value> {
    map.iter().collect()
}

fn plain(schema: &Value, indent: &str) -> String {
    let one = |name: &str| match name {
        "string" => "string".to_owned(),
        "integer" | "number" => "number".to_owned(),
        "boolean" => "boolean".to_owned(),
        "null" => "null".to_owned(),
        "array" => format!("{}[]", typed(&schema["items"], indent)),
        other => panic!("our types have no {other}: {schema}"),
    };
    match &schema["type"] {
        Value::String(name) => one(name),
        Value::Array(names) => {
            names.iter().filter_map(Value::as_str).map(one).collect::<Vec<_>>().join(" | ")
        }
        _ => panic!("a schema without a type: {schema}"),
    }
}

fn literal(value: &Value) -> String {
    format!("'{}'", value.as_str().expect("our constants are text"))
}

fn comment(schema: &Value, indent: &str) -> String {
    let text = schema["description"].as_str();
    text.map_or_else(String::new, |text| format!("{indent}/** {} */\n", text.replace('\n', " ")))
}
