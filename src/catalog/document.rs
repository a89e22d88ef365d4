//! The catalog as documentation: JSON and Markdown, made from what answers are made from.

use super::{Catalog, Entry};
use serde_json::{Value, json};
use std::fmt::Write;

impl Catalog {
    /// The catalog as JSON: `name`, `fields` and `entries`, each with an example envelope.
    pub fn to_json(&self) -> Value {
        let entries: Vec<_> = self.entries.iter().map(|entry| self.entry_json(entry)).collect();
        json!({ "name": self.name, "fields": self.field_names(), "entries": entries })
    }

    /// The catalog as a Markdown page: a table, then a section for each code.
    pub fn to_markdown(&self) -> String {
        let mut out = format!("# Error codes: {}\n\n", self.name);
        out.push_str("| code | status | meaning | retry |\n|---|--:|---|---|\n");
        for entry in &self.entries {
            let retry = if entry.is_retryable() { "yes, with backoff" } else { "no" };
            let (code, status) = (&entry.code, entry.status.as_u16());
            let _ = writeln!(
                out,
                "| [`{code}`](#{code}) | {status} | {} | {retry} |",
                cell(&entry.title)
            );
        }
        for entry in &self.entries {
            let (code, status) = (&entry.code, entry.status.as_u16());
            // The anchor is the code itself, whatever a renderer makes of the heading.
            let _ = write!(
                out,
                "\n<a id=\"{code}\"></a>\n\n## {}\n\n`{code}` · HTTP {status}\n\n",
                entry.title
            );
            for (label, text) in [("Problem", &entry.problem), ("Solution", &entry.solution)] {
                if !text.is_empty() {
                    let _ = writeln!(out, "{label}: {text}\n");
                }
            }
            let _ = writeln!(out, "```json\n{}\n```", self.example(entry));
        }
        out
    }

    fn entry_json(&self, entry: &Entry) -> Value {
        json!({
            "code": entry.code,
            "status": entry.status.as_u16(),
            "title": entry.title,
            "message": entry.message(),
            "problem": entry.problem,
            "solution": entry.solution,
            "docs_url": entry.docs_url,
            "retryable": entry.is_retryable(),
            "faults": entry.faults.iter().map(|kind| kind.as_str()).collect::<Vec<_>>(),
            "example": self.example(entry),
        })
    }

    fn field_names(&self) -> Vec<&'static str> {
        self.fields.iter().map(|field| field.as_str()).collect()
    }
}

/// Text inside a table.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_stands_in_every_format() {
        for preset in Catalog::presets() {
            let catalog = Catalog::preset(preset).unwrap();
            let (json, markdown) = (catalog.to_json(), catalog.to_markdown());
            for (i, entry) in catalog.entries().iter().enumerate() {
                let written = &json["entries"][i];
                assert_eq!(written["code"], entry.code());
                assert_eq!(written["status"], entry.status().as_u16());
                assert_eq!(written["example"]["error"]["code"], entry.code());
                assert!(markdown.contains(&format!("<a id=\"{}\"></a>", entry.code())));
            }
            assert_eq!(json["entries"].as_array().unwrap().len(), catalog.entries().len());
        }
    }
}
