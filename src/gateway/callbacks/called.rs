//! Where providers call.

use super::{Callbacks, message};
use crate::{
    Fault,
    gateway::provider::UploadBody,
    normalize::rescue,
    store::ledger::{Hinted, Message, StoreLedger},
    tasks::CallbackId,
    validate::PathParameters,
};
use bytes::Bytes;
use http::{HeaderValue, Request, Response, header};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// A provider may call before it is written down whose task it is: how often, and how long in between, that is waited for.
const LOOKS: u32 = 10;
const BETWEEN_LOOKS: Duration = Duration::from_millis(200);
/// The same when it has had its answer. After this time nobody will write it down any more.
const IN_TIME: Duration = Duration::from_secs(120);
const BETWEEN_LATE_LOOKS: Duration = Duration::from_secs(1);
/// So many of those are waited for, in each process.
pub(super) const MOST_EARLY: usize = 64;

/// Where providers call.
#[derive(Clone, Debug)]
pub(in crate::gateway) struct Called {
    pub(in crate::gateway) callbacks: Callbacks,
    pub(in crate::gateway) ledger: StoreLedger,
}

impl Called {
    /// Takes a provider's call as a hint that there is something to see. Where the result can be asked for, what it says is not looked at:
    /// anybody may have said it who has seen the URL.
    pub(in crate::gateway) async fn answer(
        self,
        request: Request<UploadBody>,
    ) -> Result<Response<Bytes>, Fault> {
        let parameters = request.extensions().get::<PathParameters>();
        let token = parameters.and_then(|parameters| parameters.iter().last());
        let id = token.and_then(|(_, token)| self.callbacks.secrets.open(token));
        // Whoever has none of ours learns nothing of what is here.
        let id = id.ok_or(Fault::NoRoute)?;
        let said = match self.callbacks.listens {
            true => Some(self.said(request).await?),
            false => None,
        };
        // What is old was written down long ago, or is forgotten.
        let looks = if id.age() < IN_TIME { LOOKS } else { 1 };
        for look in 0..looks {
            if look > 0 {
                sleep(BETWEEN_LOOKS).await;
            }
            if self.hint(id, said.clone()).await? == Hinted::Known {
                let mut answer = Response::new(Bytes::new());
                answer.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(0));
                return Ok(answer);
            }
        }
        // One that calls before it answers waits for us, as we do for its answer; it may not call again.
        if id.age() < IN_TIME {
            self.hint_later(id, said);
            return Err(Fault::Overloaded);
        }
        Err(Fault::NoRoute)
    }

    async fn hint(&self, id: CallbackId, said: Option<Message>) -> Result<Hinted, Fault> {
        let hinted = self.ledger.hint(id, said).await.map_err(|error| {
            error.log("callbacks");
            Fault::StoreUnavailable
        })?;
        if hinted == Hinted::Known {
            self.callbacks.wake.notify_one();
        }
        Ok(hinted)
    }

    /// Goes on looking for whose task it is. What is known of it is in memory: a process that is killed forgets it.
    fn hint_later(self, id: CallbackId, said: Option<Message>) {
        let Ok(place) = self.callbacks.early.clone().try_acquire_owned() else { return };
        tokio::spawn(async move {
            let _place = place;
            let began = Instant::now();
            while began.elapsed() < IN_TIME {
                sleep(BETWEEN_LATE_LOOKS).await;
                if !matches!(self.hint(id, said.clone()).await, Ok(Hinted::Unknown)) {
                    return;
                }
            }
        });
    }

    /// The whole of what the provider says.
    async fn said(&self, request: Request<UploadBody>) -> Result<Message, Fault> {
        let max_bytes = self.callbacks.max_bytes;
        let (parts, body) = request.into_parts();
        // It is kept as it is, and its coding is not.
        if parts.headers.contains_key(header::CONTENT_ENCODING) {
            let expected = "a body without a Content-Encoding".into();
            return Err(Fault::UnsupportedMediaType { expected });
        }
        let too_large = || Fault::BodyTooLarge { limit: Some(max_bytes as u64) };
        match Limited::new(body, max_bytes).collect().await {
            Ok(body) => Ok(message(&parts.headers, &body.to_bytes())),
            Err(error) if error.is::<LengthLimitError>() => Err(too_large()),
            Err(error) => Err(rescue(&*error)),
        }
    }
}
