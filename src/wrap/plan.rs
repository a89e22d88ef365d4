use crate::media_type::is_json;
use crate::{Fault, decode::Decoder};
use http::{HeaderMap, Method, StatusCode, header, response::Parts};
use http_body::SizeHint;

/// What kind of answer the request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Exchange {
    /// One with a body.
    Whole,
    /// One without, that has the same head (RFC 9110, section 9.3.2).
    Head,
    /// One whose success is the beginning of a tunnel (RFC 9110, section 9.3.6).
    Tunnel,
    /// One that stays as it is, whatever it is.
    Untouched,
}

impl Exchange {
    pub(super) fn of(method: &Method) -> Self {
        match *method {
            Method::HEAD => Self::Head,
            Method::CONNECT => Self::Tunnel,
            _ => Self::Whole,
        }
    }
}

/// What becomes of an answer.
#[derive(Debug)]
pub(super) enum Plan {
    /// It stays as it is.
    Pass,
    /// It has no data.
    Null,
    /// Its body goes into the envelope.
    Splice {
        /// The length of the data, where known.
        length: Option<u64>,
        decoder: Option<Decoder>,
    },
    /// It cannot be wrapped.
    Refuse(Fault),
}

/// Decides by the head of an answer and what its body says about itself.
pub(super) fn plan(exchange: Exchange, parts: &Parts, ended: bool, size: SizeHint) -> Plan {
    if matches!(exchange, Exchange::Tunnel | Exchange::Untouched) || !is_whole_success(parts.status)
    {
        return Plan::Pass;
    }
    let declared = content_length(&parts.headers);
    // The body of an answer to a HEAD says nothing; of any other it is the body that will come.
    let length = match exchange {
        Exchange::Head => declared,
        _ => size.exact().or(declared),
    };
    let has_no_content = matches!(parts.status, StatusCode::NO_CONTENT | StatusCode::RESET_CONTENT);
    if has_no_content || length == Some(0) || (ended && exchange != Exchange::Head) {
        return Plan::Null;
    }
    if !is_json(&parts.headers) {
        return Plan::Pass;
    }
    match Decoder::of(&parts.headers) {
        Ok(None) => Plan::Splice { length, decoder: None },
        Ok(decoder) => Plan::Splice { length: None, decoder },
        Err(undecodable) => Plan::Refuse(undecodable.into()),
    }
}

/// A success whose body is all of it: not a part (206), not a difference (226, RFC 3229).
fn is_whole_success(status: StatusCode) -> bool {
    status.is_success() && status != StatusCode::PARTIAL_CONTENT && status != StatusCode::IM_USED
}

/// The length that the fields agree on.
fn content_length(headers: &HeaderMap) -> Option<u64> {
    let mut lines = headers.get_all(header::CONTENT_LENGTH).iter();
    let first = lines.next()?;
    if lines.any(|line| line != first) {
        return None;
    }
    let digits = first.to_str().ok()?;
    let only_digits = digits.bytes().all(|byte| byte.is_ascii_digit());
    digits.parse().ok().filter(|_| only_digits)
}
