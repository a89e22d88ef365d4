use super::{NewTask, Recorded, Task, TaskStore, id::LONGEST};
use crate::{
    charge::{End, Ended, HoldId, Ledger, LedgerError},
    profile::WorkState,
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use chacha20poly1305::{
    KeyInit, XChaCha20Poly1305, XNonce,
    aead::{Aead, Payload},
};
use sha2::{Digest, Sha256};
use std::{
    fmt,
    future::{Future, Ready, ready},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::{Duration, SystemTime, UNIX_EPOCH},
};
use zeroize::Zeroizing;

/// What every sealed id begins with.
const PREFIX: &str = "task_";
const NONCE: usize = 24;
const VERSION: u8 = 1;

/// Tasks that nobody has to remember: all that is known of one is in the id that the caller has, sealed so that nobody can read or change it.
/// For several processes that share no store.
///
/// The caller's id is the provider's with owner, endpoint, hold and time, under an authenticated cipher (XChaCha20-Poly1305). The first key
/// seals, and all of them open. To change it, put the new one behind the old one everywhere, then before it, and take the old one out when the
/// last of its ids is over. Holds are in the ledger: a process that does not have them in its own cannot show a result that is to be paid for.
#[derive(Clone)]
pub struct SealedTasks<L> {
    ledger: L,
    keys: Arc<[XChaCha20Poly1305]>,
}

/// Keys that nothing can be sealed with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidSealKeys;

impl fmt::Display for InvalidSealKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("expected at least one secret, each of 32 characters or more")
    }
}

impl std::error::Error for InvalidSealKeys {}

/// What is in an id.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Inside {
    /// Unix milliseconds.
    forget_at: u64,
    hold: Option<HoldId>,
    account: Box<str>,
    endpoint: Arc<str>,
    id: Box<str>,
}

impl<L> SealedTasks<L> {
    /// Under these secrets, and with holds in this ledger.
    ///
    /// # Errors
    ///
    /// If there is none, or one is too short to be a secret.
    pub fn new<'k>(
        ledger: L,
        secrets: impl IntoIterator<Item = &'k str>,
    ) -> Result<Self, InvalidSealKeys> {
        let cipher = |secret: &str| {
            let digest = Sha256::new().chain_update("tollgate task ids\0").chain_update(secret);
            let key = Zeroizing::new(<[u8; 32]>::from(digest.finalize()));
            (secret.len() >= 32).then(|| XChaCha20Poly1305::new((&*key).into()))
        };
        let keys: Option<Arc<[_]>> = secrets.into_iter().map(cipher).collect();
        match keys {
            Some(keys) if !keys.is_empty() => Ok(Self { ledger, keys }),
            _ => Err(InvalidSealKeys),
        }
    }

    /// The same keys, with holds in another ledger.
    #[must_use]
    pub fn ledger<M>(self, ledger: M) -> SealedTasks<M> {
        SealedTasks { ledger, keys: self.keys }
    }

    fn seal(&self, scope: &str, inside: &Inside) -> Option<String> {
        let mut nonce = [0; NONCE];
        getrandom::fill(&mut nonce).ok()?;
        let text = inside.write()?;
        let payload = Payload { msg: &text, aad: scope.as_bytes() };
        let sealed = self.keys.first()?.encrypt(&XNonce::from(nonce), payload).ok()?;
        let mut bytes = Vec::with_capacity(1 + NONCE + sealed.len());
        bytes.push(VERSION);
        bytes.extend_from_slice(&nonce);
        bytes.extend_from_slice(&sealed);
        Some(format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes)))
    }

    fn open(&self, scope: &str, id: &str) -> Option<Inside> {
        let bytes = URL_SAFE_NO_PAD.decode(id.strip_prefix(PREFIX)?).ok()?;
        let (&version, rest) = bytes.split_first()?;
        let (nonce, sealed) = rest.split_first_chunk::<NONCE>()?;
        if version != VERSION {
            return None;
        }
        let nonce = XNonce::from(*nonce);
        let payload = || Payload { msg: sealed, aad: scope.as_bytes() };
        let text = self.keys.iter().find_map(|key| key.decrypt(&nonce, payload()).ok())?;
        Inside::read(&text)
    }
}

