//! Durations and sizes.
use super::{Invalid, shown_as, text_value};
use serde::{
    Deserialize, Deserializer,
    de::{self, Visitor},
};
use std::{borrow::Cow, fmt, str::FromStr, time::Duration};

/// How long something may take: `"120000ms"`, `"30s"`, `"1m30s"`, `"2h"`. More than nothing, at most a year.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Timeout(Duration);

impl Timeout {
    /// A timeout of that many milliseconds.
    pub(crate) const fn millis(millis: u64) -> Self {
        Self(Duration::from_millis(millis))
    }

    /// A timeout of this duration.
    pub(crate) const fn of(duration: Duration) -> Self {
        Self(duration)
    }

    /// A timeout of that many seconds.
    pub(crate) const fn seconds(seconds: u64) -> Self {
        Self(Duration::from_secs(seconds))
    }

    /// The duration.
    pub const fn get(self) -> Duration {
        self.0
    }
}

impl FromStr for Timeout {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        match parse_duration(text)? {
            Duration::ZERO => Err("a timeout of nothing would fail every request".into()),
            duration => Ok(Self(duration)),
        }
    }
}

/// How long to wait for something; nothing means not to wait: `"0s"`, `"30s"`. At most a year.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Patience(Duration);

impl Patience {
    /// That many seconds.
    pub(crate) const fn seconds(seconds: u64) -> Self {
        Self(Duration::from_secs(seconds))
    }

    /// The duration.
    pub const fn get(self) -> Duration {
        self.0
    }
}

impl FromStr for Patience {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        parse_duration(text).map(Self)
    }
}

const DURATION: &str = "a duration with its unit, such as \"500ms\", \"30s\", \"1m30s\" or \"2h\"";
const YEAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);

text_value!(Timeout, "Timeout", DURATION, {
    "type": "string", "pattern": "^([0-9]+h)?([0-9]+m)?([0-9]+s)?([0-9]+ms)?$", "minLength": 2, "examples": ["500ms", "30s", "1m30s"]
});
text_value!(Patience, "Patience", DURATION, {
    "type": "string", "pattern": "^([0-9]+h)?([0-9]+m)?([0-9]+s)?([0-9]+ms)?$", "minLength": 2, "examples": ["0s", "30s", "1m30s"]
});

/// Numbers with units, largest first, each unit once.
fn parse_duration(text: &str) -> Result<Duration, Invalid> {
    const UNITS: [(&str, u64); 4] = [("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];
    let wrong = || Invalid::from(format!("expected {DURATION}"));
    let mut rest = text;
    let mut total: u64 = 0;
    let mut next = 0;
    while !rest.is_empty() {
        let (digits, tail) =
            rest.split_at(rest.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?);
        let (unit, tail) =
            tail.split_at(tail.find(|c: char| c.is_ascii_digit()).unwrap_or(tail.len()));
        let at =
            next + UNITS[next..].iter().position(|(name, _)| *name == unit).ok_or_else(wrong)?;
        if digits.is_empty() {
            return Err(wrong());
        }
        // Digits alone fail to parse only where they are too many.
        let number = digits.parse().unwrap_or(u64::MAX);
        total = total.saturating_add(number.saturating_mul(UNITS[at].1));
        next = at + 1;
        rest = tail;
    }
    match Duration::from_millis(total) {
        _ if text.is_empty() => Err(wrong()),
        duration if duration > YEAR => Err("longer than a year".into()),
        duration => Ok(duration),
    }
}

pub(super) fn write_duration(f: &mut fmt::Formatter<'_>, duration: Duration) -> fmt::Result {
    match duration.subsec_millis() {
        0 if !duration.is_zero() && duration.as_secs().is_multiple_of(3600) => {
            write!(f, "{}h", duration.as_secs() / 3600)
        }
        0 => write!(f, "{}s", duration.as_secs()),
        _ => write!(f, "{}ms", duration.as_millis()),
    }
}

/// A number of bytes: `32768`, `"32KiB"`, `"1MiB"`. More than nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Size(usize);

impl Size {
    /// That many bytes.
    pub(crate) const fn bytes(bytes: usize) -> Self {
        Self(bytes)
    }

    /// That many KiB.
    pub(crate) const fn kib(kib: usize) -> Self {
        Self(kib * 1024)
    }

    /// The number of bytes.
    pub const fn get(self) -> usize {
        self.0
    }
}

const SIZE: &str = "a number of bytes, or a size such as \"32KiB\" or \"1MiB\"";

impl TryFrom<u64> for Size {
    type Error = Invalid;

    fn try_from(bytes: u64) -> Result<Self, Invalid> {
        match usize::try_from(bytes) {
            Ok(0) => Err("a limit of no bytes would refuse every request".into()),
            Ok(bytes) if bytes <= 1 << 40 => Ok(Self(bytes)),
            _ => Err("more than 1024 GiB".into()),
        }
    }
}

impl FromStr for Size {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let (digits, unit) =
            text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()));
        let factor: u64 = match unit {
            "" | "B" => 1,
            "KiB" => 1 << 10,
            "MiB" => 1 << 20,
            "GiB" => 1 << 30,
            _ => 0,
        };
        if factor == 0 || digits.is_empty() {
            return Err(format!("expected {SIZE}").into());
        }
        let number: u64 = digits.parse().unwrap_or(u64::MAX);
        Self::try_from(number.saturating_mul(factor))
    }
}

