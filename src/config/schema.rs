use super::Config;
use schemars::{
    Schema,
    generate::SchemaSettings,
    transform::{Transform, transform_subschemas},
};
use serde_json::{Value, json};

/// The JSON Schema (draft 2020-12) of the configuration file, made from the types that read it.
pub fn json_schema() -> Value {
    let mut schema =
        SchemaSettings::draft2020_12().into_generator().into_root_schema_for::<Config>();
    NoNull.transform(&mut schema);
    Variables.transform(&mut schema);
    schema.insert("title".to_owned(), "tollgate configuration".into());
    schema.to_value()
}

/// TOML has no null: what is optional is left out.
struct NoNull;

impl Transform for NoNull {
    fn transform(&mut self, schema: &mut Schema) {
        let null = json!({ "type": "null" });
        if schema.get("default").is_some_and(Value::is_null) {
            schema.remove("default");
        }
        if let Some(Value::Object(default)) = schema.get_mut("default") {
            default.retain(|_, value| !value.is_null());
        }
        if let Some(Value::Array(types)) = schema.get_mut("type") {
            types.retain(|name| name != "null");
            if let [only] = types.as_slice() {
                let only = only.clone();
                schema.insert("type".to_owned(), only);
            }
        }
        if let Some(Value::Array(choices)) = schema.get_mut("enum") {
            choices.retain(|choice| !choice.is_null());
        }
        if let Some(Value::Array(choices)) = schema.get_mut("anyOf") {
            choices.retain(|choice| *choice != null);
            if let [Value::Object(only)] = choices.as_slice() {
                let only = only.clone();
                schema.remove("anyOf");
                for (key, value) in only {
                    schema.insert(key, value);
                }
            }
        }
        transform_subschemas(self, schema);
    }
}

/// What is not a table or an array can be a string with variables in it instead.
struct Variables;

impl Transform for Variables {
    fn transform(&mut self, schema: &mut Schema) {
        if !is_narrow(schema) {
            return transform_subschemas(self, schema);
        }
        let mut strict = std::mem::take(schema.ensure_object());
        let mut outer = serde_json::Map::new();
        for key in ["description", "default", "examples"] {
            outer.extend(strict.remove_entry(key));
        }
        let variable = json!({ "type": "string", "pattern": "\\$\\{" });
        outer.insert("anyOf".to_owned(), json!([strict, variable]));
        *schema = outer.into();
    }
}

/// Whether this is a single value that cannot be any string: a number, a boolean, a string of some form, a choice.
fn is_narrow(schema: &Schema) -> bool {
    match schema.get("type").and_then(Value::as_str) {
        Some("integer" | "number" | "boolean") => true,
        Some("string") => schema.as_object().is_some_and(|object| {
            let says_nothing =
                |key: &str| matches!(key, "type" | "description" | "default" | "examples");
            object.keys().any(|key| !says_nothing(key))
        }),
        Some(_) => false,
        None => match schema.get("oneOf") {
            Some(Value::Array(choices)) => {
                choices.iter().all(|choice| choice.get("const").is_some())
            }
            _ => false,
        },
    }
}