fn now() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    u64::try_from(now.as_millis()).unwrap_or(u64::MAX)
}

impl Inside {
    fn write(&self) -> Option<Vec<u8>> {
        let mut text = self.forget_at.to_be_bytes().to_vec();
        match &self.hold {
            Some(hold) => {
                text.push(1);
                text.extend_from_slice(hold.as_bytes());
            }
            None => text.push(0),
        }
        for part in [&*self.account, &*self.endpoint] {
            text.extend_from_slice(&u16::try_from(part.len()).ok()?.to_be_bytes());
            text.extend_from_slice(part.as_bytes());
        }
        text.extend_from_slice(self.id.as_bytes());
        Some(text)
    }

    fn read(text: &[u8]) -> Option<Self> {
        let (forget_at, rest) = text.split_first_chunk::<8>()?;
        let (hold, rest) = match rest.split_first()? {
            (0, rest) => (None, rest),
            (1, rest) => {
                let (hold, rest) = rest.split_first_chunk::<16>()?;
                (Some(HoldId::from_bytes(*hold)), rest)
            }
            _ => return None,
        };
        let (account, rest) = part(rest)?;
        let (endpoint, id) = part(rest)?;
        Some(Self {
            forget_at: u64::from_be_bytes(*forget_at),
            hold,
            account: account.into(),
            endpoint: endpoint.into(),
            id: str::from_utf8(id).ok()?.into(),
        })
    }
}

/// A text with its length before it.
fn part(text: &[u8]) -> Option<(&str, &[u8])> {
    let (length, rest) = text.split_first_chunk::<2>()?;
    let (part, rest) = rest.split_at_checked(u16::from_be_bytes(*length).into())?;
    Some((str::from_utf8(part).ok()?, rest))
}

impl<L: Ledger> TaskStore for SealedTasks<L> {
    type Recording = Ready<Result<Recorded, LedgerError>>;
    type Finding = Ready<Result<Option<Task>, LedgerError>>;
    type Ending = Ending<L::Ending>;

    fn record(&self, task: NewTask) -> Self::Recording {
        let retention = u64::try_from(task.retention.as_millis()).unwrap_or(u64::MAX);
        let inside = Inside {
            forget_at: now().saturating_add(retention),
            hold: task.hold,
            account: task.principal.account().into(),
            endpoint: task.endpoint,
            id: task.id,
        };
        let sealed = self.seal(&task.scope, &inside);
        ready(match sealed {
            // One that is longer could not be asked about.
            Some(id) if id.len() <= LONGEST => Ok(Recorded::As(id.into())),
            _ => Err(LedgerError::new("an id cannot be sealed")),
        })
    }

    fn find(&self, scope: &Arc<str>, id: &str) -> Self::Finding {
        let inside = self.open(scope, id).filter(|inside| inside.forget_at > now());
        ready(Ok(inside.map(|inside| Task {
            account: inside.account,
            endpoint: inside.endpoint,
            state: WorkState::Running,
            is_paid: inside.hold.is_some(),
            provider_id: Some(inside.id),
        })))
    }

    fn end(&self, scope: &Arc<str>, id: &str, state: WorkState) -> Self::Ending {
        let end = match state {
            WorkState::Succeeded => Some(End::Settle),
            WorkState::Failed => Some(End::Release),
            WorkState::Running => None,
        };
        // Also when its time is over: whoever asks may have asked before that.
        Ending(match self.open(scope, id).map(|inside| inside.hold.zip(end)) {
            Some(Some((hold, end))) => Asked::Ledger(self.ledger.end(hold, end)),
            Some(None) => Asked::Nothing(None),
            None => Asked::Nothing(Some(Ended::Unknown)),
        })
    }
}

/// Waits for the ledger, if there is anything to be ended.
#[derive(Debug)]
pub struct Ending<F>(Asked<F>);

#[derive(Debug)]
enum Asked<F> {
    Ledger(F),
    Nothing(Option<Ended>),
}

