use super::ApiKey;
use std::{error::Error, fmt, str::FromStr};
use zeroize::{Zeroize, Zeroizing};

/// Characters of a generated key behind its prefix.
const TAIL_LEN: usize = RANDOM_LEN + CHECKSUM_LEN;
/// 178 bits.
const RANDOM_LEN: usize = 30;
/// 62⁶ is more than 2³².
const CHECKSUM_LEN: usize = 6;
/// Of base 62, in order.
const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// What all keys of one service begin with: 1 to 16 of `a`–`z` and `0`–`9`.
///
/// # Format
///
/// A generated key is the prefix, `_`, 30 random characters and a checksum of 6:
///
/// ```text
/// [a-z0-9]{1,16}_[0-9A-Za-z]{36}
/// ```
///
/// The checksum is the CRC-32 of everything before it (ISO-HDLC: that of zlib, gzip and PNG), written in base 62
/// with the digits `0`–`9`, `A`–`Z`, `a`–`z`, the most significant first, with `0` in front up to 6 digits.
/// A scanner for leaked secrets that checks it meets one false alarm in four thousand million.
///
/// For example, the CRC-32 of `tg_0123456789ABCDEFGHIJKLMNOPQRST` is `0x783f1e08` = 2 017 402 376, which is
/// `2CWoW0` in base 62:
///
/// ```
/// # use tollgate::auth::{KeyPrefix, Provenance};
/// let prefix: KeyPrefix = "tg".parse()?;
/// let key = "tg_0123456789ABCDEFGHIJKLMNOPQRST2CWoW0";
/// assert_eq!(prefix.examine(key), Provenance::Intact);
/// assert_eq!(prefix.examine(&key.replace('9', "g")), Provenance::Damaged);
/// assert_eq!(prefix.examine("sk-0123456789"), Provenance::Foreign);
/// # Ok::<(), tollgate::auth::InvalidPrefix>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyPrefix(Box<str>);

/// What a key says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Provenance {
    /// It has the prefix, the form and the right checksum of a generated key.
    Intact,
    /// It has the prefix and is otherwise none: mistyped, cut off, or made up.
    Damaged,
    /// It has another prefix, or none.
    Foreign,
}

impl KeyPrefix {
    /// The prefix itself, without the `_`.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Tells generated keys with this prefix from others, without asking anybody.
    pub fn examine(&self, key: &str) -> Provenance {
        let Some(tail) = key.strip_prefix(&*self.0).and_then(|rest| rest.strip_prefix('_')) else {
            return Provenance::Foreign;
        };
        let in_form =
            tail.len() == TAIL_LEN && tail.bytes().all(|byte| byte.is_ascii_alphanumeric());
        if in_form && has_checksum(key) { Provenance::Intact } else { Provenance::Damaged }
    }
}

/// `tg`.
impl Default for KeyPrefix {
    fn default() -> Self {
        Self("tg".into())
    }
}

impl FromStr for KeyPrefix {
    type Err = InvalidPrefix;

    fn from_str(text: &str) -> Result<Self, InvalidPrefix> {
        let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        if (1..=16).contains(&text.len()) && text.bytes().all(allowed) {
            Ok(Self(text.into()))
        } else {
            Err(InvalidPrefix)
        }
    }
}

impl fmt::Display for KeyPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Text that is no prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidPrefix;

impl fmt::Display for InvalidPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a prefix is 1 to 16 of the characters a-z and 0-9")
    }
}

impl Error for InvalidPrefix {}

impl ApiKey {
    /// A new key, in the [format](KeyPrefix#format) that the prefix describes.
    ///
    /// # Errors
    ///
    /// If the operating system gives no random numbers.
    pub fn generate(prefix: &KeyPrefix) -> Result<Self, GenerateError> {
        // Room for all of it: growing would leave a piece of the key behind.
        let mut key = Zeroizing::new(String::with_capacity(prefix.0.len() + 1 + TAIL_LEN));
        key.push_str(&prefix.0);
        key.push('_');
        push_random(&mut key)?;
        let sum = checksum(&key);
        key.extend(sum.map(char::from));
        Ok(Self(key))
    }
}

fn push_random(key: &mut String) -> Result<(), GenerateError> {
    let mut bytes = [0; 64];
    let full = key.len() + RANDOM_LEN;
    while key.len() < full {
        getrandom::fill(&mut bytes).map_err(|source| GenerateError { source })?;
        // Six bits each; the two values that stand for no digit are drawn again, so that all digits are as likely.
        let digits = bytes.iter().filter_map(|byte| DIGITS.get(usize::from(byte & 0x3f)));
        key.extend(digits.take(full - key.len()).copied().map(char::from));
    }
    bytes.zeroize();
    Ok(())
}

fn has_checksum(key: &str) -> bool {
    let (body, sum) = key.split_at(key.len() - CHECKSUM_LEN);
    checksum(body) == sum.as_bytes()
}

