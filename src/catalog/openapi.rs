//! The catalog as an OpenAPI document: what clients are generated from.

use super::{Catalog, Entry};
use crate::{
    envelope::Field,
    fault::{Kind, Source},
};
use serde_json::{Map, Value, json};

impl Catalog {
    /// The catalog as an OpenAPI 3.1 document without paths.
    ///
    /// `components.responses` and `components.schemas` have one for each code, under the code, and the schemas also
    /// `ErrorEnvelope`, which is any of them. An API's own document refers to them, or takes them over:
    ///
    /// ```
    /// let document = tollgate::Catalog::preset("default")?.to_openapi();
    /// let response = &document["components"]["responses"]["rate_limited"];
    /// assert_eq!(response["x-http-status"], 429);
    /// assert!(response["headers"]["Retry-After"].is_object());
    /// # Ok::<(), tollgate::catalog::InvalidCatalog>(())
    /// ```
    pub fn to_openapi(&self) -> Value {
        let (mut schemas, mut responses) = (Map::new(), Map::new());
        let detail = self.free_name("ErrorDetail");
        schemas.insert(detail.clone(), detail_schema());
        let codes: Vec<_> = self.entries.iter().map(Entry::code).collect();
        let code = json!({ "type": "string", "enum": codes });
        let envelope = self.envelope_schema(code, |_| true, &detail);
        schemas.insert(self.free_name("ErrorEnvelope"), envelope);
        for entry in &self.entries {
            schemas.insert(entry.code.clone(), self.entry_schema(entry, &detail));
            responses.insert(entry.code.clone(), self.entry_response(entry));
        }
        json!({
            "openapi": "3.1.0",
            "info": {
                "title": format!("Error codes: {}", self.name),
                "description": "What every error of this API looks like.",
                "version": env!("CARGO_PKG_VERSION"),
            },
            "paths": {},
            "components": { "schemas": schemas, "responses": responses, "headers": headers() },
        })
    }

    /// A name that no code has.
    fn free_name(&self, name: &str) -> String {
        let mut name = name.to_owned();
        while self.by_code.contains_key(&name) {
            name.push('_');
        }
        name
    }

    fn entry_schema(&self, entry: &Entry, detail: &str) -> Value {
        let code = json!({ "type": "string", "const": entry.code });
        let mut schema = self.envelope_schema(code, |field| can_have(entry, field), detail);
        if !can_have(entry, Field::Field)
            && let Some(error) = schema.pointer_mut("/properties/error/properties")
            && let Some(error) = error.as_object_mut()
        {
            error.remove("details");
        }
        schema["title"] = entry.title.clone().into();
        schema["description"] = description(entry).into();
        schema["examples"] = json!([self.example(entry)]);
        schema
    }

    /// An envelope with this code, and these of the catalog's fields. Others may come in time: the schema is open.
    fn envelope_schema(&self, code: Value, has: impl Fn(Field) -> bool, detail: &str) -> Value {
        let mut members = Map::new();
        for (name, meaning) in self.members() {
            let mut schema = match name {
                "code" => code.clone(),
                "message" => json!({ "type": "string" }),
                _ => {
                    json!({ "type": "array", "items": { "$ref": format!("#/components/schemas/{detail}") } })
                }
            };
            if let Some(field) = self.fields.iter().find(|field| field.as_str() == name) {
                if !has(*field) {
                    continue;
                }
                schema = field_schema(*field);
            }
            schema["description"] = meaning.into();
            members.insert(name.to_owned(), schema);
        }
        // What the others say is not known of every answer.
        let always = ["code", "message", "retryable", "source"];
        let required: Vec<_> =
            always.into_iter().filter(|name| members.contains_key(*name)).collect();
        json!({
            "description": "The body of every error.",
            "type": "object",
            "required": ["data", "error"],
            "properties": {
                "data": { "type": "null" },
                "error": { "type": "object", "required": required, "properties": members },
            },
        })
    }

