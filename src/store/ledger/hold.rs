use super::text::{as_text, millisecond, millisecond_if_any};
use crate::charge::{Amount, End, Ended, HoldId};
use jiff::Timestamp;
use serde::Serialize;
use std::{str::FromStr, time::Duration};

/// What is noted where a hold was ended because its time limit had come.
pub(in crate::store) const TIME_LIMIT: &str = "time limit";

/// When a time is over, in Unix milliseconds. One without end may be beyond every timestamp.
pub(in crate::store) fn limit_at(now: Timestamp, after: Duration) -> i64 {
    now.as_millisecond().saturating_add(i64::try_from(after.as_millis()).unwrap_or(i64::MAX))
}

/// The same, as it is shown.
pub(in crate::store) fn limit(milliseconds: i64) -> Timestamp {
    Timestamp::from_millisecond(milliseconds).unwrap_or(Timestamp::MAX)
}

/// How far a hold is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum HoldState {
    Open,
    /// How the work ended is not known.
    Pending,
    Settled,
    Released,
}

impl HoldState {
    pub(crate) const ALL: [Self; 4] = [Self::Open, Self::Pending, Self::Settled, Self::Released];

    /// As it is written.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Pending => "pending",
            Self::Settled => "settled",
            Self::Released => "released",
        }
    }

    pub(crate) const fn is_ended(self) -> bool {
        matches!(self, Self::Settled | Self::Released)
    }

    /// What a hold that has not ended is after this.
    pub(in crate::store) const fn after(end: End) -> Self {
        match end {
            End::Settle => Self::Settled,
            End::Release => Self::Released,
            End::Pend => Self::Pending,
        }
    }

    /// What is answered of it.
    pub(in crate::store) const fn ended(self) -> Ended {
        match self {
            Self::Open | Self::Pending => Ended::Pending,
            Self::Settled => Ended::Settled,
            Self::Released => Ended::Released,
        }
    }
}

impl FromStr for HoldState {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.into_iter().find(|state| state.as_str() == text);
        found.ok_or("expected open, pending, settled or released")
    }
}

/// A hold as it is stored.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct StoredHold {
    #[serde(serialize_with = "as_text")]
    pub(crate) id: HoldId,
    pub(crate) account: String,
    pub(crate) key: String,
    #[serde(serialize_with = "as_text")]
    pub(crate) amount: Amount,
    pub(crate) item: Option<String>,
    pub(crate) request: Option<String>,
    pub(crate) state: HoldState,
    #[serde(serialize_with = "millisecond")]
    pub(crate) created_at: Timestamp,
    /// When it ends if nobody ends it before.
    #[serde(serialize_with = "millisecond")]
    pub(crate) limit_at: Timestamp,
    /// How it ends then.
    pub(crate) at_limit: String,
    #[serde(serialize_with = "millisecond_if_any")]
    pub(crate) ended_at: Option<Timestamp>,
}

/// Which holds are wanted.
#[derive(Clone, Debug)]
pub(crate) struct HoldFilter {
    pub(crate) account: Option<String>,
    pub(crate) states: HoldStates,
}

/// In which states.
#[derive(Clone, Copy, Debug)]
pub(crate) enum HoldStates {
    All,
    /// Those that have not ended.
    Live,
    Only(HoldState),
}
