//! An answer that is there as a whole: from a file, a test, a fuzzer.

use super::{
    examine::Sniffer,
    judge::judge,
    plan::{Plan, plan},
};
use crate::{
    decode::{Decoder, Extent, decode_whole},
    fault::{Cause, UpstreamFault, UpstreamKind},
    profile::{Answer, Content, Profile, Verdict},
    stream::{Event, Framing, Splitter},
};
use bytes::Bytes;
use http::{HeaderMap, StatusCode, header};
use http_body::SizeHint;

/// The most bytes that are looked at, before and after decoding.
const MAX_BYTES: usize = 4 * 1024 * 1024;

impl Profile {
    /// What a whole answer means: a body, or a stream of events of which the first that is a failure decides.
    ///
    /// It reads what [`ClassifyLayer`](crate::ClassifyLayer) reads, and says the same, except for the limits: up to 4 MiB of a body
    /// count here, and as much once it is decoded.
    ///
    /// ```
    /// use http::{HeaderMap, StatusCode, header::CONTENT_TYPE};
    /// use tollgate::{fault::UpstreamKind, profile::Profile};
    ///
    /// let headers = HeaderMap::from_iter([(CONTENT_TYPE, "text/event-stream".parse()?)]);
    /// let body = "data: {\"type\":\"ping\"}\n\n\
    ///             event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\"}}\n\n";
    /// let verdict = Profile::preset("anthropic")?.classify_captured(StatusCode::OK, &headers, &body.into());
    /// assert_eq!(verdict.fault.unwrap().kind, UpstreamKind::Overloaded);
    /// assert_eq!(verdict.rule.unwrap(), "anthropic/overloaded");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn classify_captured(
        &self,
        status: StatusCode,
        headers: &HeaderMap,
        body: &Bytes,
    ) -> Verdict {
        // That nothing comes is known beforehand only where the head says so; a stream of no events is one all the same.
        let is_known = !body.is_empty()
            || headers.get(header::CONTENT_LENGTH).is_some_and(|length| length == "0");
        let size = if is_known { SizeHint::with_exact(body.len() as u64) } else { SizeHint::new() };
        let content = match plan(self, status, headers, &size, false, MAX_BYTES) {
            Plan::Head(content) => content,
            Plan::Beginning if !Sniffer::default().may_be_json(body) => Content::Unread,
            Plan::Body | Plan::Beginning => Content::read(headers, body.clone(), MAX_BYTES),
            Plan::Events(framing) => match Decoder::of(headers) {
                Ok(decoder) => {
                    return Events { profile: self, status, headers, framing }.judge(decoder, body);
                }
                Err(_) => Content::Undecodable,
            },
        };
        judge(self, status, headers, &content)
    }
}

/// The events of an answer.
struct Events<'a> {
    profile: &'a Profile,
    status: StatusCode,
    headers: &'a HeaderMap,
    framing: Framing,
}

impl Events<'_> {
    fn judge(&self, decoder: Option<Decoder>, body: &Bytes) -> Verdict {
        let (stream, is_whole) = match decoder {
            None => (body.clone(), true),
            Some(decoder) => {
                let (stream, extent) = decode_whole(decoder, body.clone(), MAX_BYTES);
                (stream, extent != Extent::Corrupt)
            }
        };
        let mut splitter = Splitter::new(self.framing, MAX_BYTES);
        splitter.push(stream);
        let mut said = None;
        while let Some(piece) = splitter.next().or_else(|| splitter.rest()) {
            let verdict = if piece.whole {
                let Some(verdict) = self.judge_event(&piece.raw) else { continue };
                verdict
            } else {
                Verdict { fault: None, rule: None }
            };
            if verdict.fault.is_some() {
                return verdict;
            }
            // Of successes the one counts that a rule has something to say about.
            if said.as_ref().is_none_or(|said: &Verdict| said.rule.is_none()) {
                said = Some(verdict);
            }
        }
        match said {
            Some(verdict) if is_whole => verdict,
            _ => self.unexpected(is_whole),
        }
    }

    /// `None` where there is nothing in it, such as in a comment.
    fn judge_event(&self, raw: &Bytes) -> Option<Verdict> {
        let event = Event::read(self.framing, raw);
        let content = Content::of_text(event.data?);
        let name = event.name.as_deref().unwrap_or("message");
        let answer = Answer::new(self.status, self.headers, &content).of_event(name);
        Some(self.profile.classify(&answer))
    }

    /// A stream that says nothing, or cannot be read to its end.
    fn unexpected(&self, is_whole: bool) -> Verdict {
        let cause = if is_whole { Cause::Status(self.status.as_u16()) } else { Cause::Encoding };
        Verdict { fault: Some(UpstreamFault::new(UpstreamKind::Unexpected, cause)), rule: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::{Compression, write::GzEncoder};
    use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
    use std::io::Write;

    fn word(kind: &'static str, coding: Option<&'static str>, body: &[u8]) -> &'static str {
        let mut headers = HeaderMap::from_iter([(CONTENT_TYPE, kind.parse().unwrap())]);
        headers.extend(coding.map(|coding| (CONTENT_ENCODING, coding.parse().unwrap())));
        let profile = Profile::shared_generic();
        profile.classify_captured(StatusCode::OK, &headers, &Bytes::copy_from_slice(body)).word()
    }

    #[test]
    fn streams() {
        const SSE: &str = "text/event-stream; charset=utf-8";
        let good = b": hi\n\ndata: {\"a\":1}\n\n".as_slice();
        let bad = [good, b"data: {\"error\":{\"code\":\"rate_limit_exceeded\"}}"].concat();
        let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
        gzip.write_all(&bad).unwrap();
        let gzip = gzip.finish().unwrap();
        assert_eq!(word(SSE, None, good), "ok");
        assert_eq!(word(SSE, None, &bad), "rate_limited");
        assert_eq!(word(SSE, Some("gzip"), &gzip), "rate_limited");
        assert_eq!(word(SSE, Some("gzip"), &bad), "unexpected");
        assert_eq!(word(SSE, Some("rot13"), good), "ok");
        for empty in [&b""[..], b"\n\n", b": hi\n\nevent: x\n\n"] {
            assert_eq!(word(SSE, None, empty), "unexpected");
        }
        let lines = b"{\"a\":1}\n\n{\"error\":{\"type\":\"overloaded_error\"}}\n";
        assert_eq!(word("application/x-ndjson", None, lines), "overloaded");
        assert_eq!(word("image/png", None, lines), "ok");
        assert_eq!(word(SSE, None, &vec![b'x'; MAX_BYTES + 1]), "ok");
    }
}