impl<F> Future for Ending<F>
where
    F: Future<Output = Result<Ended, LedgerError>> + Unpin,
{
    type Output = Result<Option<Ended>, LedgerError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.0 {
            Asked::Ledger(ending) => Pin::new(ending).poll(cx).map_ok(Some),
            Asked::Nothing(ended) => Poll::Ready(Ok(*ended)),
        }
    }
}

impl<L> fmt::Debug for SealedTasks<L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SealedTasks").field("keys", &self.keys.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        auth::{Account, Principal},
        charge::{Amount, MemoryLedger},
    };

    const OLD: &str = "an old secret of more than 32 characters";
    const NEW: &str = "a new secret, of more than 32 characters";

    fn tasks(keys: &[&str]) -> SealedTasks<MemoryLedger> {
        SealedTasks::new(MemoryLedger::new(), keys.iter().copied()).unwrap()
    }

    async fn made(tasks: &SealedTasks<MemoryLedger>, retention: Duration) -> String {
        let new = NewTask {
            scope: "images".into(),
            id: "gen_1".into(),
            principal: Principal::new(Arc::new(Account::new("acme")), "k1"),
            endpoint: "primary".into(),
            hold: None,
            amount: Amount::ZERO,
            item: None,
            retention,
            callback: None,
        };
        match tasks.record(new).await.unwrap() {
            Recorded::As(id) => id.into(),
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test]
    async fn what_is_sealed_is_opened_by_those_who_have_the_key() {
        let hour = Duration::from_secs(3600);
        let images: Arc<str> = "images".into();
        let old = tasks(&[OLD]);
        let id = made(&old, hour).await;
        assert!(id.starts_with("task_") && id.len() < 160, "{id}");
        assert!(id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte)));
        let found = old.find(&images, &id).await.unwrap().unwrap();
        assert_eq!((&*found.account, &*found.endpoint), ("acme", "primary"));
        assert_eq!(found.provider_id.as_deref(), Some("gen_1"));
        // Keys change in two steps, and no id is lost.
        let both = tasks(&[NEW, OLD]);
        assert!(both.find(&images, &id).await.unwrap().is_some());
        let newer = made(&both, hour).await;
        assert!(old.find(&images, &newer).await.unwrap().is_none());
        assert!(tasks(&[NEW]).find(&images, &newer).await.unwrap().is_some());
        // No two are the same.
        assert_ne!(made(&old, hour).await, made(&old, hour).await);
        // Of another upstream, over, changed in any place, or something else.
        assert!(old.find(&"videos".into(), &id).await.unwrap().is_none());
        let over = made(&old, Duration::ZERO).await;
        assert!(old.find(&images, &over).await.unwrap().is_none());
        // Whoever asked in time may hear the answer when it is over.
        assert_eq!(old.end(&images, &over, WorkState::Succeeded).await.unwrap(), None);
        let unknown = old.end(&images, "task_AAAA", WorkState::Succeeded).await.unwrap();
        assert_eq!(unknown, Some(Ended::Unknown));
        let bytes = URL_SAFE_NO_PAD.decode(&id[PREFIX.len()..]).unwrap();
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            let changed = format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(changed));
            assert!(old.find(&images, &changed).await.unwrap().is_none(), "byte {at}");
        }
        for other in ["", "task_", "gen_1", &id[..id.len() - 4], &format!("{id}AAAA")] {
            assert!(old.find(&images, other).await.unwrap().is_none(), "{other}");
        }
    }

    #[test]
    fn secrets_that_are_none() {
        assert!(SealedTasks::new((), []).is_err());
        assert!(SealedTasks::new((), ["short"]).is_err());
        assert!(SealedTasks::new((), [NEW, "short"]).is_err());
    }

    #[test]
    fn what_is_written_is_read() {
        for hold in [None, Some(HoldId::new())] {
            let inside = Inside {
                forget_at: 7,
                hold,
                account: "ü".into(),
                endpoint: "".into(),
                id: "gen/1".into(),
            };
            let text = inside.write().unwrap();
            assert_eq!(Inside::read(&text), Some(inside));
            for end in 0..9 {
                assert_eq!(Inside::read(&text[..end]), None);
            }
        }
    }
}
