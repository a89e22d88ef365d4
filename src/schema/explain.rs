//! From a value that breaks a schema to what is wrong with it.

use super::{
    field::{Segment, field},
    rule::{Listed, Rule, RuleId, Says, Step},
};
use crate::{
    catalog::Message,
    fault::{Text, Violation},
    json::{Kind, Value, View},
    suggest::closest,
};
use std::ops::ControlFlow;

/// Takes what is found, and says whether it wants more.
pub(super) type Report<'f> = &'f mut dyn FnMut(Violation) -> ControlFlow<()>;

/// Looks for what is wrong, in the schema's own order.
///
/// Every part of the schema is asked by itself and says yes or no: nothing that is invalid is listed by the validator,
/// whose lists would be as long as a hostile document.
pub(super) struct Explainer<'a, 'f> {
    pub(super) rules: &'a [Rule],
    /// What the value as a whole is called.
    pub(super) whole: &'static str,
    pub(super) path: Vec<Segment<'a>>,
    pub(super) report: Report<'f>,
    /// How many violations have been reported.
    pub(super) found: usize,
}

/// What is in force: the nearest code and the nearest message around a value.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Voice<'a> {
    code: Option<&'a Text>,
    message: Option<&'a Message>,
}

impl<'a> Voice<'a> {
    fn with(self, says: &'a Says) -> Self {
        Self {
            code: says.code.as_ref().or(self.code),
            message: says.message.as_ref().or(self.message),
        }
    }
}

