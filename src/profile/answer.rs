use super::content::Content;
use crate::json::Value;
use http::{HeaderMap, StatusCode, header};

/// An answer of a provider, as far as it was read: the evidence.
#[derive(Clone, Copy, Debug)]
pub struct Answer<'a> {
    pub(super) status: StatusCode,
    pub(super) headers: &'a HeaderMap,
    pub(super) content: &'a Content,
    /// The name of the event, for an event of a stream.
    pub(super) event: Option<&'a str>,
}

impl<'a> Answer<'a> {
    /// An answer with what was read of its body.
    pub const fn new(status: StatusCode, headers: &'a HeaderMap, content: &'a Content) -> Self {
        Self { status, headers, content, event: None }
    }

    /// One event of an answer that is a stream, by its name (`message` where it has none), in place of the whole body.
    #[must_use]
    pub const fn of_event(mut self, name: &'a str) -> Self {
        self.event = Some(name);
        self
    }

    pub(super) fn root(&self) -> Option<Value<'a>> {
        match self.content {
            Content::Json(document) => Some(document.root()),
            _ => None,
        }
    }

    pub(super) fn text(&self) -> Option<&'a str> {
        match self.content {
            Content::Text(text) => Some(text),
            _ => None,
        }
    }

    /// `type/subtype` of the content, without parameters.
    pub(crate) fn media_type(&self) -> Option<&'a str> {
        let line = self.headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
        line.split(';').next().map(str::trim)
    }
}
