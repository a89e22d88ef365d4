use crate::{
    media_type::essence,
    profile::{Answer, Content, Profile, Verdict},
    stream::{Event, Framing, Splitter},
};
use bytes::Bytes;
use http::{HeaderMap, StatusCode};

/// What an answer means of which this was read.
///
/// A failure under a media type of streams may say so in events: the first that says something counts.
pub(super) fn judge(
    profile: &Profile,
    status: StatusCode,
    headers: &HeaderMap,
    content: &Content,
) -> Verdict {
    let framing = || essence(headers).and_then(|kind| Framing::of(&kind));
    if let Content::Text(text) = content
        && status.as_u16() >= 400
        && let Some(framing) = framing()
        && let Some((name, content)) = first_event(framing, text)
    {
        let name = name.as_deref().unwrap_or("message");
        return profile.classify(&Answer::new(status, headers, &content).of_event(name));
    }
    profile.classify(&Answer::new(status, headers, content))
}

fn first_event(framing: Framing, text: &str) -> Option<(Option<String>, Content)> {
    let mut splitter = Splitter::new(framing, text.len());
    splitter.push(Bytes::copy_from_slice(text.as_bytes()));
    std::iter::from_fn(|| splitter.next().or_else(|| splitter.rest())).find_map(|piece| {
        let event = Event::read(framing, &piece.raw);
        Some((event.name, Content::of_text(event.data?)))
    })
}
