use crate::{
    charge::place,
    json::{Document, Kind, Pointer, Value},
    validate::{ParsedBody, PathParameters},
};
use http::{Request, Uri};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

/// The longest id of a task, in bytes.
pub(super) const LONGEST: usize = 512;

/// What a provider calls the task that a request is about, in the request's extensions where it is to stand in the body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProviderTaskId {
    /// Where in the body.
    pub at: Pointer,
    /// The id.
    pub id: Box<str>,
}

/// What stands in a URL as it is (RFC 3986, section 2.3).
const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Where a task's id stands.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TaskId {
    /// In the answer that a task was taken on, as JSON: requests make tasks.
    InAnswer(Pointer),
    /// In the request, in the parameter of the path that has this name: requests are about tasks.
    InPath(Box<str>),
    /// In the request, in the parameter of the query that has this name.
    InQuery(Box<str>),
    /// In the request's JSON body.
    InBody(Pointer),
}

impl TaskId {
    /// The id in a request that is about a task.
    pub(super) fn of_request<R>(&self, request: &Request<R>) -> Option<String> {
        let id = match self {
            Self::InAnswer(_) => None,
            Self::InPath(name) => {
                let parameters = request.extensions().get::<PathParameters>()?;
                let (_, value) = parameters.iter().find(|(known, _)| *known == &**name)?;
                decoded(value)
            }
            Self::InQuery(name) => {
                // Some read the first of two and some the last, some do not mind their case, and to some `;` is `&`.
                let query = request.uri().query()?;
                let one = only_parameter(query.split('&'), name)?;
                let same = only_parameter(query.split(['&', ';']), name)? == one;
                decoded(one).filter(|_| same)
            }
            // One that some would read as another is none.
            Self::InBody(at) => {
                let body = request.extensions().get::<ParsedBody>().map(|body| &**body);
                place::only(body, at).ok().flatten().and_then(text)
            }
        };
        id.filter(|id| is_id(id))
    }

    /// The request with another id.
    ///
    /// In the path and the query it is put in the place of the one that the caller has sent. A body is nobody's here: whoever sends it finds the id
    /// in [`ProviderTaskId`].
    pub(super) fn put<R>(&self, request: &mut Request<R>, from: &str, to: &str) -> Option<()> {
        let uri = request.uri();
        let (path, query) = (uri.path(), uri.query());
        let encode = |text: &str| utf8_percent_encode(text, UNRESERVED).to_string();
        let target = match self {
            Self::InPath(_) => {
                let is_it = |segment: &str| decoded(segment).as_deref() == Some(from);
                // The route may have rewritten it away, or put it within something else.
                path.split('/').find(|segment| is_it(segment))?;
                let put = |segment| if is_it(segment) { encode(to) } else { segment.to_owned() };
                let path = path.split('/').map(put).collect::<Vec<_>>().join("/");
                query.map_or(path.clone(), |query| format!("{path}?{query}"))
            }
            Self::InQuery(name) => {
                let put = |pair: &str| match pair.split_once('=') {
                    Some((known, _)) if decoded(known).as_deref() == Some(name) => {
                        format!("{known}={}", encode(to))
                    }
                    _ => pair.to_owned(),
                };
                let pairs: Vec<_> = query?.split('&').map(put).collect();
                format!("{path}?{}", pairs.join("&"))
            }
            Self::InBody(at) => {
                let id = ProviderTaskId { at: at.clone(), id: to.into() };
                request.extensions_mut().insert(id);
                return Some(());
            }
            Self::InAnswer(_) => return Some(()),
        };
        let mut parts = uri.clone().into_parts();
        parts.path_and_query = Some(target.parse().ok()?);
        *request.uri_mut() = Uri::from_parts(parts).ok()?;
        Some(())
    }

    /// Where a task with this id is asked for, on a route with this path.
    #[cfg(feature = "standalone")]
    pub(crate) fn target(&self, path: &str, id: &str) -> String {
        let id = utf8_percent_encode(id, UNRESERVED);
        match self {
            Self::InPath(name) => path.replace(&format!("{{{name}}}"), &id.to_string()),
            Self::InQuery(name) => {
                format!("{path}?{}={id}", utf8_percent_encode(name, UNRESERVED))
            }
            Self::InAnswer(_) | Self::InBody(_) => path.to_owned(),
        }
    }

    /// The id in the answer of a provider that has taken a task on.
    pub(super) fn of_answer(&self, answer: &Document) -> Option<String> {
        match self {
            Self::InAnswer(at) => answer.at(at).and_then(text).filter(|id| is_id(id)),
            _ => None,
        }
    }
}

fn text(value: Value<'_>) -> Option<String> {
    match value.kind() {
        Kind::String => value.as_str().map(str::to_owned),
        Kind::Number => value.as_u64().map(|number| number.to_string()),
        _ => None,
    }
}

