mod body;
mod detect;
mod head;
mod http;
mod pieces;
mod time;

use super::{ConnState, Limits, ScanIo};
use crate::Fault;
use bytes::Bytes;
use std::sync::Arc;

const GET: &str = "GET /a?b=c HTTP/1.1\r\nHost: x.example\r\n\r\n";

fn scan_io<T>(io: T, limits: Limits) -> (ScanIo<T>, Arc<ConnState>) {
    let state = Arc::new(ConnState::default());
    (ScanIo::new(io, Bytes::new(), Arc::new(limits), Arc::clone(&state)), state)
}

/// The detail of a refusal, or what else it is.
fn detail(fault: &Fault) -> String {
    match fault {
        Fault::BadRequest { detail } => detail.to_string(),
        other => format!("{other:?}"),
    }
}
