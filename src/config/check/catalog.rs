//! `[catalog]`.
use super::Checker;
use crate::{
    Catalog,
    catalog::InvalidCatalog,
    config::{
        Config,
        tree::{KeyPath, Node, Value},
    },
};

impl Checker<'_, '_> {
    pub(super) fn catalog(&mut self, config: &Config) {
        let path = KeyPath::default().key("catalog");
        if self.damaged || self.root.at(&path).is_some_and(|node| !node.is_whole()) {
            return;
        }
        if let Err(invalid) = Catalog::from_settings(&config.catalog) {
            self.catalog_mistakes(&path, invalid);
        }
    }

    fn catalog_mistakes(&mut self, path: &KeyPath, invalid: InvalidCatalog) {
        for mistake in invalid.mistakes {
            let path = mistake.path.iter().fold(path.clone(), |path, key| self.step(&path, key));
            let message = self.without_variables("catalog", &mistake.message);
            self.error(&path, message, None);
        }
    }

    /// A key, or where the document has an array there, an index.
    pub(super) fn step(&self, path: &KeyPath, key: &str) -> KeyPath {
        match (self.root.at(path).map(|node| &node.value), key.parse()) {
            (Some(Value::Array(_)), Ok(index)) => path.index(index),
            _ => path.key(key),
        }
    }

    /// A message about what is in this table may say what it found: not if that is what a variable holds.
    pub(super) fn without_variables(&self, table: &str, message: &str) -> String {
        let mut texts = Vec::new();
        if let Some(entry) = self.root.entry(table) {
            collect_variables(&entry.node, &mut texts);
        }
        texts.iter().fold(message.to_owned(), |message, (value, variables)| {
            message.replace(value, &format!("${{{}}}", variables.join(", ")))
        })
    }
}

fn collect_variables<'a>(node: &'a Node, texts: &mut Vec<(&'a str, &'a [String])>) {
    match &node.value {
        Value::Text(text) if !text.variables.is_empty() && !text.value.is_empty() => {
            texts.push((&text.value, &text.variables));
        }
        Value::Array(elements) => {
            elements.iter().for_each(|element| collect_variables(element, texts));
        }
        Value::Table(entries) => {
            entries.iter().for_each(|entry| collect_variables(&entry.node, texts));
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        catalog::Mistake,
        config::{diagnostic::Report, source},
        file_stamps::FileStamps,
    };
    use std::path::Path;

    #[test]
    fn catalog_mistakes() {
        let text = "[catalog]\nfields = [\"source\"]\n[catalog.entries.rate_limited]\nstatus = 200\nmessage = \"${WORDS} {limit}\"\n";
        let env = |name: &str| (name == "WORDS").then(|| "sk-5ecret".to_owned());
        let mut files = FileStamps::default();
        let mut report = Report::new(Path::new("f"), text, &mut files);
        let (root, damaged) = source::document(text, &env, &mut report).unwrap();
        let mistake = |path: &[&str], message: &str| Mistake {
            path: path.iter().map(|key| (*key).to_owned()).collect(),
            message: message.to_owned(),
        };
        let invalid = InvalidCatalog {
            mistakes: vec![
                mistake(&["entries", "rate_limited", "status"], "not an error"),
                mistake(
                    &["entries", "rate_limited", "message"],
                    "nothing is called limit in `sk-5ecret {limit}`",
                ),
                mistake(&["entries", "rate_limited", "title"], "missing"),
                mistake(&["fields", "0"], "not this one"),
                mistake(&["preset"], "missing"),
            ],
        };
        let path = KeyPath::default().key("catalog");
        Checker { root: &root, report: &mut report, damaged }.catalog_mistakes(&path, invalid);
        let printed: Vec<_> = report.finish().iter().map(ToString::to_string).collect();
        assert_eq!(
            printed,
            [
                "error: f:1:1: catalog.preset: missing",
                "error: f:2:11: catalog.fields[0]: not this one",
                "error: f:3:1: catalog.entries.rate_limited.title: missing",
                "error: f:4:10: catalog.entries.rate_limited.status: not an error",
                "error: f:5:11: catalog.entries.rate_limited.message: nothing is called limit in `${WORDS}` (the value comes from WORDS)",
            ]
        );
    }
}
