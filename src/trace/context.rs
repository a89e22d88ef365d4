use crate::hex;
use http::{HeaderMap, HeaderName, HeaderValue};

pub(super) const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
pub(super) const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// Whoever sent it records what it does.
const SAMPLED: u8 = 0x01;
/// The last seven bytes of the trace's id are random (Trace Context Level 2, section 3.2.2.5.2).
const RANDOM: u8 = 0x02;

/// `00-`, 32 digits, `-`, 16 digits, `-`, 2 digits.
const LEN: usize = 55;

/// What `traceparent` says: which trace a request belongs to, and who in it has sent the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TraceContext {
    /// Never 0.
    pub(crate) trace_id: u128,
    /// Never 0.
    pub(crate) span_id: u64,
    flags: u8,
}

/// What a client says of a trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sent {
    Nothing,
    Invalid,
    Context(TraceContext),
}

impl TraceContext {
    /// A new trace, which nobody records.
    pub(super) fn begin() -> Self {
        let trace_id = fastrand::u128(1..);
        Self { trace_id, span_id: new_span_id(), flags: RANDOM }
    }

    /// What the `traceparent` of a request says. None of several, or one that is not valid, is as good as no other.
    pub(super) fn of(headers: &HeaderMap) -> Sent {
        let mut lines = headers.get_all(TRACEPARENT).iter();
        match (lines.next(), lines.next()) {
            (None, _) => Sent::Nothing,
            (Some(one), None) => Self::parse(one.as_bytes()).map_or(Sent::Invalid, Sent::Context),
            (Some(_), Some(_)) => Sent::Invalid,
        }
    }

    /// Trace Context Level 2, section 3.2; of a later version, what this one knows of it (section 4.1).
    fn parse(value: &[u8]) -> Option<Self> {
        let (known, rest) = value.split_at_checked(LEN)?;
        let is_whole = match hex::read(&known[..2])? {
            [0] => rest.is_empty(),
            [0xff] => false,
            [_] => matches!(rest, [] | [b'-', ..]),
        };
        if !is_whole || [known[2], known[35], known[52]] != [b'-'; 3] {
            return None;
        }
        let trace_id = u128::from_be_bytes(hex::read(&known[3..35])?);
        let span_id = u64::from_be_bytes(hex::read(&known[36..52])?);
        let [flags] = hex::read(&known[53..])?;
        (trace_id != 0 && span_id != 0).then_some(Self { trace_id, span_id, flags })
    }

    /// Whether the sender records what it does.
    pub(super) fn is_sampled(self) -> bool {
        self.flags & SAMPLED != 0
    }

    /// Where a span of the same trace is the sender, and records what it does.
    pub(super) fn recorded_as(self, span_id: u64) -> Self {
        Self { span_id, flags: self.flags & RANDOM | SAMPLED, ..self }
    }

    /// The header field's value.
    pub(super) fn value(self) -> HeaderValue {
        let mut text = *b"00-00000000000000000000000000000000-0000000000000000-00";
        hex::write(&mut text[3..35], &self.trace_id.to_be_bytes());
        hex::write(&mut text[36..52], &self.span_id.to_be_bytes());
        hex::write(&mut text[53..], &[self.flags]);
        // Digits and dashes are a value.
        HeaderValue::from_bytes(&text).unwrap_or(HeaderValue::from_static("00"))
    }
}

/// A span's id; 0 would be none.
pub(super) fn new_span_id() -> u64 {
    fastrand::u64(1..)
}

/// The digits of a trace's id, for a log line.
#[derive(Clone, Copy)]
pub(crate) struct TraceId([u8; 32]);

impl TraceId {
    pub(super) fn new(id: u128) -> Self {
        let mut digits = [0; 32];
        hex::write(&mut digits, &id.to_be_bytes());
        Self(digits)
    }

    pub(crate) fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
    const SPAN: &str = "b7ad6b7169203331";

    #[test]
    fn what_is_continued() {
        let whole = |version: &str, trace: &str, span: &str, flags: &str| {
            format!("{version}-{trace}-{span}-{flags}")
        };
        let sane = whole("00", TRACE, SPAN, "01");
        let table: &[(&[&str], Option<bool>)] = &[
            (&[&sane], Some(true)),
            (&[&whole("00", TRACE, SPAN, "00")], Some(false)),
            (&[&whole("00", TRACE, SPAN, "03")], Some(true)),
            (&[&whole("00", TRACE, SPAN, "fe")], Some(false)),
            // Later versions may have more to say, behind a dash.
            (&[&whole("01", TRACE, SPAN, "01")], Some(true)),
            (&[&whole("cc", TRACE, SPAN, "01-what-comes-later")], Some(true)),
            (&[&whole("cc", TRACE, SPAN, "01.")], None),
            (&[&whole("00", TRACE, SPAN, "01-")], None),
            (&[&whole("ff", TRACE, SPAN, "01")], None),
            (&[&whole("00", &"0".repeat(32), SPAN, "01")], None),
            (&[&whole("00", TRACE, &"0".repeat(16), "01")], None),
            (&[&sane.to_uppercase()], None),
            (&[&whole("00", TRACE, SPAN, "0g")], None),
            (&[&whole("0x", TRACE, SPAN, "01")], None),
            (&[&whole("00", &TRACE.replace('a', " "), SPAN, "01")], None),
            (&[&whole("00", TRACE, &SPAN.replace('b', "é"), "01")], None),
            (&[&sane.replace('-', "_")], None),
            (&[&sane[..54]], None),
            (&[&format!("{sane}0")], None),
            (&[&format!(" {sane}")], None),
            (&[""], None),
            (&[], None),
            // Whose trace would it be?
            (&[&sane, &sane], None),
            (&[&sane, ""], None),
        ];
        for (lines, sampled) in table {
            let mut headers = HeaderMap::new();
            for line in *lines {
                headers.append(TRACEPARENT, HeaderValue::from_bytes(line.as_bytes()).unwrap());
            }
            let sent = TraceContext::of(&headers);
            assert_eq!(sent == Sent::Nothing, lines.is_empty(), "{lines:?}");
            let found = match sent {
                Sent::Context(context) => Some(context),
                Sent::Nothing | Sent::Invalid => None,
            };
            assert_eq!(found.map(TraceContext::is_sampled), *sampled, "{lines:?}");
            if let Some(found) = found {
                assert_eq!(TraceId::new(found.trace_id).as_str(), TRACE, "{lines:?}");
                assert_eq!(format!("{:016x}", found.span_id), SPAN, "{lines:?}");
            }
        }
    }

    #[test]
    fn what_is_sent_on() {
        for (flags, want) in [("00", "01"), ("01", "01"), ("02", "03"), ("ff", "03")] {
            let sent = TraceContext::parse(format!("00-{TRACE}-{SPAN}-{flags}").as_bytes());
            let ours = sent.unwrap().recorded_as(0x1f);
            assert_eq!(ours.value(), format!("00-{TRACE}-000000000000001f-{want}"), "{flags}");
        }
    }

    #[test]
    fn new_ones_are_valid_and_differ() {
        let made: Vec<_> = std::iter::repeat_with(TraceContext::begin).take(1000).collect();
        for one in &made {
            assert_eq!(TraceContext::parse(one.value().as_bytes()), Some(*one));
            assert!(!one.is_sampled());
        }
        let ids: std::collections::HashSet<_> =
            made.iter().flat_map(|one| [one.trace_id, one.span_id.into()]).collect();
        assert_eq!(ids.len(), 2000);
    }
}
