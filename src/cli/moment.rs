//! Points in time, and how long until then, as people write them.

use crate::store::until_millisecond;
use jiff::{Span, Timestamp, civil::Date, tz::TimeZone};
use std::{fmt, str::FromStr};

/// `2027-01-31T12:00:00Z`, or a date, which is its beginning in UTC, or a duration from now on, such as `30d`.
#[derive(Clone, Debug)]
pub(super) enum Moment {
    At(Timestamp),
    After(Span),
}

/// When a key ends: at a moment, or `never`.
#[derive(Clone, Debug)]
pub(super) enum End {
    At(Moment),
    Never,
}

/// How long from now on: `24h`, `7d`, `0s`.
#[derive(Clone, Debug)]
pub(super) struct Wait(Span);

/// Text, or a moment, that is not what was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum InvalidMoment {
    Moment,
    End,
    Wait,
    Past,
    TooFar,
}

impl Moment {
    /// The moment, which must be in the future, in whole milliseconds.
    pub(super) fn after(&self, now: Timestamp) -> Result<Timestamp, InvalidMoment> {
        let moment = match self {
            Self::At(time) => *time,
            Self::After(span) => add(now, *span)?,
        };
        let moment = until_millisecond(moment);
        if moment > now { Ok(moment) } else { Err(InvalidMoment::Past) }
    }

    /// The moment, where a duration is how long ago it was, in whole milliseconds.
    pub(super) fn before(&self, now: Timestamp) -> Result<Timestamp, InvalidMoment> {
        let moment = match self {
            Self::At(time) => *time,
            Self::After(span) if span.is_negative() => return Err(InvalidMoment::Moment),
            Self::After(span) => add(now, span.negate())?,
        };
        Ok(until_millisecond(moment))
    }
}

impl Wait {
    /// When it is over.
    pub(super) fn after(&self, now: Timestamp) -> Result<Timestamp, InvalidMoment> {
        Ok(until_millisecond(add(now, self.0)?))
    }
}

fn add(now: Timestamp, span: Span) -> Result<Timestamp, InvalidMoment> {
    let then = now.to_zoned(TimeZone::UTC).checked_add(span);
    then.map(|then| then.timestamp()).map_err(|_| InvalidMoment::TooFar)
}

/// A time or a date.
pub(super) fn parse_time(text: &str) -> Result<Timestamp, InvalidMoment> {
    if let Ok(time) = text.parse::<Timestamp>() {
        return Ok(until_millisecond(time));
    }
    // A date alone: the parser would also take one with a time, and drop that.
    let date = text.parse::<Date>().ok().filter(|_| text.len() == "2027-01-31".len());
    let day = date.and_then(|date| date.to_zoned(TimeZone::UTC).ok());
    day.map(|day| day.timestamp()).ok_or(InvalidMoment::Moment)
}

impl FromStr for Moment {
    type Err = InvalidMoment;

    fn from_str(text: &str) -> Result<Self, InvalidMoment> {
        parse_time(text)
            .map(Self::At)
            .or_else(|_| text.parse().map(Self::After).map_err(|_| InvalidMoment::Moment))
    }
}

impl FromStr for End {
    type Err = InvalidMoment;

    fn from_str(text: &str) -> Result<Self, InvalidMoment> {
        match text {
            "never" => Ok(Self::Never),
            _ => text.parse().map(Self::At).map_err(|_| InvalidMoment::End),
        }
    }
}

impl FromStr for Wait {
    type Err = InvalidMoment;

    fn from_str(text: &str) -> Result<Self, InvalidMoment> {
        match text.parse::<Span>() {
            Ok(span) if !span.is_negative() => Ok(Self(span)),
            _ => Err(InvalidMoment::Wait),
        }
    }
}

impl fmt::Display for InvalidMoment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Moment => {
                "expected a time (2027-01-31T12:00:00Z), a date (2027-01-31) or a duration (30d, 12h)"
            }
            Self::End => {
                "expected a time (2027-01-31T12:00:00Z), a date (2027-01-31), a duration (30d, 12h) or never"
            }
            Self::Wait => "expected a duration, such as 24h, 7d or 0s",
            Self::Past => "this is not in the future",
            Self::TooFar => "this is beyond the years that there are times for",
        })
    }
}

impl std::error::Error for InvalidMoment {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments() {
        let now: Timestamp = "2026-01-31T12:00:00.5Z".parse().unwrap();
        let table = [
            ("2027-01-31T12:00:00Z", Ok("2027-01-31T12:00:00Z")),
            ("2027-01-31T12:00:00+02:00", Ok("2027-01-31T10:00:00Z")),
            ("2027-01-31T12:00:00.1239Z", Ok("2027-01-31T12:00:00.123Z")),
            ("2027-01-31", Ok("2027-01-31T00:00:00Z")),
            ("30d", Ok("2026-03-02T12:00:00.5Z")),
            ("12h", Ok("2026-02-01T00:00:00.5Z")),
            ("1d 12h", Ok("2026-02-02T00:00:00.5Z")),
            ("1d12h", Ok("2026-02-02T00:00:00.5Z")),
            ("1mo", Ok("2026-02-28T12:00:00.5Z")),
            ("1ms", Ok("2026-01-31T12:00:00.501Z")),
            ("2026-01-31T12:00:00.5Z", Err(InvalidMoment::Past)),
            ("2026-01-31", Err(InvalidMoment::Past)),
            ("0s", Err(InvalidMoment::Past)),
            ("-30d", Err(InvalidMoment::Past)),
            ("9000y", Err(InvalidMoment::TooFar)),
        ];
        for (text, want) in table {
            let moment: Moment = text.parse().unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!(moment.after(now), want.map(|want| want.parse().unwrap()), "{text}");
        }
        let table = [
            ("2026-01-31", Ok("2026-01-31T00:00:00Z")),
            ("2027-01-31", Ok("2027-01-31T00:00:00Z")),
            ("12h", Ok("2026-01-31T00:00:00.5Z")),
            ("1mo", Ok("2025-12-31T12:00:00.5Z")),
            ("0s", Ok("2026-01-31T12:00:00.5Z")),
            ("-30d", Err(InvalidMoment::Moment)),
            ("19000y", Err(InvalidMoment::TooFar)),
        ];
        for (text, want) in table {
            let moment: Moment = text.parse().unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!(moment.before(now), want.map(|want| want.parse().unwrap()), "{text}");
        }
        for text in
            ["", "30", "d", "soon", "never", "2027-13-01", "2027-01-31T12:00:00", "1767225600"]
        {
            assert!(text.parse::<Moment>().is_err(), "{text}");
        }
        assert!(matches!("never".parse(), Ok(End::Never)));
        for text in ["-1h", "never", "2027-01-31", ""] {
            assert!(text.parse::<Wait>().is_err(), "{text}");
        }
        assert_eq!("0s".parse::<Wait>().unwrap().after(now), Ok(now));
    }
}
