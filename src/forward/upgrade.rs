//! A connection that becomes something else, such as a WebSocket: bytes both ways until one side ends.

use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use std::{any::Any, fmt, sync::Arc};
use tokio::io::copy_bidirectional;

/// Something that lives for as long as the connection that a request came on, whatever that becomes.
///
/// A server that counts its connections, or waits for them to end, puts one into the extensions of a request that
/// may be upgraded: its own part in the connection ends with the `101`.
#[derive(Clone)]
pub struct Hold {
    _held: Arc<dyn Any + Send + Sync>,
}

impl Hold {
    /// Holds this until the last clone is dropped.
    pub fn new(held: impl Any + Send + Sync) -> Self {
        Self { _held: Arc::new(held) }
    }
}

impl fmt::Debug for Hold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hold")
    }
}

/// Passes bytes between the two sides, once both have switched.
///
/// Runs in the background: the answer `101` has to leave before the client's side can switch.
pub(super) fn splice(client: OnUpgrade, provider: OnUpgrade, hold: Option<Hold>) {
    tokio::spawn(async move {
        let _hold = hold;
        let (client, provider) = match tokio::try_join!(client, provider) {
            Ok(both) => both,
            Err(error) => {
                tracing::debug!(%error, "an upgrade did not come about");
                return;
            }
        };
        let (mut client, mut provider) = (TokioIo::new(client), TokioIo::new(provider));
        // Either side may end it in any way it likes; there is nobody left to tell.
        let _ = copy_bidirectional(&mut client, &mut provider).await;
    });
}
