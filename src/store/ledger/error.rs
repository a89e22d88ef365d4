use crate::{
    charge::{Amount, HoldId},
    store::{KeyError, StoreError},
};
use std::{error::Error, fmt};

/// Why money is not moved, or a limit not set, as it was asked.
#[derive(Debug)]
pub(crate) enum BalanceError {
    Store(StoreError),
    Key(KeyError),
    NoSuchAccount(String),
    /// The key belongs to another account.
    KeyOfAnother {
        key: String,
        account: String,
    },
    /// The account has less than is to be taken.
    TooLittle {
        account: String,
        available: Amount,
        held: Amount,
        taken: Amount,
    },
    /// It would have more than can be counted.
    TooMuch {
        account: String,
        total: Amount,
    },
    NoSuchHold(HoldId),
}

impl<E: Into<StoreError>> From<E> for BalanceError {
    fn from(error: E) -> Self {
        Self::Store(error.into())
    }
}

impl From<KeyError> for BalanceError {
    fn from(error: KeyError) -> Self {
        match error {
            KeyError::Store(error) => Self::Store(error),
            error => Self::Key(error),
        }
    }
}

impl fmt::Display for BalanceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Store(error) => error.fmt(f),
            Self::Key(error) => error.fmt(f),
            Self::NoSuchAccount(name) => write!(f, "there is no account {name}"),
            Self::KeyOfAnother { key, account } => write!(f, "the key {key} belongs to {account}"),
            Self::TooLittle { account, available, held, taken } => {
                write!(
                    f,
                    "{account} has a balance of {available}, {taken} cannot be taken from it"
                )?;
                match held.is_positive() {
                    true => write!(f, "; {held} more are held until that is settled or released"),
                    false => Ok(()),
                }
            }
            Self::TooMuch { account, total } => {
                let most = Amount::from_micros(i64::MAX);
                write!(
                    f,
                    "{account} has {total}, with that it would be more than {most}, which is all that can be counted"
                )
            }
            Self::NoSuchHold(id) => write!(f, "there is no hold {id}"),
        }
    }
}

impl Error for BalanceError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Store(error) => error.source(),
            Self::Key(error) => error.source(),
            _ => None,
        }
    }
}
