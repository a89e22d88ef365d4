//! Keys that are known elsewhere: an own `KeyStore` that asks a service of yours, and remembers what it said for a moment.
//!
//! ```text
//! cargo run --example own_key_store --no-default-features --features auth
//! ```

#![allow(clippy::print_stdout, reason = "an example talks to its reader")]

use http::{Request, Response, header};
use std::{
    collections::HashMap,
    convert::Infallible,
    future::Future,
    pin::Pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};
use tollgate::{
    AuthLayer,
    auth::{Account, ApiKey, KeyDigest, KeyPrefix, KeyRecord, KeyStore, Principal, StoreError},
};
use tower::{BoxError, ServiceBuilder, ServiceExt};

/// For so long an answer is as good as a new one: a key that is revoked is good for as long at most.
const FRESH: Duration = Duration::from_secs(5);

/// Clones share what they remember.
#[derive(Clone, Default)]
struct Directory {
    known: Arc<Mutex<HashMap<KeyDigest, (Instant, Option<KeyRecord>)>>>,
    asked: Arc<AtomicUsize>,
}

impl Directory {
    /// A request to your service. It gets the digest: the key itself goes nowhere.
    async fn ask(
        self,
        digest: KeyDigest,
        good: KeyDigest,
    ) -> Result<Option<KeyRecord>, StoreError> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        // Here a timeout or a refused connection would be `Err(StoreError::new(error))`, which callers see as 503.
        let record = (digest == good).then(|| {
            let account = Arc::new(Account::new("acme"));
            KeyRecord::new(Principal::new(account, "key_1").with_plan("pro"))
        });
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.insert(digest, (Instant::now(), record.clone()));
        Ok(record)
    }
}

/// The store, and the one key that your service knows.
struct Store {
    directory: Directory,
    good: KeyDigest,
}

impl KeyStore for Store {
    type Lookup = Pin<Box<dyn Future<Output = Result<Option<KeyRecord>, StoreError>> + Send>>;

    fn lookup(&self, digest: &KeyDigest) -> Self::Lookup {
        let known = self.directory.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((at, record)) = known.get(digest)
            && at.elapsed() < FRESH
        {
            return Box::pin(std::future::ready(Ok(record.clone())));
        }
        drop(known);
        Box::pin(self.directory.clone().ask(*digest, self.good))
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), BoxError> {
    let key = ApiKey::generate(&KeyPrefix::default())?;
    let directory = Directory::default();
    let store = Store { directory: directory.clone(), good: KeyDigest::of(&key) };
    let service = ServiceBuilder::new().layer(AuthLayer::new(Arc::new(store))).service_fn(
        |request: Request<()>| async move {
            let caller = request.extensions().get::<Principal>().map(Principal::account);
            Ok::<_, Infallible>(Response::new(format!("hello {}", caller.unwrap_or("nobody"))))
        },
    );

    let mut statuses = Vec::new();
    for given in [key.expose(), key.expose(), "sk_somebody_else"] {
        let request = Request::builder().header(header::AUTHORIZATION, format!("Bearer {given}"));
        let response = service.clone().oneshot(request.body(())?).await?;
        println!("{}", response.status());
        statuses.push(response.status().as_u16());
    }
    println!("the directory was asked {} times", directory.asked.load(Ordering::Relaxed));
    assert_eq!(statuses, [200, 200, 401]);
    assert_eq!(directory.asked.load(Ordering::Relaxed), 2);
    Ok(())
}
