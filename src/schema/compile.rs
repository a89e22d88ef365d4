//! From the text of a schema to its rules.

use super::{
    InvalidSchema, Mistake, Schema, keywords,
    lint::{Lint, reference},
    meaning,
    place::Place,
    rule::{Listed, Rest, Rule, RuleId, Says, Step},
    words,
};
use crate::json::{Document, Json, Kind, Pointer, Syntax, Value};
use jsonschema::{Draft, PatternOptions, ValidationOptions, Validator, ValidatorMap};
use std::{collections::HashMap, sync::Arc};

/// The most mistakes to list.
const MOST: usize = 20;

type Options = ValidationOptions<'static, Arc<dyn jsonschema::Retrieve>, Json>;

/// Formats count, regular expressions take linear time, and nothing is fetched from anywhere.
fn options() -> Options {
    jsonschema::options_for::<Json>()
        .with_draft(Draft::Draft202012)
        .with_pattern_options(PatternOptions::regex())
        .should_validate_formats(true)
        .should_ignore_unknown_formats(false)
        .offline()
}

pub(super) fn compile(text: &str) -> Result<Schema, InvalidSchema> {
    let invalid = |mistakes| InvalidSchema { mistakes };
    let document = Document::parse(text.to_owned(), &Syntax::default()).map_err(|error| {
        let message = format!("the text is not JSON: {error}");
        invalid(vec![Mistake { line: error.line(), pointer: String::new(), message }])
    })?;
    let place = Place::root(&document);
    let Lint { mut mistakes, codes, .. } = Lint::of(&document);
    let value = document.root().to_serde();
    let options = options();
    if mistakes.is_empty() {
        match (options.build(&value), options.build_map(&value)) {
            (Ok(_), Ok(map)) => {
                let mut compiler =
                    Compiler { map, rules: Vec::new(), known: HashMap::new(), failed: None };
                let root = compiler.rule(&place);
                match compiler.failed {
                    None => {
                        let codes = codes
                            .into_iter()
                            .map(|(place, code)| (place.mistake(&document, ""), code.to_owned()));
                        let rules: Box<[Rule]> = compiler.rules.into_iter().flatten().collect();
                        let wants_object = document.root().kind() == Kind::Object
                            && meaning::of(&rules, root).is_of_objects();
                        return Ok(Schema {
                            rules,
                            root,
                            codes: codes.collect(),
                            #[cfg(feature = "standalone")]
                            texts: super::offered::listed(&document),
                            wants_object,
                        });
                    }
                    Some(place) => mistakes
                        .push(place.mistake(&document, "this schema cannot be used by itself")),
                }
            }
            (Err(error), _) | (_, Err(error)) => {
                let pointer: Pointer = error.instance_path().as_str().parse().unwrap_or_default();
                let (Ok(place) | Err(place)) = place.follow(&pointer);
                mistakes.push(place.mistake(&document, unusable(&error, &place)));
            }
        }
    }
    mistakes.sort_by_key(|mistake| mistake.line);
    mistakes.truncate(MOST);
    Err(invalid(mistakes))
}

/// Why the validator does not take a schema.
fn unusable(error: &jsonschema::ValidationError<'_>, place: &Place<'_>) -> String {
    match place.pointer.rsplit('/').next() {
        Some("type") => "expected string, number, integer, boolean, object, array or null".to_owned(),
        Some("pattern") => {
            "not a regular expression that can be used; there is no look-around and no back-reference".to_owned()
        }
        Some("format") => "there is no such format".to_owned(),
        _ => error.masked().to_string(),
    }
}

/// Takes a schema apart that is known to be right.
struct Compiler<'d> {
    map: ValidatorMap<Json>,
    rules: Vec<Option<Rule>>,
    known: HashMap<String, RuleId>,
    /// Where it went wrong nevertheless.
    failed: Option<Place<'d>>,
}

