//! The catalog as a page for people: what `docs_url` points to.
//!
//! One file that asks for nothing else. Each entry has its code as its `id`; ids of the page itself have a colon, which no
//! code has. Without its script everything is there to be read.

mod template;

use self::template::{Escaped, Prose, render};
use super::{Advice, Catalog, Entry};
use crate::fault::{Kind, Source};
use http::StatusCode;
use std::{
    collections::BTreeMap,
    fmt::{self, Write},
};

const PAGE: &str = include_str!("page.html");
const ENTRY: &str = include_str!("entry.html");
const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

/// What the page may do: show what is in it, and run its own script. The hashes are those of the two files; a test
/// says which, when one of them has changed.
pub(crate) const POLICY: &str = "default-src 'none'; img-src data:; \
    style-src 'sha256-n+RObZp7ffY60vVJX4Z+BGof7O02nUTPJDhF7RIOsfY='; \
    script-src 'sha256-qaj5T4EudTDb5D/P/4GLk3ShMt4F7iJS3TfAqW0EeQE='; \
    base-uri 'none'; form-action 'none'";

impl Catalog {
    /// The catalog as a page of HTML, for where `docs_url` points: one file, with a section for each code whose `id` is the
    /// code.
    ///
    /// It has a `Content-Security-Policy` in it, asks for nothing else, and shows texts of the catalog as text. Whoever
    /// serves it says `content-type: text/html; charset=utf-8`.
    ///
    /// ```
    /// let page = tollgate::Catalog::preset("default")?.to_html();
    /// assert!(page.contains(r#"<article id="rate_limited" data-status="429""#));
    /// # Ok::<(), tollgate::catalog::InvalidCatalog>(())
    /// ```
    pub fn to_html(&self) -> String {
        let mut out = String::with_capacity(STYLE.len() + SCRIPT.len() + 2048 * self.entries.len());
        // Writing to a string cannot fail.
        let _ = render(PAGE, &mut out, |name, out| match name {
            "policy" => write!(out, "{}", Escaped(POLICY)),
            "style" => out.write_str(STYLE),
            "script" => out.write_str(SCRIPT),
            "name" => write!(out, "{}", Escaped(&self.name)),
            "number" => write!(out, "{}", self.entries.len()),
            "statuses" => self.write_statuses(out),
            "index" => self.entries.iter().try_for_each(|entry| write_link(entry, out)),
            "fields" => self.write_fields(out),
            _ => self.entries.iter().try_for_each(|entry| self.write_entry(entry, out)),
        });
        out
    }

    /// The choices of the filter: the two classes, and each status.
    fn write_statuses(&self, out: &mut String) -> fmt::Result {
        let mut statuses = BTreeMap::<u16, usize>::new();
        for entry in &self.entries {
            *statuses.entry(entry.status.as_u16()).or_default() += 1;
        }
        for (class, name) in [(4, "4xx: the request"), (5, "5xx: the service")] {
            let of_class: Vec<_> =
                statuses.iter().filter(|(status, _)| **status / 100 == class).collect();
            let number: usize = of_class.iter().map(|(_, number)| **number).sum();
            if number == 0 {
                continue;
            }
            writeln!(out, "<option value=\"{class}\">{name} ({number})</option>")?;
            for (status, number) in of_class {
                let reason = reason(StatusCode::from_u16(*status).unwrap_or_default());
                let status = format!("{status} {reason}");
                let value = &status[..3];
                let status = status.trim_end();
                writeln!(out, "<option value=\"{value}\">{status} ({number})</option>")?;
            }
        }
        Ok(())
    }

    /// The members of `error`.
    fn write_fields(&self, out: &mut String) -> fmt::Result {
        for (name, meaning) in self.members() {
            writeln!(out, "<div><dt>{name}</dt><dd>{}</dd></div>", Prose(meaning))?;
        }
        Ok(())
    }

    fn write_entry(&self, entry: &Entry, out: &mut String) -> fmt::Result {
        render(ENTRY, out, |name, out| match name {
            "code" => write!(out, "{}", Escaped(&entry.code)),
            "status" => out.write_str(entry.status.as_str()),
            "reason" => out.write_str(reason(entry.status)),
            "title" => write!(out, "{}", Escaped(&entry.title)),
            "texts" => self.write_texts(entry, out),
            _ => write!(out, "{}", Escaped(&indented(&self.example_text(entry)))),
        })
    }

    fn write_texts(&self, entry: &Entry, out: &mut String) -> fmt::Result {
        for (label, text) in [
            ("Problem", &*entry.problem),
            ("Solution", &*entry.solution),
            ("Retry", entry.advice().sentence()),
        ] {
            if !text.is_empty() {
                writeln!(out, "<div><dt>{label}</dt><dd dir=\"auto\">{}</dd></div>", Prose(text))?;
            }
        }
        // What goes on at a provider is nobody's business, least of all how our account there is.
        let ours = || entry.faults.iter().filter(|kind| kind.source() == Source::Gateway);
        if ours().next().is_none() {
            return Ok(());
        }
        out.write_str("<div><dt>Causes</dt><dd><ul>\n")?;
        ours().try_for_each(|kind| self.write_cause(entry, *kind, out))?;
        out.write_str("</ul></dd></div>\n")
    }

    /// A cause, and what its answer says where that is not what the others say.
    fn write_cause(&self, entry: &Entry, kind: Kind, out: &mut String) -> fmt::Result {
        write!(out, "<li>{}", Escaped(kind.meaning()))?;
        if entry.advice() == Advice::ForSome && kind.disposition().retry.is_retryable() {
            out.write_str(" <b>Retry helps.</b>")?;
        }
        let message = self.rows[kind.index()].message.template();
        if message != entry.message() {
            write!(out, " <q dir=\"auto\">{}</q>", Escaped(&message))?;
        }
        out.write_str("</li>\n")
    }
}

