use crate::json::Pointer;
use http::HeaderName;
use std::str::FromStr;

/// Where something stands in an answer: `header:NAME`, or a JSON Pointer into its body.
#[derive(Clone, Debug)]
pub(super) enum Place {
    Header(HeaderName),
    Body(Pointer),
}

impl FromStr for Place {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, &'static str> {
        match text.strip_prefix("header:") {
            Some(name) => name
                .parse()
                .map(Self::Header)
                .map_err(|_| "expected the name of a header field behind `header:`"),
            None => {
                text.parse().map(Self::Body).map_err(|_| "expected `header:NAME` or a JSON Pointer")
            }
        }
    }
}
