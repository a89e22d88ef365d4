use crate::charge::Amount;
use serde::{Serialize, Serializer};
use std::fmt;

/// Many amounts together. No number of them is beyond what it can count, whatever stands in a damaged file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Sum(i128);

impl Sum {
    /// What a database added up in two halves, each of which it can count: of the amounts shifted right by 32 bits, and of the 32
    /// bits that are lost by that.
    pub(in crate::store) fn from_halves(high: i64, low: i64) -> Self {
        Self((i128::from(high) << 32) + i128::from(low))
    }
}

impl From<Amount> for Sum {
    fn from(amount: Amount) -> Self {
        Self(amount.micros().into())
    }
}

impl std::ops::AddAssign for Sum {
    fn add_assign(&mut self, other: Self) {
        self.0 = self.0.saturating_add(other.0);
    }
}

impl std::ops::Neg for Sum {
    type Output = Self;

    fn neg(self) -> Self {
        Self(self.0.saturating_neg())
    }
}

/// As an [`Amount`] is.
impl fmt::Display for Sum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Ok(micros) = i64::try_from(self.0) {
            return Amount::from_micros(micros).fmt(f);
        }
        let micros = self.0.unsigned_abs();
        let sign = if self.0 < 0 { "-" } else { "" };
        f.pad(&format!("{sign}{}.{:06}", micros / 1_000_000, micros % 1_000_000))
    }
}

impl Serialize for Sum {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves() {
        let most = i64::MAX;
        let table: [(&[i64], &str); 5] = [
            (&[], "0.00"),
            (&[1, -1, 2_500_000], "2.50"),
            (&[-1], "-0.000001"),
            (&[most, most], "18446744073709.551614"),
            (&[-most, -most], "-18446744073709.551614"),
        ];
        for (amounts, shown) in table {
            let high = amounts.iter().map(|amount| amount >> 32).sum();
            let low = amounts.iter().map(|amount| amount & 0xFFFF_FFFF).sum();
            let mut sum = Sum::default();
            amounts.iter().for_each(|amount| sum += Amount::from_micros(*amount).into());
            assert_eq!(Sum::from_halves(high, low), sum, "{amounts:?}");
            assert_eq!(sum.to_string(), shown);
        }
    }
}
