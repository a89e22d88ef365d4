//! Of which types of values a rule speaks, itself or through the rules that it is made of.

use super::{
    keywords,
    rule::{Rule, RuleId, Step},
};
use crate::json::{Kind, Value, View};

/// Some of the types.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Types(u8);

/// What is said of a value's type.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Said {
    /// It is one of these, by `type`, `enum` or `const`.
    only: Option<Types>,
    /// There are rules for these, such as `minimum`, or just some of the alternatives are about them.
    also: Types,
    /// `not` is about these.
    never: Types,
}

/// What a rule says of the type of a value, and of those of its items if it is an array.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Meaning {
    pub(super) value: Said,
    pub(super) items: Said,
}

impl Types {
    const NONE: Self = Self(0);

    const fn of(kind: Kind) -> Self {
        Self(1 << kind as u8)
    }

    const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(super) const fn has(self, kind: Kind) -> bool {
        self.0 & Self::of(kind).0 != 0
    }
}

impl FromIterator<Kind> for Types {
    fn from_iter<I: IntoIterator<Item = Kind>>(kinds: I) -> Self {
        kinds.into_iter().fold(Self::NONE, |types, kind| types.with(Self::of(kind)))
    }
}

impl Said {
    const fn only(types: Types) -> Self {
        Self { only: Some(types), also: Types::NONE, never: Types::NONE }
    }

    const fn also(types: Types) -> Self {
        Self { only: None, also: types, never: Types::NONE }
    }

    /// When both are said.
    fn and(self, other: Self) -> Self {
        Self {
            only: match (self.only, other.only) {
                (Some(one), Some(other)) => Some(Types(one.0 & other.0)),
                (one, other) => one.or(other),
            },
            also: self.also.with(other.also),
            never: self.never.with(other.never),
        }
    }

    /// When one of both is said.
    fn or(self, other: Self) -> Self {
        let never = self.never.with(other.never);
        match (self.only, other.only) {
            (Some(one), Some(other)) => Self { never, ..Self::only(one.with(other)) },
            _ => Self { never, ..Self::also(self.meant().with(other.meant())) },
        }
    }

    /// When it is said of what is not accepted.
    fn turned(self) -> Self {
        Self { never: self.spoken_of(), ..Self::default() }
    }

    /// The types of values that are meant.
    pub(super) fn meant(self) -> Types {
        self.only.unwrap_or(self.also)
    }

    /// The types of values for which it makes a difference what is said.
    pub(super) fn spoken_of(self) -> Types {
        self.only.unwrap_or(self.also.with(self.never))
    }

    pub(super) fn is_silent(self) -> bool {
        self == Self::default()
    }
}

impl Meaning {
    fn and(self, other: Self) -> Self {
        Self { value: self.value.and(other.value), items: self.items.and(other.items) }
    }

    fn or(self, other: Self) -> Self {
        Self { value: self.value.or(other.value), items: self.items.or(other.items) }
    }

    fn turned(self) -> Self {
        Self { value: self.value.turned(), items: self.items.turned() }
    }

    /// Whether only objects are meant, as they are where nothing else is.
    pub(super) fn is_of_objects(self) -> bool {
        let objects = Types::of(Kind::Object);
        self.value.only.unwrap_or(self.value.also.with(objects)) == objects
    }
}

/// What the keywords of this schema say, those aside that are made of schemas.
pub(super) fn of_keywords(schema: Value<'_>) -> Meaning {
    let all = |said: Meaning, (keyword, value): (&str, Value<'_>)| {
        said.and(match keyword {
            "type" => of_types(value),
            "enum" => of_values(value.items().into_iter().flatten()),
            "const" => of_values(std::iter::once(value)),
            _ => {
                let value = Said::also(keywords::speaks_of(keyword).into_iter().collect());
                Meaning { value, ..Meaning::default() }
            }
        })
    };
    match schema.as_bool() {
        Some(false) => of_values(std::iter::empty()),
        _ => schema.members().into_iter().flatten().fold(Meaning::default(), all),
    }
}