/// What the parameter of this name is, if none beside it has the same in other letters.
fn only_parameter<'q>(pairs: impl Iterator<Item = &'q str>, name: &str) -> Option<&'q str> {
    let mut found = pairs.filter_map(|pair| {
        let (known, value) = pair.split_once('=').unwrap_or((pair, ""));
        let known = decoded(known)?;
        known.eq_ignore_ascii_case(name).then_some((known, value))
    });
    let (Some((known, value)), None) = (found.next(), found.next()) else { return None };
    (known == name).then_some(value)
}

fn decoded(text: &str) -> Option<String> {
    percent_decode_str(text).decode_utf8().ok().map(Into::into)
}

fn is_id(text: &str) -> bool {
    (1..=LONGEST).contains(&text.len()) && !text.chars().any(char::is_control)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::Syntax;

    #[test]
    fn ids_in_answers() {
        let long = "x".repeat(LONGEST + 1);
        let table = [
            (r#"{"data":{"id":"t1"}}"#, Some("t1")),
            (r#"{"data":{"id":17}}"#, Some("17")),
            (r#"{"data":{"id":""}}"#, None),
            (r#"{"data":{"id":null}}"#, None),
            (r#"{"data":{"id":-1}}"#, None),
            (r#"{"data":{"id":["t1"]}}"#, None),
            (r#"{"data":{"id":"a\nb"}}"#, None),
            (&format!(r#"{{"data":{{"id":"{long}"}}}}"#), None),
            (r#"{"id":"t1"}"#, None),
        ];
        let place = TaskId::InAnswer("/data/id".parse().unwrap());
        for (text, want) in table {
            let document = Document::parse(text.to_owned(), &Syntax::default()).unwrap();
            assert_eq!(place.of_answer(&document).as_deref(), want, "{text}");
        }
    }

    #[test]
    fn ids_in_the_place_of_others() {
        let put = |place: &TaskId, uri: &str| {
            let mut request = Request::builder().uri(uri).body(()).unwrap();
            place.put(&mut request, "task_x", "gen/1 ü").map(|()| request.uri().to_string())
        };
        let path = TaskId::InPath("id".into());
        let query = TaskId::InQuery("id".into());
        let table = [
            (&path, "/v1/tasks/task_x", "/v1/tasks/gen%2F1%20%C3%BC"),
            (&path, "/task%5fx/a?b=task_x", "/gen%2F1%20%C3%BC/a?b=task_x"),
            (&query, "/task_x?a=b&id=task_x", "/task_x?a=b&id=gen%2F1%20%C3%BC"),
        ];
        for (place, uri, want) in table {
            assert_eq!(put(place, uri).as_deref(), Some(want));
        }
        assert_eq!(put(&path, "/v1/tasks/task_x.json"), None);
        let mut request = Request::builder().body(()).unwrap();
        let at: Pointer = "/id".parse().unwrap();
        TaskId::InBody(at.clone()).put(&mut request, "task_x", "gen_1").unwrap();
        let told = request.extensions().get::<ProviderTaskId>().unwrap();
        assert_eq!((&told.at, &*told.id), (&at, "gen_1"));
    }

    #[cfg(feature = "standalone")]
    #[test]
    fn where_tasks_are_asked_for() {
        let table = [
            (TaskId::InPath("id".into()), "/v1/tasks/{id}", "/v1/tasks/gen%2F1"),
            (TaskId::InQuery("a b".into()), "/v1/tasks", "/v1/tasks?a%20b=gen%2F1"),
            (TaskId::InBody("/id".parse().unwrap()), "/v1/result", "/v1/result"),
        ];
        for (place, path, want) in table {
            assert_eq!(place.target(path, "gen/1"), want);
        }
    }

    #[test]
    fn ids_in_requests() {
        let request = |uri: &str| {
            let parameters = PathParameters::new([("id", "a%20b"), ("other", "c")]);
            Request::builder().uri(uri).extension(parameters).body(()).unwrap()
        };
        let query = |name: &str| TaskId::InQuery(name.into());
        let table = [
            (TaskId::InPath("id".into()), "/", Some("a b")),
            (TaskId::InPath("none".into()), "/", None),
            (query("id"), "/?id=t%2f1&x=2", Some("t/1")),
            (query("id"), "/?x=2&%69d=t1", Some("t1")),
            (query("id"), "/?id=a&id=b", None),
            (query("id"), "/?x=1;id=b&id=a", None),
            (query("id"), "/?id=a;x=1", None),
            (query("id"), "/?id=a&x=1;y=2", Some("a")),
            (query("id"), "/?ID=b&id=a", None),
            (query("id"), "/?ID=b", None),
            (query("id"), "/?id&id=a", None),
            (query("id"), "/?id=%ff", None),
            (query("id"), "/?id=", None),
            (query("id"), "/", None),
            (TaskId::InBody("/id".parse().unwrap()), "/?id=a", None),
        ];
        for (place, uri, want) in table {
            assert_eq!(place.of_request(&request(uri)).as_deref(), want, "{place:?} {uri}");
        }
    }
}
