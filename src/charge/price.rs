use super::{
    Amount,
    place::{self, refused},
};
use crate::{
    Fault,
    json::{Document, Number, Pointer, Value},
};
use std::collections::BTreeMap;

/// What a request costs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Price {
    base: Base,
    times: Option<Pointer>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Base {
    Fixed(Amount),
    Table { by: Pointer, table: BTreeMap<Box<str>, Amount> },
}

/// What one request costs, and for what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quote<'a> {
    /// How much, in all.
    pub amount: Amount,
    /// The row of the table, such as the name of a model.
    pub item: Option<&'a str>,
}

impl Price {
    /// The same for every request. Nothing: it is free.
    pub const fn fixed(amount: Amount) -> Self {
        Self { base: Base::Fixed(amount), times: None }
    }

    /// By the string that stands in the body at this place, such as `/model`.
    pub fn table<N: Into<Box<str>>>(
        by: Pointer,
        table: impl IntoIterator<Item = (N, Amount)>,
    ) -> Self {
        let table = table.into_iter().map(|(name, amount)| (name.into(), amount)).collect();
        Self { base: Base::Table { by, table }, times: None }
    }

    /// That many times the price, where a number stands in the body at this place, such as `/num_outputs`; once where none does.
    #[must_use]
    pub fn times(mut self, count: Pointer) -> Self {
        self.times = Some(count);
        self
    }

    /// Whether it is nothing, whatever the request says.
    pub const fn is_free(&self) -> bool {
        matches!(self.base, Base::Fixed(Amount::ZERO))
    }

    /// Whether it depends on what the body says.
    pub const fn reads_body(&self) -> bool {
        !self.is_free() && (matches!(self.base, Base::Table { .. }) || self.times.is_some())
    }

    /// What a request with this body costs.
    ///
    /// # Errors
    ///
    /// [`Fault::NoPrice`] when the table has no row for it: nobody has said that it is free. A violation when there is no name, when
    /// the count is no whole number from 1 on, or so large that the sum cannot be counted, and when the body has another member whose name is the
    /// same but for its case, which some providers would read instead.
    pub fn of<'a>(&'a self, body: Option<&Document>) -> Result<Quote<'a>, Fault> {
        let (each, item) = match &self.base {
            Base::Fixed(amount) => (*amount, None),
            Base::Table { by, table } => {
                let value = place::only(body, by)?;
                let name = value.and_then(|value| value.as_str());
                let name = name.ok_or_else(|| refused(by, "must be a string"))?;
                let (name, amount) = table.get_key_value(name).ok_or(Fault::NoPrice)?;
                (*amount, Some(&**name))
            }
        };
        let Some(at) = self.times.as_ref().filter(|_| each.is_positive()) else {
            return Ok(Quote { amount: each, item });
        };
        let not_a_count = || refused(at, "must be a whole number from 1 on that can be paid for");
        let count = match place::only(body, at)? {
            None => 1,
            Some(value) => count(value).ok_or_else(not_a_count)?,
        };
        let amount = each.times(count).ok_or_else(not_a_count)?;
        Ok(Quote { amount, item })
    }

    /// Names that the table has no row for, of those that can stand there; none where the price is not by a table.
    #[cfg(feature = "standalone")]
    pub(crate) fn missing<'n>(&self, names: impl Iterator<Item = &'n str>) -> Vec<&'n str> {
        match &self.base {
            Base::Fixed(_) => Vec::new(),
            Base::Table { table, .. } => names.filter(|name| !table.contains_key(*name)).collect(),
        }
    }
}