    fn entry_response(&self, entry: &Entry) -> Value {
        let schema = format!("#/components/schemas/{}", entry.code);
        let headers: Map<_, _> = header_names(entry)
            .map(|name| {
                (name.to_owned(), json!({ "$ref": format!("#/components/headers/{name}") }))
            })
            .collect();
        json!({
            "description": description(entry),
            "headers": headers,
            "content": {
                "application/json": {
                    "schema": { "$ref": schema },
                    "examples": { "example": { "summary": entry.title, "value": self.example(entry) } },
                },
            },
            "x-http-status": entry.status.as_u16(),
        })
    }
}

/// What is said of an entry in a sentence or two.
fn description(entry: &Entry) -> String {
    let texts = [&entry.problem, &entry.solution].map(String::as_str);
    let texts: Vec<_> = texts.into_iter().filter(|text| !text.is_empty()).collect();
    if texts.is_empty() { entry.title.clone() } else { texts.join(" ") }
}

/// Whether an answer with this code can have the field.
fn can_have(entry: &Entry, field: Field) -> bool {
    match field {
        Field::RetryAfterMs => has_retry_after(entry),
        // A rule for a field has the code that its schema gives it, which may be any of an application's own.
        Field::Field => entry.faults.is_empty() || entry.faults.contains(&Kind::Violation),
        Field::DocsUrl => entry.docs_url.is_some(),
        Field::RequestId | Field::Retryable | Field::Source => true,
    }
}

fn has_retry_after(entry: &Entry) -> bool {
    entry.faults.iter().any(|kind| kind.disposition().retry.is_retryable())
}

fn field_schema(field: Field) -> Value {
    match field {
        Field::DocsUrl => json!({ "type": "string", "format": "uri-reference" }),
        Field::RequestId | Field::Field => json!({ "type": "string" }),
        Field::Retryable => json!({ "type": "boolean" }),
        Field::RetryAfterMs => json!({ "type": "integer", "minimum": 1 }),
        Field::Source => {
            let words = [Source::Gateway, Source::Upstream].map(Source::as_str);
            json!({ "type": "string", "enum": words })
        }
    }
}

fn detail_schema() -> Value {
    let text = json!({ "type": "string" });
    json!({
        "description": "One of several things that are wrong with a request.",
        "type": "object",
        "required": ["field", "code", "message"],
        "properties": { "field": text, "code": text, "message": text },
    })
}

/// The header fields that an answer with this code can have, besides those of every answer in JSON.
fn header_names(entry: &Entry) -> impl Iterator<Item = &'static str> {
    let can_be = |kind| entry.faults.contains(&kind);
    // Whoever lacks a scope is told which one (RFC 6750, section 3.1).
    let challenged = entry.status == http::StatusCode::UNAUTHORIZED || can_be(Kind::Forbidden);
    [
        (true, "x-request-id"),
        (has_retry_after(entry), "Retry-After"),
        (challenged, "WWW-Authenticate"),
        (can_be(Kind::MethodNotAllowed), "Allow"),
    ]
    .into_iter()
    .filter_map(|(has, name)| has.then_some(name))
}

