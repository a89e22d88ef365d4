//! What a proxy must take out of a message and put into it (RFC 9110, sections 7.6 and 11.7; RFC 9112).
//!
//! Plain functions over header fields, in both directions.

mod hop_by_hop;
mod request;
mod response;

pub(super) use self::{
    request::{RequestFacts, clean_request, keep_request_trailers},
    response::{
        check_framing, clean_response, is_upgrade_to, keep_alive_hint, keep_response_trailers,
    },
};