/// A whole number from 1 on; `2.0` is one (JSON Schema, draft 2020-12, section 6.1.1 of validation).
fn count(value: Value<'_>) -> Option<u64> {
    /// Up to here a double says what it means.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    let count = match value.as_number()? {
        Number::Unsigned(count) => count,
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "whole, and within what a double can say"
        )]
        Number::Double(count) if count.fract() == 0.0 && (1.0..=EXACT).contains(&count) => {
            count as u64
        }
        _ => return None,
    };
    (count > 0).then_some(count)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::{Document, Syntax};

    fn amount(text: &str) -> Amount {
        text.parse().unwrap()
    }

    fn quote(price: &Price, body: &str) -> Result<(i64, Option<String>), Fault> {
        let document = Document::parse(body.to_owned(), &Syntax::default()).unwrap();
        let quote = price.of(Some(&document))?;
        Ok((quote.amount.micros(), quote.item.map(str::to_owned)))
    }

    #[test]
    fn prices() {
        let pointer = |text: &str| text.parse::<Pointer>().unwrap();
        let table = [("a", amount("0.010")), ("b", amount("0.5")), ("free", Amount::ZERO)];
        let each = Price::table(pointer("/model"), table);
        let many = each.clone().times(pointer("/num_outputs"));
        let item = |micros, name: &str| Ok((micros, Some(name.to_owned())));
        let nameless = || Err(Fault::violation("model", "model must be a string"));
        let twice = |name: &'static str| {
            let detail = format!("{name} must be there once, and in these letters");
            Err(Fault::violation(name, detail))
        };
        let refused = || {
            let detail = "num_outputs must be a whole number from 1 on that can be paid for";
            Err(Fault::violation("num_outputs", detail))
        };
        let cases = [
            (&each, r#"{"model":"a"}"#, item(10_000, "a")),
            (&each, r#"{"model":"b","num_outputs":3}"#, item(500_000, "b")),
            (&each, r#"{"model":"free"}"#, item(0, "free")),
            (&each, r#"{"model":"A"}"#, Err(Fault::NoPrice)),
            (&each, r#"{"model":""}"#, Err(Fault::NoPrice)),
            (&each, r#"{"model":7}"#, nameless()),
            (&each, r#"{"model":["a"]}"#, nameless()),
            (&each, r"{}", nameless()),
            (&each, r#""a""#, nameless()),
            (&each, r#"{"model":"a","Model":"b"}"#, twice("model")),
            (&many, r#"{"model":"a","num_outputs":1,"Num_Outputs":4}"#, twice("num_outputs")),
            (&many, r#"{"model":"a","Num_Outputs":4}"#, twice("num_outputs")),
            (&many, "{\"model\":\"a\",\"num_outputſ\":4}", twice("num_outputs")),
            (&each, "{\"K\":1,\"model\":\"a\"}", item(10_000, "a")),
            (&each, r#"{"model":"a","num_outputs":1,"Num_Outputs":4}"#, item(10_000, "a")),
            (&many, r#"{"model":"a"}"#, item(10_000, "a")),
            (&many, r#"{"model":"a","num_outputs":4}"#, item(40_000, "a")),
            (&many, r#"{"model":"a","num_outputs":2.0}"#, item(20_000, "a")),
            (&many, r#"{"model":"free","num_outputs":0}"#, item(0, "free")),
            (&many, r#"{"model":"a","num_outputs":0}"#, refused()),
            (&many, r#"{"model":"a","num_outputs":-1}"#, refused()),
            (&many, r#"{"model":"a","num_outputs":1.5}"#, refused()),
            (&many, r#"{"model":"a","num_outputs":"2"}"#, refused()),
            (&many, r#"{"model":"a","num_outputs":null}"#, refused()),
            (&many, r#"{"model":"a","num_outputs":1e300}"#, refused()),
            (&many, r#"{"model":"a","num_outputs":18446744073709551615}"#, refused()),
        ];
        for (price, body, want) in cases {
            assert_eq!(quote(price, body), want, "{body}");
        }
    }

    #[test]
    fn what_needs_no_body() {
        assert_eq!(Price::fixed(amount("1")).of(None).unwrap().amount, amount("1"));
        assert!(Price::fixed(Amount::ZERO).is_free());
        assert!(!Price::fixed(amount("1")).reads_body());
        assert!(Price::fixed(amount("1")).times("/n".parse().unwrap()).reads_body());
        let free = Price::fixed(Amount::ZERO).times("/n".parse().unwrap());
        assert!(!free.reads_body());
        let table = Price::table("/model".parse().unwrap(), [("a", amount("1"))]);
        assert!(matches!(table.of(None), Err(Fault::Violation(_))));
    }
}
