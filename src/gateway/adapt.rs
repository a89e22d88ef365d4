//! What one endpoint wants otherwise than the others of its upstream: another path, other names in a body.

use super::provider::UploadBody;
use crate::{
    Fault, config, edit::Edits, json::Pointer, route::Rewrite, upstream::ReplayBody,
    validate::ValidatedBody,
};
use bytes::Bytes;
use http::Request;
use http_body::Body as _;
use std::sync::Arc;

/// The changes of one endpoint, by the path that a request has.
#[derive(Clone, Debug, Default)]
pub(super) struct Adapt {
    paths: matchit::Router<Change>,
    edits_bodies: bool,
}

#[derive(Clone, Debug)]
struct Change {
    rewrite: Option<Rewrite>,
    edits: Edits,
}

/// The text of a body that was read, for endpoints that want another one. Rides in the request's extensions.
#[derive(Clone, Debug)]
pub(super) struct Editable {
    pub(super) text: Bytes,
    /// What the gateway puts in the place of what the caller has sent; it comes first.
    pub(super) ours: Edits,
    /// Those of the route.
    pub(super) edits: Arc<Edits>,
}

impl Adapt {
    /// Of paths that contradict each other the first counts; the configuration has been checked.
    pub(super) fn new(configured: &[config::Adapt]) -> Self {
        let mut adapt = Self::default();
        for config::Adapt { path, rewrite, edits, .. } in configured {
            let rewrite = rewrite.clone().map(Rewrite::new);
            let change = Change { rewrite, edits: edits.clone() };
            adapt.edits_bodies |= !edits.is_empty();
            let _ = adapt.paths.insert(path.as_str(), change);
        }
        adapt
    }

    /// Whether it wants to see bodies.
    pub(super) fn edits_bodies(&self) -> bool {
        self.edits_bodies
    }

    /// The request, as this endpoint wants it.
    pub(super) fn apply(
        &self,
        request: Request<ReplayBody<UploadBody>>,
    ) -> Result<Request<ReplayBody<UploadBody>>, Fault> {
        let (mut parts, mut body) = request.into_parts();
        let editable = parts.extensions.remove::<Editable>();
        let path = parts.uri.clone();
        if let Ok(found) = self.paths.at(path.path()) {
            let Change { rewrite, edits } = found.value;
            if let Some(rewrite) = rewrite {
                parts.uri = rewrite.apply(&path, &found.params)?;
            }
            match editable {
                _ if edits.is_empty() || body.is_end_stream() => {}
                Some(editable) => {
                    let pieces = editable.with(edits)?;
                    body = ReplayBody::once(ValidatedBody::in_place_of(&mut parts, pieces));
                }
                // It would get what it does not understand. The configuration has been checked as far as paths can be foreseen.
                None => return Err(Fault::Internal),
            }
        }
        Ok(Request::from_parts(parts, body))
    }
}

impl Editable {
    /// Puts something in the place of what the caller has sent.
    pub(super) fn put(&mut self, at: Pointer, text: &str) -> Result<(), Fault> {
        let ours = std::mem::take(&mut self.ours);
        self.ours = ours.set(at, text.into()).map_err(|_| Fault::Internal)?;
        Ok(())
    }

    /// The request with what was put into it.
    pub(super) fn in_place_of(
        &self,
        request: Request<UploadBody>,
    ) -> Result<Request<UploadBody>, Fault> {
        let edits = [&self.ours, &*self.edits];
        let pieces = Edits::apply_all(edits, &self.text).map_err(|_| Fault::Internal)?;
        let (mut parts, _) = request.into_parts();
        let body = ValidatedBody::in_place_of(&mut parts, pieces);
        Ok(Request::from_parts(parts, body))
    }

    /// The body with the edits of the route and these.
    fn with(&self, edits: &Edits) -> Result<Vec<Bytes>, Fault> {
        // What cannot be edited was refused when it was read.
        let edits = [&self.ours, &*self.edits, edits];
        Edits::apply_all(edits, &self.text).map_err(|_| Fault::Internal)
    }
}
