//! One line of an import, whatever its format.
//!
//! No reason quotes what is in the line: a key may stand in the wrong place.

use crate::{
    auth::{ApiKey, KeyDigest, KeyPrefix, Provenance},
    cli::moment::parse_time,
    store::{InvalidName, Name, NewKey, Scope, Scopes},
};
use jiff::Timestamp;
use std::{collections::HashSet, fmt::Display, str::FromStr};

/// What a line can say, and the names for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Field {
    Key,
    Digest,
    Account,
    Plan,
    Scopes,
    ExpiresAt,
    Id,
    Note,
}

/// The names of all fields, for messages.
pub(super) const FIELDS: &str = "key, digest, account, plan, scopes, expires_at, id, note";

impl Field {
    pub(super) fn named(name: &str) -> Option<Self> {
        Some(match name {
            "key" => Self::Key,
            "digest" => Self::Digest,
            "account" => Self::Account,
            "plan" => Self::Plan,
            "scopes" => Self::Scopes,
            "expires_at" | "expires" => Self::ExpiresAt,
            "id" => Self::Id,
            "note" => Self::Note,
            _ => return None,
        })
    }
}

/// What a line says; what is empty is as good as not there.
#[derive(Debug, Default)]
pub(super) struct Fields<'a> {
    pub(super) key: &'a str,
    pub(super) digest: &'a str,
    pub(super) account: &'a str,
    pub(super) plan: &'a str,
    pub(super) scopes: Vec<&'a str>,
    pub(super) expires_at: &'a str,
    pub(super) id: &'a str,
    pub(super) note: &'a str,
}

impl<'a> Fields<'a> {
    /// Sets a field; scopes are words with spaces or commas between them.
    pub(super) fn set(&mut self, field: Field, text: &'a str) {
        match field {
            Field::Key => self.key = text,
            Field::Digest => self.digest = text,
            Field::Account => self.account = text,
            Field::Plan => self.plan = text,
            Field::Scopes => {
                self.scopes = text.split([' ', ',']).filter(|word| !word.is_empty()).collect();
            }
            Field::ExpiresAt => self.expires_at = text,
            Field::Id => self.id = text,
            Field::Note => self.note = text,
        }
    }
}

/// The lines that were read. Names that come again and again are in memory once.
#[derive(Debug, Default)]
pub(super) struct Lines {
    keys: Vec<(u64, NewKey)>,
    mistakes: Mistakes,
    names: HashSet<Name>,
    scopes: HashSet<Scopes>,
    /// What generated keys begin with.
    prefix: KeyPrefix,
}

/// Lines that cannot be imported: how many, and the first ones.
#[derive(Debug, Default)]
pub(super) struct Mistakes {
    first: Vec<(u64, String)>,
    count: usize,
}

impl Mistakes {
    const SHOWN: usize = 20;

    pub(super) fn push(&mut self, line: u64, reason: String) {
        self.count += 1;
        if self.first.len() < Self::SHOWN {
            self.first.push((line, reason));
        }
    }

    pub(super) fn first(&self) -> impl ExactSizeIterator<Item = &(u64, String)> {
        self.first.iter()
    }

    pub(super) fn count(&self) -> usize {
        self.count
    }
}

impl Lines {
    /// None yet. Generated keys are those with this prefix.
    pub(super) fn new(prefix: KeyPrefix) -> Self {
        Self { prefix, ..Self::default() }
    }

    /// Adds a line, or what is wrong with it.
    pub(super) fn push(&mut self, line: u64, fields: Result<Fields<'_>, String>) {
        match fields.and_then(|fields| self.key(&fields)) {
            Ok(key) => self.keys.push((line, key)),
            Err(reason) => self.mistakes.push(line, reason),
        }
    }

    /// All lines, if they are all good.
    pub(super) fn finish(self) -> Result<Vec<(u64, NewKey)>, Mistakes> {
        if self.mistakes.count == 0 { Ok(self.keys) } else { Err(self.mistakes) }
    }

    fn key(&mut self, fields: &Fields<'_>) -> Result<NewKey, String> {
        let digest = self.digest(fields.key, fields.digest)?;
        let account = self.name("account", fields.account)?;
        let Some(account) = account else { return Err("`account` is missing".to_owned()) };
        Ok(NewKey {
            digest,
            account,
            id: optional("id", fields.id)?,
            plan: self.name("plan", fields.plan)?,
            scopes: self.scopes(&fields.scopes).map_err(|error| wrong("scopes", error))?,
            note: optional("note", fields.note)?,
            expires_at: expires_at(fields.expires_at)?,
        })
    }

    fn name(&mut self, field: &str, text: &str) -> Result<Option<Name>, String> {
        if let Some(name) = self.names.get(text) {
            return Ok(Some(name.clone()));
        }
        let name: Option<Name> = optional(field, text)?;
        self.names.extend(name.clone());
        Ok(name)
    }

    fn scopes(&mut self, words: &[&str]) -> Result<Scopes, InvalidName> {
        let scopes: Vec<Scope> = words.iter().map(|word| word.parse()).collect::<Result<_, _>>()?;
        let scopes = Scopes::new(scopes)?;
        if let Some(known) = self.scopes.get(&scopes) {
            return Ok(known.clone());
        }
        self.scopes.insert(scopes.clone());
        Ok(scopes)
    }

    fn digest(&self, key: &str, digest: &str) -> Result<KeyDigest, String> {
        match (key, digest) {
            ("", "") => Err("`key` or `digest` is missing".to_owned()),
            ("", digest) => digest.parse().map_err(|error| wrong("digest", error)),
            (key, "") => match ApiKey::parse(key) {
                // A gateway refuses it before it looks it up.
                Ok(key) if self.prefix.examine(key.expose()) == Provenance::Damaged => Err(
                    "`key`: begins like a generated key, and its checksum is wrong; is it mistyped?"
                        .to_owned(),
                ),
                Ok(key) => Ok(KeyDigest::of(&key)),
                Err(error) => Err(wrong("key", error)),
            },
            _ => Err("`key` and `digest` are both there; give one of them".to_owned()),
        }
    }
}

fn expires_at(text: &str) -> Result<Option<Timestamp>, String> {
    match text {
        "" => Ok(None),
        _ => parse_time(text).map(Some).map_err(|_| {
            "`expires_at`: expected a time (2027-01-31T12:00:00Z) or a date (2027-01-31)".to_owned()
        }),
    }
}

fn optional<T: FromStr<Err: Display>>(field: &str, text: &str) -> Result<Option<T>, String> {
    match text {
        "" => Ok(None),
        _ => text.parse().map(Some).map_err(|error| wrong(field, error)),
    }
}

fn wrong(field: &str, error: impl Display) -> String {
    format!("`{field}`: {error}")
}
