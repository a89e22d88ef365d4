use std::fmt;
use zeroize::Zeroizing;

/// A key as its holder has it. It cannot print itself, and its memory is overwritten when it is dropped.
#[derive(Clone)]
pub struct ApiKey(Zeroizing<String>);

/// The longest key, in bytes.
pub const MAX_KEY_LEN: usize = 512;

impl ApiKey {
    /// A key that somebody has: 1 to [`MAX_KEY_LEN`] letters, digits and `-._~+/`, with `=` at the end (`token68`
    /// in RFC 9110, section 11.2, `b64token` in RFC 6750, section 2.1).
    ///
    /// # Errors
    ///
    /// If it is anything else: it could not be sent.
    pub fn parse(text: &str) -> Result<Self, InvalidKey> {
        if is_token(text.as_bytes()) {
            Ok(Self(Zeroizing::new(text.to_owned())))
        } else {
            Err(InvalidKey)
        }
    }

    /// The secret itself.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ApiKey(…)")
    }
}

/// Text that cannot be a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidKey;

impl fmt::Display for InvalidKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a key is 1 to {MAX_KEY_LEN} letters, digits and -._~+/, with = only at its end")
    }
}

impl std::error::Error for InvalidKey {}

/// Whether these bytes can be a key.
pub(super) fn is_token(bytes: &[u8]) -> bool {
    let padding = bytes.iter().rev().take_while(|byte| **byte == b'=').count();
    let (word, _) = bytes.split_at(bytes.len() - padding);
    let in_word = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~+/".contains(byte);
    !word.is_empty() && bytes.len() <= MAX_KEY_LEN && word.iter().all(in_word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_be_a_key() {
        let longest = "a".repeat(MAX_KEY_LEN);
        for text in ["a", "tg_0Az", "aB3-._~+/==", &longest] {
            assert!(ApiKey::parse(text).is_ok(), "{text}");
        }
        let longer = "a".repeat(MAX_KEY_LEN + 1);
        for text in ["", "=", "a=b", "a b", " a", "a,b", "a\"", "a:b", "é", "a\0", "a\n", &longer]
        {
            assert!(ApiKey::parse(text).is_err(), "{text:?}");
        }
        let key = ApiKey::parse("s3cret").unwrap();
        assert_eq!(format!("{key:?} {:?}", Some(&key)), "ApiKey(…) Some(ApiKey(…))");
    }
}
