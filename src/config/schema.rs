use super::Config;
use schemars::{
    Schema,
    generate::SchemaSettings,
    transform::{Transform, transform_subschemas},
};
use serde_json::{Value, json};

/// The JSON Schema (draft 2020-12) of the configuration file, made from the types that read it.
pub fn json_schema() -> Value {
    let mut schema = SchemaSettings::draft2020_12()
        .into_generator()
        .into_root_schema_for::<Config>();
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
        transform_subschemas(self, schema);
        let scalar = matches!(
            schema.get("type").and_then(Value::as_str),
            Some("integer" | "number" | "boolean")
        );
        let narrow = ["pattern", "minLength", "maxLength", "format", "not"]
            .iter()
            .any(|key| schema.get(*key).is_some());
        let choice = ["enum", "const"]
            .iter()
            .any(|key| schema.get(*key).is_some());
        if !scalar && !narrow && !choice {
            return;
        }
        // A list of alternatives (documented choices) has its own schema around it, where the default and description stay.
        let mut strict = std::mem::take(schema.ensure_object());
        let mut outer = serde_json::Map::new();
        for key in ["title", "description", "default", "examples"] {
            if let Some(value) = strict.remove(key) {
                outer.insert(key.to_owned(), value);
            }
        }
        outer.insert(
            "anyOf".to_owned(),
            json!([strict, { "type": "string", "pattern": "\\$\\{" }]),
        );
        *schema = outer.into();
    }
}
