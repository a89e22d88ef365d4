//! The times within which only so much may be spent.

use jiff::{Timestamp, ToSpan, civil::Date, tz::TimeZone};
use serde::Serialize;
use std::{fmt, str::FromStr};

/// A stretch of time that a spend limit is for, in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Period {
    /// A calendar day.
    Day,
    /// A calendar month.
    Month,
    /// Always.
    Total,
}

impl Period {
    pub(crate) const ALL: [Self; 3] = [Self::Day, Self::Month, Self::Total];

    /// As it is written.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Day => "day",
            Self::Month => "month",
            Self::Total => "total",
        }
    }

    /// When the one began that this moment is in, in Unix milliseconds.
    pub(crate) fn start(self, moment: Timestamp) -> i64 {
        // In UTC every date has a midnight, and that of a timestamp's day is one, but for the very first.
        self.first(moment).and_then(midnight).map_or(0, Timestamp::as_millisecond)
    }

    /// When it ends and the next one begins, if it does.
    pub(crate) fn end(self, moment: Timestamp) -> Option<Timestamp> {
        let length = match self {
            Self::Day => 1.day(),
            Self::Month => 1.month(),
            Self::Total => return None,
        };
        midnight(self.first(moment)?.checked_add(length).ok()?)
    }

    /// The first day of it, if it has one.
    fn first(self, moment: Timestamp) -> Option<Date> {
        let date = moment.to_zoned(TimeZone::UTC).date();
        match self {
            Self::Day => Some(date),
            Self::Month => Some(date.first_of_month()),
            Self::Total => None,
        }
    }
}

fn midnight(date: Date) -> Option<Timestamp> {
    date.to_zoned(TimeZone::UTC).ok().map(|midnight| midnight.timestamp())
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Period {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.into_iter().find(|period| period.as_str() == text);
        found.ok_or("expected day, month or total")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn starts_and_ends() {
        let table = [
            (
                Period::Day,
                "2026-02-28T23:59:59.999Z",
                "2026-02-28T00:00:00Z",
                Some("2026-03-01T00:00:00Z"),
            ),
            (
                Period::Day,
                "2026-03-01T00:00:00Z",
                "2026-03-01T00:00:00Z",
                Some("2026-03-02T00:00:00Z"),
            ),
            (
                Period::Month,
                "2026-02-28T23:59:59.999Z",
                "2026-02-01T00:00:00Z",
                Some("2026-03-01T00:00:00Z"),
            ),
            (
                Period::Month,
                "2026-12-31T00:00:00Z",
                "2026-12-01T00:00:00Z",
                Some("2027-01-01T00:00:00Z"),
            ),
            (Period::Month, "9999-12-30T00:00:00Z", "9999-12-01T00:00:00Z", None),
            (Period::Total, "2026-03-01T00:00:00Z", "1970-01-01T00:00:00Z", None),
        ];
        for (period, moment, start, end) in table {
            let time = |text: &str| -> Timestamp { text.parse().unwrap() };
            let moment = time(moment);
            assert_eq!(period.start(moment), time(start).as_millisecond(), "{period} {moment}");
            assert_eq!(period.end(moment), end.map(time), "{period} {moment}");
        }
        for period in Period::ALL {
            assert_eq!(period.as_str().parse(), Ok(period));
        }
    }
}
