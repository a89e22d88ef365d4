//! The document between TOML and the typed configuration: every value with its place in the text.
use super::interpolate::{Text, interpolate};
use std::{borrow::Cow, fmt, ops::Range};
use toml::{
    Spanned,
    de::{DeArray, DeTable, DeValue},
};

/// A value and where it is written.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) span: Range<usize>,
    pub(super) value: Value,
    /// Reported, or part of something reported: readers do not see it any more.
    pub(super) pruned: bool,
}

#[derive(Debug)]
pub(super) enum Value {
    Text(Text),
    /// None: too large for 64 bits.
    Integer(Option<i64>),
    Float(f64),
    Boolean(bool),
    Date,
    Array(Vec<Node>),
    Table(Vec<Entry>),
}

/// A key and its value.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) key_span: Range<usize>,
    pub(super) node: Node,
    /// The key that this unknown one was probably meant to be.
    pub(super) meant: Option<String>,
}

/// One step down the tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Key(String),
    Index(usize),
}

impl From<&str> for Step {
    fn from(key: &str) -> Self {
        Self::Key(key.to_owned())
    }
}

impl From<usize> for Step {
    fn from(index: usize) -> Self {
        Self::Index(index)
    }
}

/// The way from the root to a value.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct KeyPath(pub(super) Vec<Step>);

impl KeyPath {
    pub(super) fn key(&self, key: &str) -> Self {
        self.then(Step::from(key))
    }

    pub(super) fn index(&self, index: usize) -> Self {
        self.then(Step::from(index))
    }

    fn then(&self, step: Step) -> Self {
        let mut steps = self.0.clone();
        steps.push(step);
        Self(steps)
    }
}

/// As TOML would have it, but that indices are in brackets: `route[0].path`, `catalog.entries."a b"`.
impl fmt::Display for KeyPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, step) in self.0.iter().enumerate() {
            match step {
                Step::Index(index) => write!(f, "[{index}]")?,
                Step::Key(key) => write!(f, "{}{}", if i == 0 { "" } else { "." }, printable(key))?,
            }
        }
        Ok(())
    }
}

/// A key as it can be shown on a terminal: quoted unless it is a bare key, without control characters, not endless.
pub(super) fn printable(key: &str) -> Cow<'_, str> {
    const LIMIT: usize = 64;
    let bare = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if !key.is_empty() && key.len() <= LIMIT && key.chars().all(bare) {
        return Cow::Borrowed(key);
    }
    let shown: String = key.chars().take(LIMIT).flat_map(char::escape_debug).collect();
    let cut = if key.chars().nth(LIMIT).is_some() { "…" } else { "" };
    Cow::Owned(format!("\"{shown}{cut}\""))
}

impl Node {
    /// Takes over a TOML document and puts the variables in.
    pub(super) fn document(
        table: &Spanned<DeTable<'_>>,
        env: &dyn Fn(&str) -> Option<String>,
    ) -> Self {
        Self::new(table.span(), Value::Table(entries(table.get_ref(), env)))
    }

    fn new(span: Range<usize>, value: Value) -> Self {
        Self { span, value, pruned: false }
    }

    fn from_toml(value: &Spanned<DeValue<'_>>, env: &dyn Fn(&str) -> Option<String>) -> Self {
        let converted = match value.get_ref() {
            DeValue::String(text) => Value::Text(interpolate(text, env)),
            DeValue::Integer(number) => {
                Value::Integer(i64::from_str_radix(number.as_str(), number.radix()).ok())
            }
            DeValue::Float(number) => Value::Float(number.as_str().parse().unwrap_or(f64::NAN)),
            DeValue::Boolean(boolean) => Value::Boolean(*boolean),
            DeValue::Datetime(_) => Value::Date,
            DeValue::Array(array) => Value::Array(elements(array, env)),
            DeValue::Table(table) => Value::Table(entries(table, env)),
        };
        Self::new(value.span(), converted)
    }

    /// The entry of a table, pruned or not.
    pub(super) fn entry(&self, key: &str) -> Option<&Entry> {
        match &self.value {
            Value::Table(entries) => entries.iter().find(|entry| entry.key == key),
            _ => None,
        }
    }

    /// Whether somebody wrote this key, be it wrongly.
    pub(super) fn mentions(&self, key: &str) -> bool {
        match &self.value {
            Value::Table(entries) => {
                entries.iter().any(|entry| entry.key == key || entry.meant.as_deref() == Some(key))
            }
            _ => false,
        }
    }

    fn child(&self, step: &Step) -> Option<&Self> {
        match (step, &self.value) {
            (Step::Key(key), _) => self.entry(key).map(|entry| &entry.node),
            (Step::Index(index), Value::Array(elements)) => elements.get(*index),
            _ => None,
        }
    }

    /// The value at a path, pruned or not.
    pub(super) fn at(&self, path: &KeyPath) -> Option<&Self> {
        path.0.iter().try_fold(self, |node, step| node.child(step))
    }

    /// The value at a path, and if there is none the nearest one around it.
    pub(super) fn nearest(&self, path: &KeyPath) -> &Self {
        let mut node = self;
        for step in &path.0 {
            match node.child(step) {
                Some(child) => node = child,
                None => break,
            }
        }
        node
    }

    /// The entry at a path, to be changed.
    pub(super) fn entry_at_mut(&mut self, path: &KeyPath) -> Option<&mut Entry> {
        let (Step::Key(last), parents) = path.0.split_last()? else {
            return None;
        };
        match &mut self.walk_mut(parents)?.value {
            Value::Table(entries) => entries.iter_mut().find(|entry| entry.key == *last),
            _ => None,
        }
    }

    /// The value at a path, to be changed.
    pub(super) fn at_mut(&mut self, path: &KeyPath) -> Option<&mut Self> {
        self.walk_mut(&path.0)
    }

    fn walk_mut(&mut self, steps: &[Step]) -> Option<&mut Self> {
        steps.iter().try_fold(self, |node, step| match (step, &mut node.value) {
            (Step::Key(key), Value::Table(entries)) => {
                entries.iter_mut().find(|entry| entry.key == *key).map(|entry| &mut entry.node)
            }
            (Step::Index(index), Value::Array(elements)) => elements.get_mut(*index),
            _ => None,
        })
    }

    /// The indices of the elements that readers see.
    pub(super) fn live_elements(&self) -> Vec<usize> {
        match &self.value {
            Value::Array(elements) => {
                (0..elements.len()).filter(|&i| !elements[i].pruned).collect()
            }
            _ => Vec::new(),
        }
    }

    /// Whether nothing in here was pruned.
    pub(super) fn is_whole(&self) -> bool {
        !self.pruned
            && match &self.value {
                Value::Array(elements) => elements.iter().all(Self::is_whole),
                Value::Table(entries) => entries.iter().all(|entry| entry.node.is_whole()),
                _ => true,
            }
    }

    /// The variables that this value is made of.
    pub(super) fn variables(&self) -> &[String] {
        match &self.value {
            Value::Text(text) => &text.variables,
            _ => &[],
        }
    }
}

fn entries(table: &DeTable<'_>, env: &dyn Fn(&str) -> Option<String>) -> Vec<Entry> {
    table
        .iter()
        .map(|(key, value)| Entry {
            key: key.get_ref().to_string(),
            key_span: key.span(),
            node: Node::from_toml(value, env),
            meant: None,
        })
        .collect()
}

fn elements(array: &DeArray<'_>, env: &dyn Fn(&str) -> Option<String>) -> Vec<Node> {
    array.iter().map(|value| Node::from_toml(value, env)).collect()
}