fn headers() -> Value {
    let text = json!({ "type": "string" });
    let seconds = json!({ "type": "integer", "minimum": 1 });
    json!({
        "x-request-id": {
            "description": "The request's id: the client's own, or one that was made for it.",
            "required": true,
            "schema": text,
        },
        "Retry-After": { "description": "How many seconds to wait before the next try, where known.", "schema": seconds },
        "WWW-Authenticate": { "description": "Which credential is asked for.", "schema": text },
        "Allow": { "description": "The methods that the path takes.", "schema": text },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::{EntryPatch, Settings};

    /// The OpenAPI Initiative's own schema of such documents.
    const OPENAPI: &str = include_str!("../../tests/openapi/schema-3.1.json");

    fn assert_valid(document: &Value) {
        let openapi = jsonschema::validator_for(&serde_json::from_str(OPENAPI).unwrap()).unwrap();
        let errors: Vec<_> = openapi.iter_errors(document).map(|e| e.to_string()).collect();
        assert!(errors.is_empty(), "{errors:#?}");
        assert!(
            !openapi.is_valid(&json!({ "openapi": "3.1.0", "paths": {} })),
            "a title is missing"
        );
        let components = &document["components"];
        // That schema says nothing of the schemas in a document.
        for (name, schema) in components["schemas"].as_object().unwrap() {
            jsonschema::meta::validate(schema).unwrap_or_else(|error| panic!("{name}: {error}"));
            let resolved =
                json!({ "$ref": format!("#/components/schemas/{name}"), "components": components });
            let validator = jsonschema::validator_for(&resolved).unwrap();
            for example in schema["examples"].as_array().into_iter().flatten() {
                assert!(validator.is_valid(example), "{name}: {example}");
                assert!(!validator.is_valid(&json!({ "data": null, "error": null })), "{name}");
            }
        }
        for name in ["schemas", "responses", "headers"] {
            for key in components[name].as_object().unwrap().keys() {
                let legal = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
                assert!(!key.is_empty() && key.chars().all(legal), "{key}");
            }
        }
        assert_references(document, document);
    }

    /// Every reference leads somewhere.
    fn assert_references(part: &Value, document: &Value) {
        match part {
            Value::Object(members) => {
                if let Some(Value::String(to)) = members.get("$ref") {
                    assert!(document.pointer(&to[1..]).is_some(), "{to}");
                }
                members.values().for_each(|part| assert_references(part, document));
            }
            Value::Array(elements) => {
                elements.iter().for_each(|part| assert_references(part, document));
            }
            _ => {}
        }
    }

    #[test]
    fn presets_are_valid_documents() {
        for preset in Catalog::presets() {
            for docs_url in ["/errors", "https://docs.example.com/errors"] {
                let settings = Settings::new(preset).with_docs_url(docs_url);
                assert_valid(&Catalog::from_settings(&settings).unwrap().to_openapi());
            }
            assert_valid(&Catalog::preset(preset).unwrap().to_openapi());
        }
    }

    #[test]
    fn codes_that_are_called_like_our_schemas() {
        let taken = |settings: Settings, code: &str| {
            settings.with_entry(code, EntryPatch::message("{detail}").with_status(409))
        };
        let settings = ["ErrorEnvelope", "ErrorEnvelope_", "ErrorDetail", "a.b-c_D", "-"]
            .into_iter()
            .fold(Settings::new("default"), taken);
        let document = Catalog::from_settings(&settings).unwrap().to_openapi();
        assert_valid(&document);
        let schemas = &document["components"]["schemas"];
        let code = |name: &str| &schemas[name]["properties"]["error"]["properties"]["code"];
        assert_eq!(code("ErrorEnvelope")["const"], "ErrorEnvelope");
        assert!(code("ErrorEnvelope__")["enum"].as_array().unwrap().contains(&json!("a.b-c_D")));
        let details = "/properties/error/properties/details/items/$ref";
        let to_detail = schemas["ErrorDetail"].pointer(details).unwrap();
        assert_eq!(to_detail, "#/components/schemas/ErrorDetail_");
    }

    #[test]
    fn header_fields_and_members_where_they_belong() {
        let document = Catalog::preset("default").unwrap().to_openapi();
        let table: [(&str, &[&str], &[&str]); 5] = [
            ("rate_limited", &["Retry-After", "x-request-id"], &["retry_after_ms"]),
            ("missing_credential", &["WWW-Authenticate", "x-request-id"], &[]),
            ("forbidden", &["WWW-Authenticate", "x-request-id"], &[]),
            ("method_not_allowed", &["Allow", "x-request-id"], &[]),
            ("invalid_parameter", &["x-request-id"], &["details", "field"]),
        ];
        for (code, headers, members) in table {
            let response = &document["components"]["responses"][code];
            let mut found: Vec<_> = response["headers"].as_object().unwrap().keys().collect();
            found.sort();
            assert_eq!(found, headers, "{code}");
            let schema = &document["components"]["schemas"][code]["properties"]["error"];
            let has = |name: &str| !schema["properties"][name].is_null();
            let found: Vec<_> = ["details", "field", "retry_after_ms"]
                .into_iter()
                .filter(|name| has(name))
                .collect();
            assert_eq!(found, members, "{code}");
        }
    }
}
