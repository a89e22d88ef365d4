//! Amounts of money.
use super::{Invalid, shown_as, text_value};
use crate::charge::Amount;
use std::str::FromStr;

/// A price: nothing or more, in decimals with at most six digits behind the point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PriceAmount(Amount);

impl PriceAmount {
    /// The amount.
    pub const fn get(self) -> Amount {
        self.0
    }
}

impl FromStr for PriceAmount {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let amount: Amount =
            text.parse().map_err(|error: crate::charge::InvalidAmount| error.to_string())?;
        if amount < Amount::ZERO {
            return Err("a price is not less than nothing".into());
        }
        Ok(Self(amount))
    }
}

shown_as!(PriceAmount, |price| price.0);
text_value!(PriceAmount, "PriceAmount", "a price in decimals, as a string, such as \"0.010\"", {
    "type": "string", "pattern": "^[0-9]+(\\.[0-9]{1,6})?$", "examples": ["0.010", "25"]
});