impl<'d> Compiler<'d> {
    fn rule(&mut self, at: &Place<'d>) -> RuleId {
        if let Some(id) = self.known.get(&at.pointer) {
            return *id;
        }
        let id = RuleId(self.rules.len());
        self.known.insert(at.pointer.clone(), id);
        self.rules.push(None);
        let Some(whole) = self.map.get(&format!("#{}", at.pointer)).cloned() else {
            self.failed = Some(at.clone());
            return id;
        };
        let text = |name: &str| at.value.get(name).and_then(Value::as_str);
        let says = Says {
            code: text(keywords::FAULT).map(|code| code.to_owned().into()),
            message: text(keywords::MESSAGE).and_then(|text| words::message(text).ok()),
        };
        let own = meaning::of_keywords(at.value);
        let steps = self.steps(at).into();
        let mut rest = |name| at.get(name).map(|place| self.rule(&place));
        let rest = Rest { members: rest("unevaluatedProperties"), items: rest("unevaluatedItems") };
        self.rules[id.0] = Some(Rule { whole, says, own, steps, rest });
        id
    }

    /// What a schema says, in its own order; but the type goes first, for all else speaks of that.
    fn steps(&mut self, at: &Place<'d>) -> Vec<Step> {
        if at.value.as_bool() == Some(false) {
            return vec![Step::Forbidden];
        }
        let mut steps = Vec::new();
        let mut bounded = false;
        for (keyword, place) in at.members() {
            match keyword {
                "type" => {
                    let step = self.assertion(keyword, &place, at);
                    steps.splice(0..0, step);
                }
                // Both are one rule, and have the same words.
                "minimum" | "maximum" => {
                    if !std::mem::replace(&mut bounded, true) {
                        let both = ["minimum", "maximum"]
                            .into_iter()
                            .filter_map(|name| Some((name, at.get(name)?)));
                        steps.extend(self.bounds(both.collect(), at));
                    }
                }
                _ => match self.structure(keyword, &place, at) {
                    Some(step) => steps.push(step),
                    None => steps.extend(self.assertion(keyword, &place, at)),
                },
            }
        }
        steps
    }

