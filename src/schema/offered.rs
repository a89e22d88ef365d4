//! Which texts a schema offers at a place, where it lists them.

use super::{
    Schema, meaning,
    rule::{Rule, RuleId, Step},
};
use crate::{
    fault::Text,
    json::{Document, Kind, Pointer, Value, View},
};

/// Every text that an `enum` or a `const` of the schema lists, wherever.
pub(super) fn listed(document: &Document) -> Box<[Box<str>]> {
    let mut texts = Vec::new();
    collect(document.root(), &mut texts);
    texts.sort_unstable();
    texts.dedup();
    texts.into()
}

fn collect(value: Value<'_>, texts: &mut Vec<Box<str>>) {
    for (name, member) in value.members().into_iter().flatten() {
        match (name, member.kind()) {
            ("const", Kind::String) => texts.extend(member.as_str().map(Into::into)),
            ("enum", Kind::Array) => {
                let items = member.items().into_iter().flatten();
                texts.extend(items.filter_map(|item| item.as_str().map(Into::into)));
            }
            _ => collect(member, texts),
        }
    }
    value.items().into_iter().flatten().for_each(|item| collect(item, texts));
}

impl Schema {
    /// The texts that may stand at this place; `None` if any may, or if that depends on something else.
    pub(crate) fn texts_at(&self, at: &Pointer) -> Option<Vec<&str>> {
        /// What no schema lists.
        const ANY: &str = "\u{1}any text\u{1}";
        let rules = self.rules_at(at);
        let accepts = |text: &str| {
            let accepts = |rule: &RuleId| self.rules[rule.0].whole.is_valid(View::Name(text));
            rules.iter().all(accepts)
        };
        if accepts(ANY) {
            return None;
        }
        Some(self.texts.iter().map(|text| &**text).filter(|text| accepts(text)).collect())
    }

    /// The code for what is wrong with the member at this place, where one is given beside its own rules.
    pub(crate) fn code_at(&self, at: &Pointer) -> Option<Text> {
        self.rules_at(at).iter().find_map(|rule| self.rules[rule.0].says.code.clone())
    }

    /// The rules that hold for the member at this place, whatever else there is.
    fn rules_at(&self, at: &Pointer) -> Vec<RuleId> {
        let mut rules = vec![self.root];
        for step in at.steps() {
            self.with_those_that_hold_too(&mut rules);
            let under = rules.iter().flat_map(|rule| &self.rules[rule.0].steps);
            rules = under.flat_map(|part| meaning::rules_of_member(part, step.as_str())).collect();
        }
        self.with_those_that_hold_too(&mut rules);
        rules
    }

    /// Adds those that a rule refers to for the same value.
    fn with_those_that_hold_too(&self, rules: &mut Vec<RuleId>) {
        let mut next = 0;
        while let Some(RuleId(index)) = rules.get(next).copied() {
            next += 1;
            let Rule { steps, .. } = &self.rules[index];
            for step in steps {
                if let Step::All(more) = step {
                    let new: Vec<_> = more.iter().filter(|rule| !rules.contains(rule)).collect();
                    rules.extend(new);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_offered() {
        let table: &[(&str, &str, Option<&[&str]>)] = &[
            (r#"{"properties":{"m":{"enum":["b","a",1]}}}"#, "/m", Some(&["a", "b"])),
            (r#"{"properties":{"m":{"const":"a"}}}"#, "/m", Some(&["a"])),
            (r#"{"properties":{"m":{"enum":["a","bb"],"maxLength":1}}}"#, "/m", Some(&["a"])),
            (
                r##"{"$defs":{"m":{"enum":["a"]}},"properties":{"m":{"$ref":"#/$defs/m"}}}"##,
                "/m",
                Some(&["a"]),
            ),
            (r#"{"allOf":[{"properties":{"m":{"enum":["a"]}}}]}"#, "/m", Some(&["a"])),
            (r#"{"properties":{"o":{"properties":{"m":{"enum":["a"]}}}}}"#, "/o/m", Some(&["a"])),
            (r#"{"additionalProperties":{"enum":["a"]}}"#, "/m", Some(&["a"])),
            (r#"{"properties":{"m":{"type":"integer"}}}"#, "/m", Some(&[])),
            (r#"{"properties":{"m":{"type":"string"},"n":{"enum":["a"]}}}"#, "/m", None),
            (
                r#"{"properties":{"m":{"oneOf":[{"enum":["a"]},{"type":"string","pattern":"^x"}]}}}"#,
                "/m",
                Some(&["a"]),
            ),
            (r#"{"oneOf":[{"properties":{"m":{"enum":["a"]}}}]}"#, "/m", None),
            (r"{}", "/m", None),
        ];
        for (schema, at, want) in table {
            let schema: Schema = schema.parse().unwrap();
            let offered = schema.texts_at(&at.parse().unwrap());
            assert_eq!(offered.as_deref(), *want, "{at}");
        }
    }

    #[test]
    fn what_its_code_is() {
        let schema: Schema = r##"{"$defs":{"m":{"x-fault":"far"}},"x-fault":"whole","properties":{
            "m":{"type":"string","x-fault":"near"},"r":{"$ref":"#/$defs/m"},"n":{"type":"string"}}}"##
            .parse()
            .unwrap();
        let table = [("/m", Some("near")), ("/r", Some("far")), ("/n", None), ("/x", None)];
        for (at, want) in table {
            assert_eq!(schema.code_at(&at.parse().unwrap()).as_deref(), want, "{at}");
        }
    }
}
