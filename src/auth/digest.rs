use super::ApiKey;
use sha2::{Digest, Sha256};
use std::{
    fmt,
    hash::{Hash, Hasher},
    str::FromStr,
};
use subtle::{Choice, ConstantTimeEq};

/// The SHA-256 of an API key: what is stored, and what a key is looked up by.
///
/// Written as 64 hexadecimal digits. Two digests are compared in constant time.
#[derive(Clone, Copy)]
pub struct KeyDigest([u8; 32]);

impl KeyDigest {
    /// The digest of a key.
    pub fn of(key: &ApiKey) -> Self {
        Self::of_token(key.expose())
    }

    pub(super) fn of_token(token: &str) -> Self {
        Self(Sha256::digest(token).into())
    }

    /// A digest that was stored.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// For a store.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl KeyDigest {
    /// In words: a comparison in constant time costs the same for eight bytes as for one.
    fn words(&self) -> impl Iterator<Item = u64> {
        let (words, _) = self.0.as_chunks::<8>();
        words.iter().map(|word| u64::from_le_bytes(*word))
    }
}

impl PartialEq for KeyDigest {
    fn eq(&self, other: &Self) -> bool {
        let equal = self.words().zip(other.words()).map(|(one, other)| one.ct_eq(&other));
        equal.fold(Choice::from(1), |all, one| all & one).into()
    }
}

impl Eq for KeyDigest {}

impl Hash for KeyDigest {
    /// One of its words: a digest is evenly spread already.
    fn hash<H: Hasher>(&self, state: &mut H) {
        let [a, b, c, d, e, f, g, h, ..] = self.0;
        state.write_u64(u64::from_le_bytes([a, b, c, d, e, f, g, h]));
    }
}

/// 64 hexadecimal digits.
impl fmt::Display for KeyDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// The beginning only: enough to find it, not enough to try keys against.
impl fmt::Debug for KeyDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, ..] = self.0;
        write!(f, "KeyDigest({a:02x}{b:02x}{c:02x}{d:02x}…)")
    }
}

/// Text that is no digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidDigest;

impl fmt::Display for InvalidDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("expected a SHA-256 digest: 64 hexadecimal digits")
    }
}

impl std::error::Error for InvalidDigest {}

impl FromStr for KeyDigest {
    type Err = InvalidDigest;

    /// 64 hexadecimal digits, small or capital.
    fn from_str(text: &str) -> Result<Self, InvalidDigest> {
        let (pairs, []) = text.as_bytes().as_chunks::<2>() else {
            return Err(InvalidDigest);
        };
        let mut bytes = [0; 32];
        if pairs.len() != bytes.len() {
            return Err(InvalidDigest);
        }
        for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
            *byte = nibble(*high)? << 4 | nibble(*low)?;
        }
        Ok(Self(bytes))
    }
}

fn nibble(digit: u8) -> Result<u8, InvalidDigest> {
    match digit {
        b'0'..=b'9' => Ok(digit - b'0'),
        b'a'..=b'f' => Ok(digit - b'a' + 10),
        b'A'..=b'F' => Ok(digit - b'A' + 10),
        _ => Err(InvalidDigest),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_back() {
        // FIPS 180-4's example "abc".
        let text = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        let digest: KeyDigest = text.parse().unwrap();
        assert_eq!(digest, KeyDigest::of_token("abc"));
        assert_eq!(digest, text.to_uppercase().parse().unwrap());
        assert_eq!(digest.to_string(), text);
        assert_eq!(format!("{digest:?}"), "KeyDigest(ba7816bf…)");
        for text in ["", "ba", &text[1..], &format!("{text}0"), &text.replace('b', "g"), "é"] {
            assert_eq!(text.parse::<KeyDigest>(), Err(InvalidDigest), "{text}");
        }
    }
}
