//! The id of a request: taken from its client if it is sane, else made.

use crate::hex;
use http::{HeaderMap, HeaderName, HeaderValue};

/// The field that carries the id, in requests and answers.
pub const HEADER: HeaderName = HeaderName::from_static("x-request-id");

/// The longest id that is taken from a client, in bytes.
pub const MAX_LEN: usize = 128;

/// Leaves exactly one id in the request's header fields, and returns it.
///
/// A client's id stays when there is one alone of 1 to [`MAX_LEN`] bytes, all of them letters, digits or one of
/// `-_.:/+=@~`: nothing that could break a log line, a JSON string or a shell. Otherwise a new one is made:
/// 32 hexadecimal digits, random and unique for all purposes but secrecy.
pub fn establish(headers: &mut HeaderMap) -> HeaderValue {
    let mut sent = headers.get_all(HEADER).iter();
    if let (Some(id), None) = (sent.next(), sent.next())
        && is_sane(id.as_bytes())
    {
        return id.clone();
    }
    let id = generate();
    headers.insert(HEADER, id.clone());
    id
}

fn is_sane(id: &[u8]) -> bool {
    let sane = |b: &u8| b.is_ascii_alphanumeric() || b"-_.:/+=@~".contains(b);
    (1..=MAX_LEN).contains(&id.len()) && id.iter().all(sane)
}

/// 32 hexadecimal digits that nothing else has.
pub(crate) fn generate() -> HeaderValue {
    let mut id = [0; 32];
    hex::write(&mut id, &fastrand::u128(..).to_ne_bytes());
    HeaderValue::from_bytes(&id).unwrap_or(HeaderValue::from_static("0"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_one_sane_id_is_taken() {
        let long = "a".repeat(MAX_LEN);
        let longer = "a".repeat(MAX_LEN + 1);
        let table: &[(&[&str], bool)] = &[
            (&["abc-123"], true),
            (&["Root=1-67891233-abcdef012345678912345678"], true),
            (&[&long], true),
            (&[&longer], false),
            (&[""], false),
            (&["a b"], false),
            (&["a\"b"], false),
            (&["<script>"], false),
            (&["caf\u{e9}"], false),
            (&["one", "two"], false),
            (&["one", "one"], false),
            (&[], false),
        ];
        for (sent, taken) in table {
            let mut headers = HeaderMap::new();
            for id in *sent {
                headers.append(HEADER, HeaderValue::from_bytes(id.as_bytes()).unwrap());
            }
            let id = establish(&mut headers);
            assert_eq!(headers.get_all(HEADER).iter().collect::<Vec<_>>(), [&id], "{sent:?}");
            assert_eq!(sent.first() == Some(&id.to_str().unwrap()), *taken, "{sent:?}");
            assert!(is_sane(id.as_bytes()));
        }
    }

    #[test]
    fn made_ids_differ() {
        let ids: std::collections::HashSet<_> = (0..1000).map(|_| generate()).collect();
        assert_eq!(ids.len(), 1000);
    }
}
