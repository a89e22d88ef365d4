//! Money that is kept elsewhere: an own `Ledger`, here one that lets accounts go into debt up to a line of credit.
//!
//! ```text
//! cargo run --example own_ledger --no-default-features --features charge
//! ```

#![allow(clippy::print_stdout, reason = "an example talks to its reader")]

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use std::{
    collections::HashMap,
    convert::Infallible,
    future::{Ready, ready},
    sync::{Arc, Mutex, PoisonError},
};
use tollgate::{
    ChargeLayer,
    auth::{Account, Principal},
    charge::{Amount, End, Ended, HoldId, Ledger, LedgerError, NewHold, Price, Reservation},
};
use tower::{BoxError, ServiceBuilder, ServiceExt};

/// As much as an account may owe.
const CREDIT: Amount = Amount::from_micros(25_000);

/// Clones are the same books.
#[derive(Clone, Default)]
struct OnAccount(Arc<Mutex<Books>>);

#[derive(Default)]
struct Books {
    /// What each account owes, what is reserved included.
    debts: HashMap<String, Amount>,
    /// Whose each hold is, how much, and what became of it.
    holds: HashMap<HoldId, (String, Amount, Ended)>,
}

impl Books {
    fn hold(&mut self, new: &NewHold) -> Reservation {
        // Whoever has not heard the answer asks again: that is the same hold.
        if let Some((.., ended)) = self.holds.get(&new.id) {
            return if *ended == Ended::Pending { Reservation::Held } else { Reservation::Ended };
        }
        let account = new.principal.account().to_owned();
        let debt = self.debts.entry(account.clone()).or_default();
        let after = Amount::from_micros(debt.micros().saturating_add(new.amount.micros()));
        if after > CREDIT {
            return Reservation::InsufficientBalance;
        }
        *debt = after;
        self.holds.insert(new.id, (account, new.amount, Ended::Pending));
        Reservation::Held
    }

    fn end(&mut self, id: HoldId, end: End) -> Ended {
        let Some((account, amount, ended)) = self.holds.get_mut(&id) else {
            return Ended::Unknown;
        };
        // It ends once, whoever asks and how often.
        if *ended == Ended::Pending {
            match end {
                End::Settle => *ended = Ended::Settled,
                End::Release => {
                    *ended = Ended::Released;
                    let debt = self.debts.entry(account.clone()).or_default();
                    *debt = Amount::from_micros(debt.micros() - amount.micros());
                }
                // How the work ended is not known yet.
                _ => {}
            }
        }
        *ended
    }
}

/// A ledger in a database boxes its futures instead; each operation has to begin when it is called.
impl Ledger for OnAccount {
    type Holding = Ready<Result<Reservation, LedgerError>>;
    type Ending = Ready<Result<Ended, LedgerError>>;

    fn hold(&self, hold: NewHold) -> Self::Holding {
        ready(Ok(self.0.lock().unwrap_or_else(PoisonError::into_inner).hold(&hold)))
    }

    fn end(&self, id: HoldId, end: End) -> Self::Ending {
        ready(Ok(self.0.lock().unwrap_or_else(PoisonError::into_inner).end(id, end)))
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), BoxError> {
    let ledger = OnAccount::default();
    let service = ServiceBuilder::new()
        .layer(ChargeLayer::new(ledger.clone(), Price::fixed("0.010".parse()?)))
        .service_fn(|request: Request<()>| async move {
            let mut answer = Response::new(Full::<Bytes>::from("a cat"));
            if request.uri().path() == "/fails" {
                *answer.status_mut() = StatusCode::BAD_GATEWAY;
            }
            Ok::<_, Infallible>(answer)
        });

    let acme = Arc::new(Account::new("acme"));
    let mut statuses = Vec::new();
    for path in ["/", "/fails", "/", "/"] {
        let principal = Principal::new(acme.clone(), "key_1");
        let request = Request::builder().uri(path).extension(principal).body(())?;
        let response = service.clone().oneshot(request).await?;
        statuses.push(response.status().as_u16());
        // What is paid for is paid for when it is read to its end.
        response.into_body().collect().await?;
    }
    let debts = ledger.0.lock().unwrap_or_else(PoisonError::into_inner).debts.clone();
    println!("{statuses:?}, and acme owes {}", debts["acme"]);
    assert_eq!(statuses, [200, 502, 200, 402]);
    assert_eq!(debts["acme"], "0.020".parse()?);
    Ok(())
}
