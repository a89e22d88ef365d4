//! All rules of a profile, and which of them can match at all.

use super::{
    answer::Answer,
    rule::{Judgement, Rule},
};
use crate::json::{Kind, Value};
use std::collections::HashMap;

/// Rules in their order. Most of them want a member of a name that most answers do not have, and are passed over.
#[derive(Clone, Debug)]
pub(super) struct Rules {
    rules: Vec<(Rule, u64)>,
    /// Those that can match without a body.
    of_heads: Vec<usize>,
    /// The bit of each name that a rule wants; the last bit is for all names that have none of their own.
    bits: HashMap<Box<str>, u64>,
}

/// For rules that want nothing in particular.
const ANY: u64 = u64::MAX;

impl Rules {
    pub(super) fn new(rules: Vec<Rule>) -> Self {
        let mut bits = HashMap::new();
        let mut bit = |name: &str| {
            let next = 1 << bits.len().min(63);
            *bits.entry(Box::from(name)).or_insert(next)
        };
        let wants = |rule: Rule| {
            let bits = rule
                .needed()
                .map(|names| names.into_iter().map(&mut bit).fold(0, |all, one| all | one));
            (rule, bits.unwrap_or(ANY))
        };
        let rules: Vec<_> = rules.into_iter().map(wants).collect();
        let of_heads = (0..rules.len()).filter(|at| rules[*at].0.is_about_the_head()).collect();
        Self { rules, of_heads, bits }
    }

    #[cfg(test)]
    pub(super) fn iter(&self) -> impl Iterator<Item = &Rule> {
        self.rules.iter().map(|(rule, _)| rule)
    }

    /// The first judgement of a rule on this answer.
    pub(super) fn judge(&self, answer: &Answer<'_>) -> Option<(&Rule, Judgement)> {
        if answer.content.is_unread() {
            let mut rules = self.of_heads.iter().map(|at| &self.rules[*at].0);
            return rules.find_map(|rule| Some((rule, rule.judge(answer)?)));
        }
        let members = answer.root().and_then(|root| root.members());
        let bit = |name: &str| self.bits.get(name).copied().unwrap_or_default();
        // A rule that wants nothing in particular is for every body. Nothing is what a member is that is `null`.
        let is_there = |(_, value): &(&str, Value<'_>)| value.kind() != Kind::Null;
        let members = members.into_iter().flatten().filter(is_there);
        let has = members.fold(1 << 63, |all, (name, _)| all | bit(name));
        let mut rules = self.rules.iter().filter(|(_, wants)| wants & has != 0);
        rules.find_map(|(rule, _)| Some((rule, rule.judge(answer)?)))
    }
}