impl<'a> Explainer<'a, '_> {
    fn rule(&self, RuleId(index): RuleId) -> &'a Rule {
        &self.rules[index]
    }

    /// Explains a value that the rule does not accept.
    pub(super) fn explain(
        &mut self,
        id: RuleId,
        value: Value<'a>,
        voice: Voice<'a>,
    ) -> ControlFlow<()> {
        let rule = self.rule(id);
        let voice = voice.with(&rule.says);
        let before = self.found;
        for step in &rule.steps {
            self.step(step, value, voice)?;
        }
        if self.found == before {
            // What only the whole can tell: `unevaluatedProperties`, `unevaluatedItems`.
            self.say("has something that is not expected", voice)?;
        }
        ControlFlow::Continue(())
    }

    /// Explains a value if the rule does not accept it.
    fn check(&mut self, id: RuleId, value: Value<'a>, voice: Voice<'a>) -> ControlFlow<()> {
        if self.rule(id).accepts(value) {
            return ControlFlow::Continue(());
        }
        self.explain(id, value, voice)
    }

    fn check_at(
        &mut self,
        segment: Segment<'a>,
        id: RuleId,
        value: Value<'a>,
        voice: Voice<'a>,
    ) -> ControlFlow<()> {
        self.path.push(segment);
        let flow = self.check(id, value, voice);
        self.path.pop();
        flow
    }

    fn step(&mut self, step: &'a Step, value: Value<'a>, voice: Voice<'a>) -> ControlFlow<()> {
        match step {
            Step::Assert { validator, words, .. } => {
                if !validator.is_valid(View::Value(value)) {
                    self.say(words, voice)?;
                }
            }
            Step::Forbidden => self.say("is not allowed", voice)?,
            Step::Members(listed) => {
                for one in listed.iter().filter(|_| value.kind() == Kind::Object) {
                    match (value.get(&one.name), one.rule) {
                        (None, _) => self.missing(one, "is required", voice)?,
                        (Some(member), Some(rule)) => {
                            self.check_at(Segment::Known(&one.name), rule, member, voice)?;
                        }
                        (Some(_), None) => {}
                    }
                }
            }
            Step::Matching(patterns) => {
                for (name, member) in value.members().into_iter().flatten() {
                    for (pattern, rule) in patterns {
                        if pattern.is_valid(View::Name(name)) {
                            self.check_at(Segment::Found(name), *rule, member, voice)?;
                        }
                    }
                }
            }
            Step::Others { listed, matching, rule } => {
                for (name, member) in value.members().into_iter().flatten() {
                    let is_known = listed.iter().any(|known| **known == *name)
                        || matching.iter().any(|pattern| pattern.is_valid(View::Name(name)));
                    if !is_known {
                        self.other(name, listed, *rule, member, voice)?;
                    }
                }
            }
            Step::Names(rule) => {
                for (name, _) in value.members().into_iter().flatten() {
                    if !self.rule(*rule).whole.is_valid(View::Name(name)) {
                        let voice = voice.with(&self.rule(*rule).says);
                        self.say_at(
                            Segment::Found(name),
                            "has a name that is not accepted",
                            voice,
                        )?;
                    }
                }
            }
            Step::Beside(pairs) => {
                for (name, needed) in pairs {
                    if value.get(name).is_some() && value.get(&needed.name).is_none() {
                        self.missing(needed, &format!("is required beside {name}"), voice)?;
                    }
                }
            }
            Step::BesideRule(pairs) => {
                for (_, rule) in pairs.iter().filter(|(name, _)| value.get(name).is_some()) {
                    self.check(*rule, value, voice)?;
                }
            }
            Step::First(rules) => {
                let items = value.items().into_iter().flatten();
                for (i, (item, rule)) in items.zip(rules).enumerate() {
                    self.check_at(Segment::Index(i), *rule, item, voice)?;
                }
            }
            Step::Items { from, rule } => {
                for (i, item) in value.items().into_iter().flatten().enumerate().skip(*from) {
                    self.check_at(Segment::Index(i), *rule, item, voice)?;
                }
            }
            Step::Contains { rule, least, most } => {
                self.contains(value, *rule, *least, *most, voice)?;
            }
            Step::All(rules) => {
                for rule in rules {
                    self.check(*rule, value, voice)?;
                }
            }
            Step::Any { rules, words } => {
                if !rules.iter().any(|rule| self.rule(*rule).accepts(value)) {
                    self.none_of(rules, words, value, voice)?;
                }
            }
            Step::One { rules, words } => {
                match rules.iter().filter(|rule| self.rule(**rule).accepts(value)).count() {
                    0 => self.none_of(rules, words, value, voice)?,
                    1 => {}
                    _ => self.say("fits more than one of the forms that are allowed", voice)?,
                }
            }
            Step::Not(rule) => {
                if self.rule(*rule).accepts(value) {
                    self.say(
                        "has a value that is not allowed",
                        voice.with(&self.rule(*rule).says),
                    )?;
                }
            }
            Step::If { condition, then, otherwise } => {
                let holds = self.rule(*condition).accepts(value);
                if let Some(rule) = if holds { then } else { otherwise } {
                    self.check(*rule, value, voice)?;
                }
            }
        }
        ControlFlow::Continue(())
    }

    /// None of the alternatives fits: if just one of them is about this type of value, that one tells more.
    fn none_of(
        &mut self,
        rules: &'a [RuleId],
        words: &str,
        value: Value<'a>,
        voice: Voice<'a>,
    ) -> ControlFlow<()> {
        let mut meant = rules.iter().filter(|rule| self.rule(**rule).accepts_type(value));
        match (meant.next(), meant.next()) {
            (Some(only), None) => self.explain(*only, value, voice),
            _ => self.say(words, voice),
        }
    }

    fn contains(
        &mut self,
        value: Value<'a>,
        id: RuleId,
        least: u64,
        most: Option<u64>,
        voice: Voice<'a>,
    ) -> ControlFlow<()> {
        let Some(items) = value.items() else { return ControlFlow::Continue(()) };
        let rule = self.rule(id);
        let fitting = items.filter(|item| rule.accepts(*item)).count() as u64;
        let voice = voice.with(&rule.says);
        if fitting < least {
            self.say("lacks an item of the form that is needed", voice)?;
        }
        if most.is_some_and(|most| fitting > most) {
            self.say("has too many items of one form", voice)?;
        }
        ControlFlow::Continue(())
    }

    /// A member that should be there.
    fn missing(&mut self, one: &'a Listed, words: &str, voice: Voice<'a>) -> ControlFlow<()> {
        if !one.required {
            return ControlFlow::Continue(());
        }
        let voice = one.rule.map_or(voice, |rule| voice.with(&self.rule(rule).says));
        self.say_at(Segment::Known(&one.name), words, voice)
    }

    /// A member that the schema does not name.
    fn other(
        &mut self,
        name: &'a str,
        listed: &[Box<str>],
        rule: RuleId,
        member: Value<'a>,
        voice: Voice<'a>,
    ) -> ControlFlow<()> {
        if !matches!(*self.rule(rule).steps, [Step::Forbidden]) {
            return self.check_at(Segment::Found(name), rule, member, voice);
        }
        let words = match closest(name, listed.iter().map(|known| &**known)) {
            Some(known) => format!("is not known here; did you mean {known}?"),
            None => "is not known here".to_owned(),
        };
        self.say_at(Segment::Found(name), &words, voice.with(&self.rule(rule).says))
    }

    fn say_at(&mut self, segment: Segment<'a>, words: &str, voice: Voice<'a>) -> ControlFlow<()> {
        self.path.push(segment);
        let flow = self.say(words, voice);
        self.path.pop();
        flow
    }

    fn say(&mut self, words: &str, voice: Voice<'a>) -> ControlFlow<()> {
        self.found += 1;
        let field = field(&self.path);
        let subject = if field.is_empty() { self.whole } else { &field };
        let detail = match voice.message {
            Some(message) => message.fill(|_, out| out.push_str(subject)),
            None => format!("{subject} {words}"),
        };
        let code = voice.code.cloned();
        (self.report)(Violation::new(field, detail).with_code(code))
    }
}
