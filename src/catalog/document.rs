//! The catalog as documentation, made from what answers are made from: JSON and Markdown here, HTML in `page`, OpenAPI in
//! `openapi`.

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

    /// The members that `error` can have, and what each of them says.
    pub(super) fn members(&self) -> Vec<(&'static str, &'static str)> {
        let mut members = vec![
            ("code", "Which error it is: one of the codes of this catalog."),
            ("message", "The same in words, for people. It may change."),
        ];
        members.extend(self.fields.iter().map(|field| (field.as_str(), field.meaning())));
        let all = "Everything that is wrong with the request, each with `field`, `code` and `message`, where all of it was asked for.";
        members.push(("details", all));
        members
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
    use crate::catalog::{EntryPatch, Settings};

    /// The codes and statuses of a format, in alphabetical order.
    type Listed = Vec<(String, String)>;

    fn of_markdown(text: &str) -> Listed {
        let (table, sections) = text.split_once("\n<a id=").unwrap();
        let rows = table.lines().filter(|line| line.starts_with("| [`"));
        let rows: Listed = rows
            .map(|row| {
                let cells: Vec<_> = row.split('|').map(str::trim).collect();
                let code = cells[1].split('`').nth(1).unwrap();
                (code.to_owned(), cells[2].to_owned())
            })
            .collect();
        // The sections below have the same, in the same order.
        let of_sections: Listed = format!("<a id={sections}")
            .split("<a id=\"")
            .skip(1)
            .map(|section| {
                let (code, rest) = section.split_once('"').unwrap();
                let status = rest.split_once("` · HTTP ").unwrap().1;
                (code.to_owned(), status[..3].to_owned())
            })
            .collect();
        assert_eq!(rows, of_sections);
        rows
    }

    fn of_html(text: &str) -> Listed {
        let articles = text.split("<article id=\"").skip(1).map(|article| {
            let (code, rest) = article.split_once("\" data-status=\"").unwrap();
            let status = &rest[..3];
            assert!(article.contains(&format!("<b>{status}</b>")), "{code}");
            assert!(article.contains(&format!("&quot;code&quot;: &quot;{code}&quot;")), "{code}");
            (code.to_owned(), status.to_owned())
        });
        let articles: Listed = articles.collect();
        let links = text.split("<li><a href=\"#").skip(1).map(|link| {
            let (code, rest) = link.split_once("\"><span>").unwrap();
            (code.to_owned(), rest[..3].to_owned())
        });
        assert_eq!(articles, links.collect::<Listed>());
        articles
    }

    fn of_json(json: &Value) -> Listed {
        let entries = json["entries"].as_array().unwrap().iter().map(|entry| {
            assert_eq!(entry["example"]["error"]["code"], entry["code"]);
            (entry["code"].as_str().unwrap().to_owned(), entry["status"].to_string())
        });
        entries.collect()
    }

    fn of_openapi(document: &Value) -> Listed {
        let components = &document["components"];
        let of_code =
            |schema: &Value| schema["properties"]["error"]["properties"]["code"]["const"].clone();
        let schemas = components["schemas"].as_object().unwrap().iter();
        let codes: Vec<_> =
            schemas.map(|(_, schema)| of_code(schema)).filter(|code| !code.is_null()).collect();
        let responses = components["responses"].as_object().unwrap().iter();
        let responses: Listed = responses
            .map(|(code, response)| (code.clone(), response["x-http-status"].to_string()))
            .collect();
        assert_eq!(codes, responses.iter().map(|(code, _)| code.as_str()).collect::<Vec<_>>());
        responses
    }

    /// What is documented is the catalog: neither more nor less, in every format.
    #[test]
    fn no_format_says_anything_else_than_the_catalog() {
        let own = Settings::new("apistor")
            .with_entry("NAME_TAKEN", EntryPatch::message("Taken.").with_status(409))
            .with_entry("not_found", EntryPatch::default().with_status(410).with_code("gone"));
        let presets = Catalog::presets().map(Settings::new);
        for settings in presets.chain([own]) {
            let catalog = Catalog::from_settings(&settings).unwrap();
            let entries = catalog.entries().iter();
            let want: Listed = entries
                .map(|entry| (entry.code().to_owned(), entry.status().as_str().to_owned()))
                .collect();
            assert_eq!(of_markdown(&catalog.to_markdown()), want);
            assert_eq!(of_html(&catalog.to_html()), want);
            assert_eq!(of_json(&catalog.to_json()), want);
            let mut sorted = want;
            sorted.sort();
            assert_eq!(of_openapi(&catalog.to_openapi()), sorted);
        }
    }
}