impl fmt::Display for Timeout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_duration(f, self.0)
    }
}

impl fmt::Display for Patience {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_duration(f, self.0)
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (shift, unit) in [(30, "GiB"), (20, "MiB"), (10, "KiB")] {
            if self.0.trailing_zeros() >= shift {
                return write!(f, "{}{unit}", self.0 >> shift);
            }
        }
        write!(f, "{}B", self.0)
    }
}

shown_as!(Timeout, |timeout| timeout);
shown_as!(Patience, |patience| patience);
shown_as!(Size, |size| size);

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct SizeVisitor;

        impl Visitor<'_> for SizeVisitor {
            type Value = Size;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(SIZE)
            }

            fn visit_i64<E: de::Error>(self, bytes: i64) -> Result<Size, E> {
                let bytes =
                    u64::try_from(bytes).map_err(|_| E::custom(format!("expected {SIZE}")))?;
                self.visit_u64(bytes)
            }

            fn visit_u64<E: de::Error>(self, bytes: u64) -> Result<Size, E> {
                Size::try_from(bytes).map_err(E::custom)
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Size, E> {
                text.parse().map_err(E::custom)
            }
        }

        deserializer.deserialize_any(SizeVisitor)
    }
}

impl schemars::JsonSchema for Size {
    fn schema_name() -> Cow<'static, str> {
        "Size".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "anyOf": [
                { "type": "integer", "minimum": 1 },
                { "type": "string", "pattern": "^[0-9]+(B|KiB|MiB|GiB)?$" }
            ],
            "examples": [32768, "32KiB", "1MiB"]
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        for (text, millis) in [
            ("120000ms", 120_000),
            ("5s", 5_000),
            ("1m30s", 90_000),
            ("2h", 7_200_000),
            ("1h1m1s1ms", 3_661_001),
            ("0m1s", 1_000),
            ("007s", 7_000),
            ("8760h", 31_536_000_000),
        ] {
            assert_eq!(text.parse::<Timeout>().map(|t| t.get().as_millis()), Ok(millis), "{text}");
        }
        for text in [
            "", "5", "s", "ms", "-5s", "5 s", " 5s", "5s ", "1.5s", "5S", "5sec", "5d", "1s1m",
            "1s1s", "1ms1s", "5s5", "5µs", "٣s", "8761h",
        ] {
            assert!(text.parse::<Timeout>().is_err(), "{text}");
        }
        for text in [
            "99999999999999999999999h",
            "18446744073709551615ms",
            "18446744073709551615h18446744073709551615m",
        ] {
            assert_eq!(text.parse::<Timeout>(), Err("longer than a year".into()), "{text}");
        }
        assert!("0s".parse::<Timeout>().is_err());
        assert!("0h0ms".parse::<Timeout>().is_err());
        assert_eq!("0s".parse(), Ok(Patience::seconds(0)));
        assert_eq!("1500ms".parse::<Timeout>().unwrap().to_string(), "1500ms");
        assert_eq!("1m30s".parse::<Timeout>().unwrap().to_string(), "90s");
        assert_eq!("120m".parse::<Timeout>().unwrap().to_string(), "2h");
        assert_eq!("0s".parse::<Patience>().unwrap().to_string(), "0s");
    }

    #[test]
    fn sizes() {
        for (text, bytes) in [
            ("1", 1),
            ("32768", 32768),
            ("512B", 512),
            ("32KiB", 32768),
            ("1MiB", 1 << 20),
            ("1GiB", 1 << 30),
        ] {
            assert_eq!(text.parse::<Size>().map(Size::get), Ok(bytes), "{text}");
        }
        for text in [
            "",
            "KiB",
            "0",
            "0KiB",
            "-1",
            "32KB",
            "32k",
            "32 KiB",
            "1.5MiB",
            "1024GiBs",
            "1025GiB",
            "99999999999999999999999",
        ] {
            assert!(text.parse::<Size>().is_err(), "{text}");
        }
        assert_eq!(
            [Size::kib(32), Size(1000), Size::kib(2048)].map(|size| size.to_string()),
            ["32KiB", "1000B", "2MiB"]
        );
    }
}
