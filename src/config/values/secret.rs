//! What must not be shown.
use super::{Invalid, text_value};
use serde::{Serialize, Serializer};
use std::{fmt, str::FromStr};

/// What is shown in the place of a secret.
pub(in crate::config) const REDACTED: &str = "[redacted]";

/// A provider's credential. It is not printed, not compared, and serialized as `[redacted]`; [`Secret::expose`] is the one way to it.
#[derive(Clone)]
pub struct Secret(String);

impl Secret {
    /// The secret itself: visible ASCII, and spaces within; a header's value as it is.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// Without what it is.
impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(REDACTED)
    }
}

impl FromStr for Secret {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        match text {
            "" => Err("a credential cannot be empty".into()),
            REDACTED => {
                Err("this is what is shown in the place of a secret; put the secret back".into())
            }
            _ if text.trim() != text => {
                Err("the credential begins or ends with white space or a line break".into())
            }
            _ if text.bytes().all(|byte| (b' '..=b'~').contains(&byte)) => {
                Ok(Self(text.to_owned()))
            }
            _ => Err("the credential holds characters that a header cannot carry".into()),
        }
    }
}

text_value!(Secret, "Secret", "a string", {
    "type": "string", "pattern": "^[!-~]([ -~]*[!-~])?$"
});

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets() {
        for text in ["sk-123", "Basic dXNlcjpwYXNz", "a", "~!$"] {
            let secret: Secret = text.parse().unwrap();
            assert_eq!(secret.expose(), text);
            assert_eq!(format!("{secret:?}"), "Secret(…)");
            assert_eq!(serde_json::to_value(&secret).unwrap(), REDACTED);
        }
        for text in
            ["", " ", "sk-123\n", " sk-123", "sk\n123", "sk\t123", "schlüssel", "sk\u{7f}", "sk\0"]
        {
            let error = text.parse::<Secret>().unwrap_err().to_string();
            assert!(!error.contains("sk"), "{error}");
        }
        assert!(REDACTED.parse::<Secret>().is_err());
    }
}
