use crate::json::Document;
use std::{ops::Deref, sync::Arc};

/// The body of a request, as [`Validate`](super::Validate) has read it. Rides in the request's extensions, so that
/// nobody further in parses it again; it is what the caller sent, before any edits.
#[derive(Clone, Debug)]
pub struct ParsedBody(pub(super) Arc<Document>);

#[cfg(feature = "standalone")]
impl ParsedBody {
    /// That of a request of our own.
    pub(crate) fn new(document: Document) -> Self {
        Self(Arc::new(document))
    }
}

impl Deref for ParsedBody {
    type Target = Document;

    fn deref(&self) -> &Document {
        &self.0
    }
}

/// The parameters that a router has found in the path, still percent-encoded. Rides in the request's extensions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PathParameters(Vec<(Box<str>, Box<str>)>);

impl PathParameters {
    /// Names and values.
    pub fn new<N, V>(parameters: impl IntoIterator<Item = (N, V)>) -> Self
    where
        N: Into<Box<str>>,
        V: Into<Box<str>>,
    {
        Self(parameters.into_iter().map(|(name, value)| (name.into(), value.into())).collect())
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (&**name, &**value))
    }
}