fn of_types(value: Value<'_>) -> Meaning {
    let names = value.items().into_iter().flatten().chain([value]).filter_map(Value::as_str);
    let kinds = names.filter_map(|name| {
        Some(match name {
            "null" => Kind::Null,
            "boolean" => Kind::Bool,
            "integer" | "number" => Kind::Number,
            "string" => Kind::String,
            "array" => Kind::Array,
            "object" => Kind::Object,
            _ => return None,
        })
    });
    Meaning { value: Said::only(kinds.collect()), ..Meaning::default() }
}

/// Just these values.
fn of_values<'a>(values: impl Iterator<Item = Value<'a>> + Clone) -> Meaning {
    let items = values.clone().filter_map(Value::items).flatten();
    Meaning {
        value: Said::only(values.map(Value::kind).collect()),
        items: Said::only(items.map(Value::kind).collect()),
    }
}

/// What a rule says of a value.
pub(super) fn of(rules: &[Rule], id: RuleId) -> Meaning {
    through(rules, id, &|rule| {
        let steps = rule.steps.iter().flat_map(|step| match step {
            Step::First(ids) => ids,
            Step::Items { rule, .. } | Step::Contains { rule, .. } => std::slice::from_ref(rule),
            _ => &[],
        });
        // There is one reading for all items, whichever rule each of them is under.
        let items = steps.chain(&rule.rest.items).map(|id| of(rules, *id).value).reduce(Said::or);
        rule.own.and(Meaning { items: items.unwrap_or_default(), ..Meaning::default() })
    })
}

/// What a rule for an object says of its member of this name.
pub(super) fn of_member(rules: &[Rule], id: RuleId, name: &str) -> Meaning {
    let said = through(rules, id, &|rule| {
        let under = rule.steps.iter().flat_map(|step| rules_of_member(step, name));
        all(under.map(|id| of(rules, id)))
    });
    if said.value.is_silent() {
        return through(rules, id, &|rule| all(rule.rest.members.map(|id| of(rules, id))));
    }
    said
}

/// The rules that a part of a rule has for the member of this name.
pub(super) fn rules_of_member(step: &Step, name: &str) -> Vec<RuleId> {
    let is_name = |known: &str| known == name;
    match step {
        Step::Members(listed) => {
            let listed = listed.iter().filter(|one| is_name(&one.name));
            listed.filter_map(|one| one.rule).collect()
        }
        Step::Matching(patterns) => {
            let matching = patterns.iter().filter(|(one, _)| one.is_valid(View::Name(name)));
            matching.map(|(_, rule)| *rule).collect()
        }
        Step::Others { listed, matching, rule }
            if !listed.iter().any(|known| is_name(known))
                && !matching.iter().any(|one| one.is_valid(View::Name(name))) =>
        {
            vec![*rule]
        }
        _ => Vec::new(),
    }
}

fn all(meanings: impl IntoIterator<Item = Meaning>) -> Meaning {
    meanings.into_iter().fold(Meaning::default(), Meaning::and)
}

/// What a rule says by `look`, and what those say that hold for the same value.
fn through(rules: &[Rule], RuleId(index): RuleId, look: &dyn Fn(&Rule) -> Meaning) -> Meaning {
    let of = |id: &RuleId| through(rules, *id, look);
    let silent = Meaning::default();
    let rule = &rules[index];
    let steps = rule.steps.iter().map(|step| match step {
        Step::All(ids) => all(ids.iter().map(of)),
        Step::Any { rules: ids, .. } | Step::One { rules: ids, .. } => {
            ids.iter().map(of).reduce(Meaning::or).unwrap_or(silent)
        }
        Step::If { condition, then, otherwise } => {
            let held = then.iter().map(of).fold(of(condition), Meaning::and);
            held.or(otherwise.as_ref().map_or(silent, of))
        }
        Step::BesideRule(pairs) => all(pairs.iter().map(|(_, id)| of(id).or(silent))),
        Step::Not(id) => of(id).turned(),
        _ => silent,
    });
    look(rule).and(all(steps))
}
