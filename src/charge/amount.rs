use std::{
    fmt,
    ops::{Add, Neg},
    str::FromStr,
};

/// An amount of money: a whole number of millionths of the unit, whatever the unit is.
///
/// Written in decimals at every edge, and never a floating-point number: `"0.010"`, `"-3"`, `"12.50"`.
///
/// ```
/// use tollgate::charge::Amount;
///
/// let price: Amount = "0.010".parse()?;
/// assert_eq!(price.micros(), 10_000);
/// assert_eq!(price.times(3).map(|sum| sum.to_string()), Some("0.03".to_owned()));
/// assert!("0.0000001".parse::<Amount>().is_err());
/// # Ok::<(), tollgate::charge::InvalidAmount>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Amount(i64);

/// How many of them are one unit.
const MICROS: i64 = 1_000_000;
/// Digits behind the point.
const DECIMALS: usize = 6;

impl Amount {
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// So many millionths.
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// In millionths.
    pub const fn micros(self) -> i64 {
        self.0
    }

    /// Whether it is more than nothing.
    pub const fn is_positive(self) -> bool {
        self.0 > 0
    }

    /// So many times as much; `None` beyond what can be counted.
    pub fn times(self, count: u64) -> Option<Self> {
        self.0.checked_mul(i64::try_from(count).ok()?).map(Self)
    }

    /// Both together; `None` beyond what can be counted.
    pub fn checked_add(self, other: Self) -> Option<Self> {
        self.0.checked_add(other.0).map(Self)
    }
}

/// # Panics
///
/// Beyond what can be counted, nine million million units, where overflow is checked.
impl Add for Amount {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self(self.0 + other.0)
    }
}

impl Neg for Amount {
    type Output = Self;

    fn neg(self) -> Self {
        Self(self.0.saturating_neg())
    }
}

/// Two digits behind the point at least, and none that says nothing.
impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let micros = self.0.unsigned_abs();
        let (units, rest) = (micros / MICROS.unsigned_abs(), micros % MICROS.unsigned_abs());
        let decimals = format!("{rest:0DECIMALS$}");
        let (cents, fine) = decimals.split_at(2);
        f.pad(&format!("{sign}{units}.{cents}{}", fine.trim_end_matches('0')))
    }
}

/// A text that is no amount.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidAmount;

impl fmt::Display for InvalidAmount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "expected an amount in decimals, such as \"0.010\" or \"25\", with at most six digits behind the point",
        )
    }
}

impl std::error::Error for InvalidAmount {}

impl FromStr for Amount {
    type Err = InvalidAmount;

    /// Digits, and behind a point one to six more; a minus before them.
    fn from_str(text: &str) -> Result<Self, InvalidAmount> {
        let (digits, sign) = match text.strip_prefix('-') {
            Some(digits) => (digits, -1),
            None => (text, 1),
        };
        let (units, decimals) = match digits.split_once('.') {
            Some((units, decimals)) if !decimals.is_empty() => (units, decimals),
            Some(_) => return Err(InvalidAmount),
            None => (digits, ""),
        };
        let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        if units.is_empty()
            || decimals.len() > DECIMALS
            || !is_number(units)
            || !is_number(decimals)
        {
            return Err(InvalidAmount);
        }
        let units: i64 = units.parse().map_err(|_| InvalidAmount)?;
        let rest: i64 = format!("{decimals:0<DECIMALS$}").parse().map_err(|_| InvalidAmount)?;
        let micros = units.checked_mul(MICROS).and_then(|micros| micros.checked_add(rest));
        micros.map(|micros| Self(sign * micros)).ok_or(InvalidAmount)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn decimals() {
        let table = [
            ("0", Some(0), "0.00"),
            ("0.010", Some(10_000), "0.01"),
            ("0.000001", Some(1), "0.000001"),
            ("12.5", Some(12_500_000), "12.50"),
            ("12.345", Some(12_345_000), "12.345"),
            ("-3", Some(-3_000_000), "-3.00"),
            ("-0.5", Some(-500_000), "-0.50"),
            ("007", Some(7_000_000), "7.00"),
            ("9223372036854.775807", Some(i64::MAX), "9223372036854.775807"),
            ("9223372036854.775808", None, ""),
            ("9223372036855", None, ""),
            ("99999999999999999999", None, ""),
            ("", None, ""),
            ("-", None, ""),
            (".5", None, ""),
            ("5.", None, ""),
            ("+5", None, ""),
            ("--5", None, ""),
            ("1e3", None, ""),
            ("1,5", None, ""),
            ("1 000", None, ""),
            (" 1", None, ""),
            ("0.0000001", None, ""),
            ("٣", None, ""),
            ("1.-5", None, ""),
        ];
        for (text, micros, shown) in table {
            let amount = text.parse::<Amount>().ok();
            assert_eq!(amount.map(Amount::micros), micros, "{text}");
            if let Some(amount) = amount {
                assert_eq!(amount.to_string(), shown);
            }
        }
    }

    #[test]
    fn beyond_what_can_be_counted() {
        assert_eq!(Amount(i64::MAX).times(2), None);
        assert_eq!(Amount(1).times(u64::MAX), None);
        assert_eq!(Amount(i64::MAX).checked_add(Amount(1)), None);
        assert_eq!(Amount(5).times(0), Some(Amount::ZERO));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(micros in -i64::MAX..=i64::MAX) {
            let amount = Amount(micros);
            prop_assert_eq!(amount.to_string().parse(), Ok(amount));
        }
    }
}
