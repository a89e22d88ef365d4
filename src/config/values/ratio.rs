//! A share of something.
use super::Invalid;
use serde::{
    Deserialize, Deserializer, Serialize,
    de::{self, Visitor},
};
use std::{borrow::Cow, fmt, str::FromStr};

/// A number from 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd, Serialize)]
pub struct Ratio(f64);

impl Ratio {
    /// The whole.
    pub(in crate::config) const ALL: Self = Self(1.0);

    /// The number.
    pub const fn get(self) -> f64 {
        self.0
    }
}

const RATIO: &str = "a number from 0 to 1, such as 0.1";

impl TryFrom<f64> for Ratio {
    type Error = Invalid;

    fn try_from(number: f64) -> Result<Self, Invalid> {
        match number {
            0.0..=1.0 => Ok(Self(number)),
            _ => Err(format!("expected {RATIO}").into()),
        }
    }
}

impl FromStr for Ratio {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        Self::try_from(text.parse().unwrap_or(f64::NAN))
    }
}

impl<'de> Deserialize<'de> for Ratio {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct RatioVisitor;

        impl Visitor<'_> for RatioVisitor {
            type Value = Ratio;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(RATIO)
            }

            fn visit_f64<E: de::Error>(self, number: f64) -> Result<Ratio, E> {
                Ratio::try_from(number).map_err(E::custom)
            }

            fn visit_i64<E: de::Error>(self, number: i64) -> Result<Ratio, E> {
                self.visit_f64(number as f64)
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Ratio, E> {
                text.parse().map_err(E::custom)
            }
        }

        deserializer.deserialize_any(RatioVisitor)
    }
}

impl schemars::JsonSchema for Ratio {
    fn schema_name() -> Cow<'static, str> {
        "Ratio".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "number", "minimum": 0, "maximum": 1, "examples": [0.1] })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios() {
        for (text, number) in [("0", 0.0), ("0.1", 0.1), ("1", 1.0), ("1e-3", 0.001)] {
            assert_eq!(text.parse::<Ratio>().map(Ratio::get), Ok(number), "{text}");
        }
        for text in ["", "1.01", "-0.1", "NaN", "inf", "10%", " 1"] {
            assert!(text.parse::<Ratio>().is_err(), "{text}");
        }
    }
}
