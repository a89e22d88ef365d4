use crate::{
    fault::{Cause, UpstreamFault, UpstreamKind},
    profile::{Answer, Content, Profile, Verdict, WorkState},
    stream::{Event, Framing, Splitter},
    work::{WorkEnd, WorkReport},
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
    let framing = || Framing::of_message(headers);
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

/// Says what this content, which is no failure of the request, says of the work, and returns it.
pub(super) fn tell(
    report: &WorkReport,
    profile: &Profile,
    status: StatusCode,
    content: &Content,
) -> Option<WorkState> {
    let state = profile.work(content);
    match state {
        Some(WorkState::Succeeded) => report.tell(WorkEnd::Succeeded),
        Some(WorkState::Failed) => {
            let cause = Cause::WorkFailed(status.as_u16());
            let fault = UpstreamFault::new(UpstreamKind::ProviderError, cause);
            report.tell(WorkEnd::Failed(fault.into()));
        }
        Some(WorkState::Running) => report.goes_on(),
        None => {}
    }
    state
}

/// Says whether the work itself has failed: a request can fail in other ways.
pub(super) fn tell_failure(
    report: &WorkReport,
    profile: &Profile,
    fault: &UpstreamFault,
    content: &Content,
) {
    let is_over = matches!(fault.cause, Cause::WorkFailed(_))
        || matches!(profile.work(content), Some(WorkState::Failed | WorkState::Succeeded));
    if is_over {
        report.tell(WorkEnd::Failed(fault.clone().into()));
    }
}

fn first_event(framing: Framing, text: &str) -> Option<(Option<String>, Content)> {
    let mut splitter = Splitter::new(framing, text.len());
    splitter.push(Bytes::copy_from_slice(text.as_bytes()));
    std::iter::from_fn(|| splitter.next().or_else(|| splitter.rest())).find_map(|piece| {
        let event = Event::read(framing, &piece.raw);
        Some((event.name, Content::of_text(event.data?)))
    })
}
