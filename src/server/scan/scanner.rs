use super::{
    Limits,
    body::Chunked,
    head::{self, Bad, Found, Framing},
};
use crate::Fault;

/// Empty lines that are skipped before a request line (RFC 9112, section 2.2: "at least one").
const MAX_BLANKS: u8 = 2;

/// Follows the messages of a connection, in whatever pieces they come.
#[derive(Debug, Default)]
pub(super) struct Scanner {
    phase: Phase,
    heads: usize,
    /// Of the head that is incomplete: bytes that have been searched for its end.
    searched: usize,
    blanks: u8,
}

#[derive(Debug, Default)]
enum Phase {
    #[default]
    Head,
    Length(u64),
    Chunked(Chunked),
    /// Another protocol's bytes.
    Raw,
}

/// Why a scan went no further.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// It saw everything.
    End,
    /// The rest is the beginning of a head. The next scan must begin with it.
    Partial,
    /// The rest begins with CR LF, to be skipped.
    Blank,
    /// The rest begins with a head that is refused.
    Refuse(Bad),
    /// The rest continues a body that is broken.
    Break(Fault),
}

impl Scanner {
    /// Scans what comes next: how much of it may pass, and why no more.
    pub(super) fn scan(&mut self, bytes: &[u8], limits: &Limits) -> (usize, Stop) {
        let mut at = 0;
        while at < bytes.len() {
            let rest = &bytes[at..];
            match &mut self.phase {
                Phase::Head => match self.head(rest, limits) {
                    Ok(len) => at += len,
                    Err(stop) => return (at, stop),
                },
                Phase::Length(left) => {
                    let skip = usize::try_from(*left).unwrap_or(usize::MAX).min(rest.len());
                    at += skip;
                    *left -= skip as u64;
                    if *left == 0 {
                        self.phase = Phase::Head;
                    }
                }
                Phase::Chunked(body) => match body.follow(rest, limits) {
                    Ok(len) => {
                        at += len;
                        if body.is_done() {
                            self.phase = Phase::Head;
                        }
                    }
                    Err((len, fault)) => return (at + len, Stop::Break(fault)),
                },
                Phase::Raw => at = bytes.len(),
            }
        }
        (at, Stop::End)
    }

    fn head(&mut self, bytes: &[u8], limits: &Limits) -> Result<usize, Stop> {
        // Only at first sight, or a head that trickles is parsed from its start for each byte.
        if self.searched == 0
            && let Some((len, verdict)) = head::check_at_once(bytes, limits)
        {
            return self.enter(len, verdict);
        }
        match head::find(bytes, self.searched, limits).map_err(Stop::Refuse)? {
            Found::Head(len) => self.enter(len, head::check(&bytes[..len], limits)),
            Found::Partial => {
                self.searched = bytes.len();
                Err(Stop::Partial)
            }
            Found::Blank if self.blanks == MAX_BLANKS => {
                let fault = Fault::bad_request("empty lines before the request line");
                Err(Stop::Refuse(Bad { fault, seen: 2 }))
            }
            Found::Blank => {
                self.blanks += 1;
                self.searched = 0;
                Err(Stop::Blank)
            }
        }
    }

    /// Goes on behind a head of so many bytes.
    fn enter(&mut self, len: usize, verdict: Result<Framing, Fault>) -> Result<usize, Stop> {
        self.phase = match verdict {
            Ok(Framing::Length(0)) => Phase::Head,
            Ok(Framing::Length(left)) => Phase::Length(left),
            Ok(Framing::Chunked) => Phase::Chunked(Chunked::default()),
            Ok(Framing::Raw) => Phase::Raw,
            Err(fault) => return Err(Stop::Refuse(Bad { fault, seen: len })),
        };
        self.heads += 1;
        self.searched = 0;
        self.blanks = 0;
        Ok(len)
    }

    /// Heads that have passed.
    pub(super) fn heads(&self) -> usize {
        self.heads
    }

    /// Whether what comes is another protocol's.
    pub(super) fn is_raw(&self) -> bool {
        matches!(self.phase, Phase::Raw)
    }

    /// Whether a body is not at its end.
    pub(super) fn in_body(&self) -> bool {
        matches!(self.phase, Phase::Length(_) | Phase::Chunked(_))
    }
}