fn checksum(body: &str) -> [u8; CHECKSUM_LEN] {
    let mut left = crc32fast::hash(body.as_bytes());
    let mut digits = [b'0'; CHECKSUM_LEN];
    for digit in digits.iter_mut().rev() {
        *digit = DIGITS[(left % 62) as usize];
        left /= 62;
    }
    digits
}

/// No random numbers.
#[derive(Debug)]
pub struct GenerateError {
    source: getrandom::Error,
}

impl fmt::Display for GenerateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the operating system gives no random numbers")
    }
}

impl Error for GenerateError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.source)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    fn prefix(text: &str) -> KeyPrefix {
        text.parse().unwrap()
    }

    #[test]
    fn generated_keys_are_in_form_and_differ() {
        let mut seen = HashSet::new();
        let mut digits = [0_u32; 256];
        for text in ["t", "tg", "0123456789abcdef"] {
            for _ in 0..1_000 {
                let key = ApiKey::generate(&prefix(text)).unwrap();
                assert_eq!(prefix(text).examine(key.expose()), Provenance::Intact);
                assert!(ApiKey::parse(key.expose()).is_ok());
                let (head, tail) = key.expose().split_once('_').unwrap();
                assert_eq!((head, tail.len()), (text, TAIL_LEN));
                tail[..RANDOM_LEN].bytes().for_each(|byte| digits[usize::from(byte)] += 1);
                assert!(seen.insert(key.expose().to_owned()));
            }
        }
        // 90,000 draws of 62: 1,452 of each, give or take 38. Eight times that is no chance.
        for digit in DIGITS {
            let count = digits[usize::from(*digit)];
            assert!((1_150..1_750).contains(&count), "{}: {count}", char::from(*digit));
        }
    }

    #[test]
    fn checksums_that_others_have_worked_out() {
        // By Python's zlib.crc32; the last one's begins with zeros that have to be there.
        for key in [
            "tg_0123456789ABCDEFGHIJKLMNOPQRST2CWoW0",
            "tg_4Zt9WcQxJm0RhN7vLsYkB2pEa6GdUf4UToBN",
            "tg_e7iM8DwqIJDiQLoLKWUociFy79Qij500XdTq",
        ] {
            assert_eq!(prefix("tg").examine(key), Provenance::Intact, "{key}");
        }
    }

    #[test]
    fn ours_damaged_and_foreign() {
        use Provenance::{Damaged, Foreign, Intact};
        let key = "tg_0123456789ABCDEFGHIJKLMNOPQRST2CWoW0";
        let table = [
            (key, Intact),
            // Every other shape behind the prefix.
            ("tg_", Damaged),
            ("tg_é", Damaged),
            ("tg_éabcde", Damaged),
            ("tg_short", Damaged),
            (&key[..38], Damaged),
            ("tg_0123456789ABCDEFGHIJKLMNOPQRST2CWoW00", Damaged),
            ("tg_0123456789ABCDEFGHIJKLMNOPQRS-2CWoW0", Damaged),
            ("tg_0123456789ABCDEFGHIJKLMNOPQRST2CWoW1", Damaged),
            ("tg_0123456789ABCDEFGHIJKLMNOPQRST2CWow0", Damaged),
            // Two neighbours swapped.
            ("tg_1023456789ABCDEFGHIJKLMNOPQRST2CWoW0", Damaged),
            // Another prefix, though one is the beginning of the other.
            ("t_0123456789ABCDEFGHIJKLMNOPQRST2CWoW0", Foreign),
            ("tgx_0123456789ABCDEFGHIJKLMNOPQRST2CWoW0", Foreign),
            ("TG_0123456789ABCDEFGHIJKLMNOPQRST2CWoW0", Foreign),
            ("tg", Foreign),
            ("tg-0123456789ABCDEFGHIJKLMNOPQRST2CWoW0", Foreign),
            ("", Foreign),
        ];
        for (key, want) in table {
            assert_eq!(prefix("tg").examine(key), want, "{key}");
        }
    }

    #[test]
    fn every_single_typing_mistake_is_seen() {
        let key = "tg_0123456789ABCDEFGHIJKLMNOPQRST2CWoW0";
        for at in 3..key.len() {
            for digit in DIGITS.iter().filter(|digit| **digit != key.as_bytes()[at]) {
                let mut typed = key.to_owned();
                typed.replace_range(at..=at, &char::from(*digit).to_string());
                assert_eq!(prefix("tg").examine(&typed), Provenance::Damaged, "{typed}");
            }
        }
    }

    #[test]
    fn prefixes() {
        for text in ["a", "0", "tg", "abcdefghijklmnop"] {
            assert_eq!(prefix(text).to_string(), text);
        }
        for text in ["", "abcdefghijklmnopq", "A", "a_", "a-b", "é", "a b"] {
            assert_eq!(text.parse::<KeyPrefix>(), Err(InvalidPrefix), "{text}");
        }
    }
}
