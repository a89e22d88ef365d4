use super::{
    ParsedBody, PathParameters, ValidatedBody,
    body::Pieces,
    collect::{Arrived, too_large},
    decoding::Decoding,
    parameters,
};
use crate::{
    Catalog, Fault,
    buffer::Budget,
    decode::Decoder,
    digest_fields,
    edit::Edits,
    envelope::Context,
    fault::Violation,
    json::{self, Document, Kind, ParseError, Syntax, Value},
    media_type::{is_json, mentions_json},
    request_id,
    schema::Schema,
};
use bytes::Bytes;
use http::{
    HeaderMap, HeaderValue, Method, Response, Uri, header, request::Parts, uri::PathAndQuery,
};
use http_body::SizeHint;
use std::{sync::Arc, time::Duration};

/// The most violations of one request that are listed.
const MOST: usize = 20;
/// The parameter with which a caller asks for all violations.
const ALL: &str = "all";

/// What becomes of compressed bodies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum ContentEncoding {
    /// They are refused as an unsupported media type: not every provider takes them.
    #[default]
    Refuse,
    /// gzip, br, zstd and deflate are decoded for the check, up to this number of bytes; what goes on is what came. A
    /// body with several codings, one in the other, is refused all the same.
    Decode {
        /// The most bytes after decoding.
        max_bytes: usize,
    },
}

/// How many violations an answer names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Report {
    /// The first one.
    #[default]
    First,
    /// The first one, and a list of up to 20 as `details`.
    All,
    /// All, for a request whose query has the word `all`, which is taken out of it: `?all`.
    OnRequest,
}

/// What is decided, without a service.
#[derive(Clone, Debug)]
pub(super) struct Policy {
    pub(super) catalog: Arc<Catalog>,
    pub(super) schema: Option<Arc<Schema>>,
    pub(super) parameters: Option<Arc<Schema>>,
    pub(super) edits: Arc<Edits>,
    /// Whether somebody is going to edit bodies, here or further in.
    pub(super) editable: bool,
    pub(super) syntax: Syntax,
    pub(super) content_encoding: ContentEncoding,
    pub(super) report: Report,
    pub(super) max_bytes: usize,
    pub(super) timeout: Duration,
    pub(super) budget: Budget,
}

/// A body that has to be read, and how.
#[derive(Debug)]
pub(super) struct Expected {
    /// Its length, where the client says it.
    pub(super) declared: Option<usize>,
    /// Where it has a coding.
    pub(super) decoding: Option<Decoding>,
    /// How many violations to name.
    pub(super) most: usize,
}

impl Policy {
    /// Looks at all but the body. `None`: the body is nobody's concern.
    pub(super) fn receive(
        &self,
        parts: &mut Parts,
        size: SizeHint,
    ) -> Result<Option<Expected>, Fault> {
        let checks = self.schema.is_some() || self.parameters.is_some();
        // Where nothing is checked the word is not ours.
        let most = if checks && self.wants_all(&mut parts.uri)? { MOST } else { 1 };
        self.check_parameters(parts, most)?;
        if self.schema.is_none() && self.edits.is_empty() {
            return Ok(None);
        }
        let declared = match size.upper() {
            None => content_length(&parts.headers),
            Some(_) => size.exact(),
        };
        if size.lower().max(declared.unwrap_or(0)) > self.max_bytes as u64 {
            return Err(too_large(self.max_bytes));
        }
        if size.exact() == Some(0) {
            return Err(Fault::InvalidJson { detail: "it is empty".into() });
        }
        if !is_json(&parts.headers) {
            let expected = match mentions_json(&parts.headers) {
                true => "application/json in UTF-8, once",
                false => "application/json",
            };
            return Err(Fault::UnsupportedMediaType { expected: expected.into() });
        }
        let declared = declared.and_then(|length| usize::try_from(length).ok());
        Ok(Some(Expected { declared, decoding: self.decoding(parts)?, most }))
    }

    fn decoding(&self, parts: &Parts) -> Result<Option<Decoding>, Fault> {
        match (Decoder::of(&parts.headers), self.content_encoding) {
            (Ok(None), _) => Ok(None),
            (Ok(Some(decoder)), ContentEncoding::Decode { max_bytes })
                if decoder.codings() == 1 =>
            {
                Ok(Some(Decoding::new(decoder, max_bytes, &self.budget)))
            }
            (_, ContentEncoding::Decode { .. }) => Err(Fault::UnsupportedMediaType {
                expected: "one of gzip, br, zstd, deflate".into(),
            }),
            (_, ContentEncoding::Refuse) => Err(Fault::UnsupportedMediaType {
                expected: "application/json without a Content-Encoding".into(),
            }),
        }
    }

