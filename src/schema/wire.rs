use super::{
    meaning,
    rule::{Rule, RuleId},
};
use crate::json::Kind;

/// How a value is written where all is text: as which of its types a text may be read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Wire {
    pub(crate) number: bool,
    pub(crate) boolean: bool,
    /// It is an array, there once for each item, and this is about each.
    pub(crate) list: bool,
    /// There is no rule for it, so that it may be there several times as well.
    pub(crate) free: bool,
}

impl Wire {
    /// Of the member of this name, by the rule for the object.
    pub(super) fn of_member(rules: &[Rule], root: RuleId, name: &str) -> Self {
        let meaning = meaning::of_member(rules, root, name);
        let list = meaning.value.meant().has(Kind::Array);
        let types = if list { meaning.items } else { meaning.value }.spoken_of();
        Self {
            number: types.has(Kind::Number),
            boolean: types.has(Kind::Bool),
            list,
            free: meaning.value.is_silent(),
        }
    }
}