fn write_link(entry: &Entry, out: &mut String) -> fmt::Result {
    let (code, status) = (Escaped(&entry.code), entry.status.as_u16());
    writeln!(out, "<li><a href=\"#{code}\"><span>{status} </span>{code}</a></li>")
}

/// The status in words, where it has any.
fn reason(status: StatusCode) -> &'static str {
    status.canonical_reason().unwrap_or_default()
}

/// JSON in lines. Its order is that of the wire, which a parser would not keep.
fn indented(json: &str) -> String {
    let mut out = String::with_capacity(json.len() + 128);
    let (mut depth, mut quoted, mut escaped) = (0_usize, false, false);
    for c in json.chars() {
        if quoted {
            out.push(c);
            (quoted, escaped) = (escaped || c != '"', !escaped && c == '\\');
            continue;
        }
        match c {
            '{' | '[' => depth += 1,
            '}' | ']' => {
                depth = depth.saturating_sub(1);
                new_line(depth, &mut out);
            }
            _ => {}
        }
        out.push(c);
        match c {
            '"' => quoted = true,
            ':' => out.push(' '),
            ',' | '{' | '[' => new_line(depth, &mut out),
            _ => {}
        }
    }
    out
}

fn new_line(depth: usize, out: &mut String) {
    out.push('\n');
    out.extend(std::iter::repeat_n("  ", depth));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::{EntryPatch, Settings};

    fn hostile() -> Catalog {
        let text =
            "</style></script><script>alert(1)</script><img src=x onerror=alert(1)>{{code}}\"'&";
        let mut patch = EntryPatch::message(text.replace("{{code}}", "{{{{code}}}}"));
        patch.title = Some(text.to_owned());
        patch.problem = Some(text.to_owned());
        patch.solution = Some(format!("`{text}`"));
        let mut settings = Settings::new("default").with_docs_url("/errors?\"><script>");
        settings.entries.insert("not_found".to_owned(), patch);
        Catalog::from_settings(&settings).unwrap()
    }

    #[test]
    fn texts_of_a_catalog_are_no_markup() {
        let (page, plain) = (hostile().to_html(), Catalog::preset("default").unwrap().to_html());
        for tag in ["<script", "</script", "</style", "<img", "<article", "onerror=alert(1)>"] {
            let count = |page: &str| page.matches(tag).count();
            assert_eq!(count(&page), count(&plain), "{tag}");
        }
        assert!(page.contains("&lt;script&gt;alert(1)&lt;/script&gt;"));
        assert!(page.contains("{{code}}"), "a text is no template");
    }

    #[test]
    fn nothing_is_left_to_be_filled_in_and_no_id_is_there_twice() {
        for preset in Catalog::presets() {
            let page = Catalog::preset(preset).unwrap().to_html();
            assert!(!page.contains("{{"), "{preset}");
            let mut ids: Vec<_> =
                page.split(" id=\"").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
            let number = ids.len();
            ids.sort_unstable();
            ids.dedup();
            assert_eq!(ids.len(), number, "{preset}");
            // What a fragment or a label points to is there.
            for attribute in ["href=\"#", "aria-labelledby=\"", "for=\""] {
                for rest in page.split(attribute).skip(1) {
                    let id = rest.split('"').next().unwrap();
                    assert!(ids.binary_search(&id).is_ok(), "{preset}: {id}");
                }
            }
        }
    }

    #[test]
    fn a_cause_says_what_is_special_about_it() {
        let page = Catalog::preset("eggapi").unwrap().to_html();
        let (_, entry) = page.split_once("<article id=\"VALIDATION_ERROR\"").unwrap();
        let entry = entry.split("</article>").next().unwrap();
        assert!(entry.contains("The request body is JSON, and not an object. <q dir=\"auto\">"));
        let broken_off = "<li>The client broke its own request off. <b>Retry helps.</b> <q";
        assert!(entry.contains(broken_off), "{entry}");
        assert_eq!(entry.matches("Retry helps.").count(), 1, "{entry}");
        for preset in Catalog::presets() {
            let page = Catalog::preset(preset).unwrap().to_html();
            assert!(!page.contains("account at the provider"), "{preset}");
        }
    }

    #[test]
    fn json_in_lines() {
        for (json, want) in [
            (r#"{"a":null}"#, "{\n  \"a\": null\n}"),
            (
                r#"{"a":{"b":"{,}:[\"\\","c":[1,2]}}"#,
                "{\n  \"a\": {\n    \"b\": \"{,}:[\\\"\\\\\",\n    \"c\": [\n      1,\n      2\n    ]\n  }\n}",
            ),
        ] {
            assert_eq!(indented(json), want);
        }
        for preset in Catalog::presets() {
            let catalog = Catalog::preset(preset).unwrap();
            for entry in catalog.entries() {
                let example: serde_json::Value =
                    serde_json::from_str(&indented(&catalog.example_text(entry))).unwrap();
                assert_eq!(example, catalog.example(entry), "{}", entry.code());
            }
        }
    }

    #[cfg(feature = "tasks")]
    #[test]
    fn the_policy_knows_style_and_script() {
        use base64::{Engine as _, engine::general_purpose::STANDARD};
        use sha2::{Digest as _, Sha256};
        for (name, text) in [("style", STYLE), ("script", SCRIPT)] {
            let hash = STANDARD.encode(Sha256::digest(text));
            let want = format!("{name}-src 'sha256-{hash}';");
            assert!(POLICY.contains(&want), "{want}");
            // What ends the element would end what is hashed.
            assert!(!text.contains(&format!("</{name}")) && !text.contains('\r'), "{name}");
        }
    }
}
