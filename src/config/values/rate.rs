//! Quotas.
use super::{Invalid, Timeout, quantity::write_duration, shown_as, text_value};
use crate::limit;
use http::HeaderName;
use std::{fmt, num::NonZeroU32, str::FromStr, time::Duration};

/// So much in such a time: `"100/s"`, `"5/m"`, `"1000/h"`, `"20000/d"`, `"10/15s"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    units: NonZeroU32,
    period: Duration,
    rate: limit::Rate,
}

impl Rate {
    /// The rate, with a whole period's units as its burst.
    pub const fn get(self) -> limit::Rate {
        self.rate
    }
}

/// Those that have a name.
const PERIODS: [(&str, Duration); 4] = [
    ("s", Duration::from_secs(1)),
    ("m", Duration::from_secs(60)),
    ("h", Duration::from_secs(60 * 60)),
    ("d", Duration::from_secs(24 * 60 * 60)),
];

const RATE: &str = "a number and a time, such as \"100/s\", \"5/m\", \"1000/h\" or \"10/15s\"";

impl FromStr for Rate {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let wrong = || Invalid::from(format!("expected {RATE}"));
        let (units, period) = text.split_once('/').ok_or_else(wrong)?;
        if units.is_empty() || !units.bytes().all(|b| b.is_ascii_digit()) {
            return Err(wrong());
        }
        let units: u32 = units.parse().map_err(|_| Invalid::from("more than 4294967295 units"))?;
        let units = NonZeroU32::new(units).ok_or("a rate of nothing would refuse every request")?;
        let period = match PERIODS.iter().find(|(name, _)| *name == period) {
            Some((_, period)) => *period,
            None => period.parse::<Timeout>().map_err(|_| wrong())?.get(),
        };
        let rate = limit::Rate::per(units, period);
        let rate = rate.ok_or("more than one unit in a nanosecond: no limit at all")?;
        Ok(Self { units, period, rate })
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/", self.units)?;
        match PERIODS.iter().find(|(_, period)| *period == self.period) {
            Some((name, _)) => f.write_str(name),
            None => write_duration(f, self.period),
        }
    }
}

shown_as!(Rate, |rate| rate);
text_value!(Rate, "Rate", RATE, {
    "type": "string", "pattern": "^[0-9]+/(s|m|h|d|([0-9]+h)?([0-9]+m)?([0-9]+s)?([0-9]+ms)?)$",
    "examples": ["100/s", "5/m", "1000/h", "10/15s"]
});

/// Whom a quota is counted for: `"address"`, `"principal"`, `"account"`, `"route"` or `"header:NAME"`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LimitKey {
    /// The client's address; of IPv6 its /64.
    Address,
    /// The API key.
    Principal,
    /// The account, with all its API keys.
    Account,
    /// All requests of a route together.
    Route,
    /// The value of a header.
    Header(HeaderName),
}

const LIMIT_KEY: &str = "`address`, `principal`, `account`, `route` or `header:NAME`";

impl FromStr for LimitKey {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let wrong = || Invalid::from(format!("expected {LIMIT_KEY}"));
        Ok(match text {
            "address" => Self::Address,
            "principal" => Self::Principal,
            "account" => Self::Account,
            "route" => Self::Route,
            other => {
                let name = other.strip_prefix("header:").ok_or_else(wrong)?;
                Self::Header(HeaderName::from_str(name).map_err(|_| wrong())?)
            }
        })
    }
}

impl fmt::Display for LimitKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address => f.write_str("address"),
            Self::Principal => f.write_str("principal"),
            Self::Account => f.write_str("account"),
            Self::Route => f.write_str("route"),
            Self::Header(name) => write!(f, "header:{name}"),
        }
    }
}

shown_as!(LimitKey, |key| key);
text_value!(LimitKey, "LimitKey", LIMIT_KEY, {
    "type": "string", "pattern": "^(address|principal|account|route|header:[0-9A-Za-z!#$%&'*+.^_`|~-]+)$",
    "examples": ["address", "principal", "header:x-organisation"]
});

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates() {
        for (text, interval_ns, burst) in [
            ("100/s", 10_000_000, 100),
            ("5/m", 12_000_000_000, 5),
            ("1000/h", 3_600_000_000, 1000),
            ("1/d", 86_400_000_000_000, 1),
            ("10/15s", 1_500_000_000, 10),
            ("3/1m30s", 30_000_000_000, 3),
            ("1000000000/s", 1, 1_000_000_000),
        ] {
            let rate = text.parse::<Rate>().unwrap_or_else(|error| panic!("{text}: {error}")).get();
            assert_eq!((rate.interval().as_nanos(), rate.burst().get()), (interval_ns, burst));
        }
        for text in [
            "",
            "100",
            "/s",
            "100/",
            "-1/s",
            "0/s",
            "1.5/s",
            "100 /s",
            "100/ s",
            "100/sec",
            "1/0s",
            "100/s/s",
            "ten/s",
            "4294967296/s",
            "4000000000/s",
            "+1/s",
        ] {
            assert!(text.parse::<Rate>().is_err(), "{text}");
        }
    }

    #[test]
    fn limit_keys() {
        for text in ["address", "principal", "account", "route", "header:x-org"] {
            assert_eq!(text.parse::<LimitKey>().map(|key| key.to_string()), Ok(text.to_owned()));
        }
        for text in ["", "Address", "ip", "header:", "header:a b", "header", "route "] {
            assert!(text.parse::<LimitKey>().is_err(), "{text}");
        }
    }
}