    /// Whether all violations are to be named; the word that asks for it does not go on.
    fn wants_all(&self, uri: &mut Uri) -> Result<bool, Fault> {
        match self.report {
            Report::First => return Ok(false),
            Report::All => return Ok(true),
            Report::OnRequest => {}
        }
        let query = uri.query().unwrap_or_default();
        if !query.split('&').any(|word| word == ALL) {
            return Ok(false);
        }
        let rest: Vec<&str> = query.split('&').filter(|word| *word != ALL).collect();
        let target = match rest.as_slice() {
            [] => uri.path().to_owned(),
            rest => format!("{}?{}", uri.path(), rest.join("&")),
        };
        let mut parts = std::mem::take(uri).into_parts();
        // A part of a valid target is one.
        parts.path_and_query = Some(PathAndQuery::try_from(target).map_err(|_| Fault::Internal)?);
        *uri = Uri::from_parts(parts).map_err(|_| Fault::Internal)?;
        Ok(true)
    }

    fn check_parameters(&self, parts: &Parts, most: usize) -> Result<(), Fault> {
        let Some(schema) = &self.parameters else { return Ok(()) };
        let path = parts.extensions.get::<PathParameters>();
        let document = parameters::document(schema, path, parts.uri.query(), &self.budget)?;
        check(schema, "the parameters", document.root(), most)
    }

    /// Reads a body that has arrived and means this text, and says what goes on.
    pub(super) fn examine<R>(
        &self,
        parts: &mut Parts,
        arrived: Arrived,
        text: &Bytes,
        most: usize,
    ) -> Result<ValidatedBody<R>, Fault> {
        let Arrived { wire, headroom, mut trailers } = arrived;
        let document = match json::parse(text.clone(), &self.syntax, headroom) {
            Ok(document) => document,
            Err(ParseError::Invalid(invalid)) => return Err(invalid.into()),
            Err(ParseError::Exhausted(_)) => return Err(Fault::Overloaded),
        };
        self.check_body(&document, most)?;
        parts.extensions.insert(ParsedBody(Arc::new(document)));
        if self.edits.is_empty() {
            return Ok(ValidatedBody::checked(Pieces::Whole(wire), trailers));
        }
        // The parser has refused whatever cannot be edited.
        let pieces = self.edits.apply(text).map_err(|_| Fault::Internal)?;
        if let [only] = pieces.as_slice()
            && only.as_ptr() == text.as_ptr()
            && only.len() == text.len()
        {
            // Nothing has changed.
            return Ok(ValidatedBody::checked(Pieces::Whole(wire), trailers));
        }
        forget_old_bytes(parts, trailers.as_mut(), pieces.iter().map(Bytes::len).sum());
        Ok(ValidatedBody::checked(Pieces::Edited(pieces), trailers))
    }

    fn check_body(&self, document: &Document, most: usize) -> Result<(), Fault> {
        let root = document.root();
        let wants_object = self.schema.as_ref().is_none_or(|schema| schema.wants_object());
        // Edits are of objects, whatever the schema accepts besides.
        if (wants_object || self.editable) && root.kind() != Kind::Object {
            return Err(Fault::NotAnObject);
        }
        let Some(schema) = &self.schema else { return Ok(()) };
        let is_empty = root.members().is_some_and(|members| members.len() == 0);
        match check(schema, "the body", root, most) {
            Err(_) if is_empty => Err(Fault::EmptyObject),
            checked => checked,
        }
    }

    /// The whole answer to a request that does not get on.
    pub(super) fn refuse(&self, fault: &Fault, parts: &Parts) -> Response<Bytes> {
        let context = Context {
            head: parts.method == Method::HEAD,
            request_id: parts.headers.get(request_id::HEADER),
        };
        let mut response = self.catalog.respond(fault, context);
        // RFC 9110, section 15.5.16: so that the client learns what it may send, of type or of coding.
        if matches!(fault, Fault::UnsupportedMediaType { .. }) && !is_json(&parts.headers) {
            let accepted = HeaderValue::from_static("application/json");
            response.headers_mut().insert(header::ACCEPT, accepted);
        } else if matches!(fault, Fault::UnsupportedMediaType { .. }) {
            let accepted = match self.content_encoding {
                ContentEncoding::Refuse => HeaderValue::from_static("identity"),
                ContentEncoding::Decode { .. } => {
                    HeaderValue::from_static("gzip, br, zstd, deflate")
                }
            };
            response.headers_mut().insert(header::ACCEPT_ENCODING, accepted);
        }
        response
    }
}

fn check(schema: &Schema, whole: &'static str, value: Value<'_>, most: usize) -> Result<(), Fault> {
    let mut violations = schema.violations_of(whole, value, most);
    let violation = if most > 1 { Violation::all(violations) } else { violations.pop() };
    violation.map_or(Ok(()), |violation| Err(Fault::Violation(violation)))
}

/// The length that a client has declared, where the body itself does not say it.
fn content_length(headers: &HeaderMap) -> Option<u64> {
    let mut lines = headers.get_all(header::CONTENT_LENGTH).iter();
    let (line, None) = (lines.next()?, lines.next()) else { return None };
    line.to_str().ok()?.parse().ok()
}

/// The fields of a request whose body is another one now.
pub(super) fn forget_old_bytes(parts: &mut Parts, trailers: Option<&mut HeaderMap>, length: usize) {
    digest_fields::remove(&mut parts.headers);
    if let Some(trailers) = trailers {
        digest_fields::remove(trailers);
    }
    parts.headers.remove(header::CONTENT_ENCODING);
    if parts.headers.contains_key(header::CONTENT_LENGTH) {
        parts.headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    }
}
