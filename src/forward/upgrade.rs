//! A connection that becomes something else, such as a WebSocket: bytes both ways until one side ends.

use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::io::copy_bidirectional;

/// Passes bytes between the two sides, once both have switched.
///
/// Runs in the background: the answer `101` has to leave before the client's side can switch.
pub(super) fn splice(client: OnUpgrade, provider: OnUpgrade) {
    tokio::spawn(async move {
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