    fn bounds(&mut self, bounds: Vec<(&str, Place<'d>)>, at: &Place<'d>) -> Option<Step> {
        let (keyword, place) = bounds.first()?;
        let words = words::words(keyword, place.value, at.value)?;
        let members =
            bounds.iter().map(|(name, bound)| ((*name).to_owned(), bound.value.to_serde()));
        self.assert(members.collect(), words, place)
    }

    /// A keyword that says something of the value itself.
    fn assertion(&mut self, keyword: &str, place: &Place<'d>, at: &Place<'d>) -> Option<Step> {
        let words = words::words(keyword, place.value, at.value)?;
        let schema = [(keyword.to_owned(), place.value.to_serde())].into_iter().collect();
        self.assert(schema, words, place)
    }

    fn assert(
        &mut self,
        schema: serde_json::Map<String, serde_json::Value>,
        words: String,
        place: &Place<'d>,
    ) -> Option<Step> {
        let is_type = schema.contains_key("type");
        let validator = self.validator(schema.into(), place)?;
        Some(Step::Assert { is_type, validator, words: words.into() })
    }

    fn validator(
        &mut self,
        schema: serde_json::Value,
        place: &Place<'d>,
    ) -> Option<Validator<Json>> {
        let built = options().build(&schema).ok();
        if built.is_none() {
            self.failed = Some(place.clone());
        }
        built
    }

    /// A keyword that is made of schemas, or speaks of members.
    fn structure(&mut self, keyword: &str, place: &Place<'d>, at: &Place<'d>) -> Option<Step> {
        let has_properties = || at.value.get("properties").is_some();
        Some(match keyword {
            "properties" => Step::Members(self.listed(at)),
            "required" if has_properties() => return None,
            "required" => Step::Members(self.listed(at)),
            "patternProperties" => {
                let pairs = place.members().filter_map(|(pattern, member)| {
                    Some((self.pattern(pattern, &member)?, self.rule(&member)))
                });
                Step::Matching(pairs.collect())
            }
            "additionalProperties" => {
                let listed = at.get("properties").into_iter().flat_map(|all| {
                    all.members().map(|(name, _)| name.into()).collect::<Vec<Box<str>>>()
                });
                let listed = listed.collect();
                let patterns: Vec<_> =
                    at.get("patternProperties").iter().flat_map(Place::members).collect();
                let matching =
                    patterns.into_iter().filter_map(|(name, member)| self.pattern(name, &member));
                let matching = matching.collect();
                Step::Others { listed, matching, rule: self.rule(place) }
            }
            "propertyNames" => Step::Names(self.rule(place)),
            "dependentRequired" => Step::Beside(self.beside(place, at)),
            "dependentSchemas" => Step::BesideRule(
                place.members().map(|(name, schema)| (name.into(), self.rule(&schema))).collect(),
            ),
            "prefixItems" => Step::First(self.rules_of(place)),
            "items" => {
                let from = at
                    .value
                    .get("prefixItems")
                    .and_then(Value::items)
                    .map_or(0, |items| items.len());
                Step::Items { from, rule: self.rule(place) }
            }
            "contains" => Step::Contains {
                rule: self.rule(place),
                least: at.value.get("minContains").and_then(whole_number).unwrap_or(1),
                most: at.value.get("maxContains").and_then(whole_number),
            },
            "$ref" => {
                let target = reference(place).and_then(|pointer| root_of(at).follow(&pointer).ok());
                Step::All(target.map(|target| self.rule(&target)).into_iter().collect())
            }
            "allOf" => Step::All(self.rules_of(place)),
            "anyOf" => Step::Any { rules: self.rules_of(place), words: alternatives(place).into() },
            "oneOf" => Step::One { rules: self.rules_of(place), words: alternatives(place).into() },
            "not" => Step::Not(self.rule(place)),
            "if" => Step::If {
                condition: self.rule(place),
                then: at.get("then").map(|then| self.rule(&then)),
                otherwise: at.get("else").map(|otherwise| self.rule(&otherwise)),
            },
            _ => return None,
        })
    }

    fn rules_of(&mut self, place: &Place<'d>) -> Box<[RuleId]> {
        place.items().map(|item| self.rule(&item)).collect()
    }

    fn pattern(&mut self, pattern: &str, place: &Place<'d>) -> Option<Validator<Json>> {
        self.validator(serde_json::json!({ "pattern": pattern }), place)
    }

    /// The members in the order of `properties`, and behind them those that only `required` knows.
    fn listed(&mut self, at: &Place<'d>) -> Box<[Listed]> {
        let required: Vec<&str> = strings(at.value.get("required"));
        let mut listed: Vec<Listed> = Vec::new();
        for (name, member) in at.get("properties").iter().flat_map(Place::members) {
            let rule = Some(self.rule(&member));
            listed.push(Listed { name: name.into(), rule, required: required.contains(&name) });
        }
        for name in required {
            if !listed.iter().any(|one| *one.name == *name) {
                listed.push(Listed { name: name.into(), rule: None, required: true });
            }
        }
        listed.into()
    }

    fn beside(&mut self, place: &Place<'d>, at: &Place<'d>) -> Box<[(Box<str>, Listed)]> {
        let mut pairs = Vec::new();
        for (name, needed) in place.members() {
            for other in strings(Some(needed.value)) {
                let rule =
                    at.get("properties").and_then(|all| all.get(other)).map(|own| self.rule(&own));
                pairs.push((name.into(), Listed { name: other.into(), rule, required: true }));
            }
        }
        pairs.into()
    }
}

fn root_of<'d>(at: &Place<'d>) -> Place<'d> {
    Place::root(at.value.document())
}

fn strings(array: Option<Value<'_>>) -> Vec<&str> {
    array.and_then(Value::items).into_iter().flatten().filter_map(Value::as_str).collect()
}

/// The schema's own grammar lets `2.0` through.
fn whole_number(value: Value<'_>) -> Option<u64> {
    value.as_u64().or_else(|| value.to_serde().as_f64().map(|number| number as u64))
}

/// What is said when none of several forms fits.
fn alternatives(place: &Place<'_>) -> String {
    let types: Option<Vec<&str>> = place
        .items()
        .map(|item| item.value.get("type").and_then(Value::as_str).map(words::type_name))
        .collect();
    match types {
        Some(mut types) if !types.is_empty() => {
            types.dedup();
            format!("must be {}", words::list(&types))
        }
        _ => "has none of the forms that are allowed".to_owned(),
    }
}
