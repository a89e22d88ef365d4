use super::*;
use crate::fault::{Cause, UpstreamKind};

const SECOND: Duration = Duration::from_secs(1);

fn fault(kind: UpstreamKind) -> UpstreamFault {
    UpstreamFault::new(kind, Cause::Other)
}

fn ask(health: &Health, now: Instant, kind: Option<UpstreamKind>) {
    let permit = health.permit(now, false).expect("it is available");
    match kind {
        None => permit.succeeded(now),
        Some(kind) => permit.failed(&fault(kind), now),
    }
}

fn ask_anyway(health: &Health, now: Instant, kind: UpstreamKind) {
    health.permit(now, true).unwrap().failed(&fault(kind), now);
}

#[test]
fn failures_by_rate() {
    let start = Instant::now();
    // How many succeed and fail in turn, and whether it is out then.
    let table = [(0, 4, false), (0, 5, true), (6, 5, false), (5, 5, true), (100, 99, false)];
    for (succeeded, failed, out) in table {
        let health = Health::new("e", Ejection::default(), start);
        (0..succeeded).for_each(|_| ask(&health, start, None));
        (0..failed).for_each(|_| ask(&health, start, Some(UpstreamKind::ProviderError)));
        let is_out = health.state(start) != State::Available;
        assert_eq!(is_out, out, "{succeeded} {failed}");
    }
    // Old failures are forgotten.
    let health = Health::new("e", Ejection::default(), start);
    for second in 0..20 {
        ask(&health, start + 3 * second * SECOND, Some(UpstreamKind::ProviderError));
    }
    assert_eq!(health.state(start + 60 * SECOND), State::Available);
}

#[test]
fn a_stream_that_fails_on_its_way_is_one_failure() {
    let start = Instant::now();
    let health = Health::new("e", Ejection { percent: 100, ..Ejection::default() }, start);
    for _ in 0..5 {
        assert_eq!(health.state(start), State::Available);
        ask(&health, start, None);
        health.failed_later(&fault(UpstreamKind::OutputModeration), start);
        let late = UpstreamFault::new(UpstreamKind::Timeout, Cause::TotalTimeout);
        health.failed_later(&late, start);
        health.failed_later(&fault(UpstreamKind::Incomplete), start);
    }
    assert_ne!(health.state(start), State::Available);
}

#[test]
fn our_own_account_at_once_and_the_input_never() {
    let start = Instant::now();
    for kind in [UpstreamKind::AuthFailed, UpstreamKind::AccountExhausted] {
        let health = Health::new("e", Ejection::default(), start);
        ask(&health, start, Some(kind));
        assert_eq!(health.state(start), State::Out(start + 10 * SECOND), "{kind:?}");
    }
    let health = Health::new("e", Ejection::default(), start);
    (0..100).for_each(|_| ask(&health, start, Some(UpstreamKind::InputModeration)));
    assert_eq!(health.state(start), State::Available);
}

#[test]
fn a_pause_as_long_as_it_says() {
    let start = Instant::now();
    let health = Health::new("e", Ejection::default(), start);
    let limited = fault(UpstreamKind::RateLimited).with_retry_after(Some(7 * SECOND));
    health.permit(start, false).unwrap().failed(&limited, start);
    assert_eq!(health.state(start + 6 * SECOND), State::Paused(start + 7 * SECOND));
    // Then one finds out, and the others after it.
    assert_eq!(health.state(start + 7 * SECOND), State::Due);
    let probe = health.permit(start + 7 * SECOND, false).unwrap();
    assert_eq!(health.state(start + 7 * SECOND), State::Paused(start + 7 * SECOND));
    probe.succeeded(start + 8 * SECOND);
    assert_eq!(health.state(start + 8 * SECOND), State::Available);
    ask(&health, start + 8 * SECOND, Some(UpstreamKind::RateLimited));
    assert_eq!(health.state(start + 8 * SECOND), State::Paused(start + 9 * SECOND));
    // A failure may name a time too.
    let health = Health::new("e", Ejection::default(), start);
    let busy = fault(UpstreamKind::Overloaded).with_retry_after(Some(7 * SECOND));
    health.permit(start, false).unwrap().failed(&busy, start);
    assert_eq!(health.state(start + 6 * SECOND), State::Paused(start + 7 * SECOND));
    // However long it is.
    let longest = Ejection { base: Duration::MAX, longest: Duration::MAX, ..Ejection::default() };
    let health = Health::new("e", longest, start);
    let ages = fault(UpstreamKind::RateLimited).with_retry_after(Some(Duration::MAX));
    health.permit(start, false).unwrap().failed(&ages, start);
    ask_anyway(&health, start, UpstreamKind::AuthFailed);
    assert!(matches!(health.state(start + 1000 * SECOND), State::Out(_)));
}

#[test]
fn back_with_one_request_at_a_time() {
    let start = Instant::now();
    let health = Health::new("e", Ejection::default(), start);
    ask(&health, start, Some(UpstreamKind::AuthFailed));
    let mut now = start;
    // Twice as long each time, up to the longest.
    for seconds in [10, 20, 40, 80, 160, 300, 300] {
        assert_eq!(health.state(now), State::Out(now + seconds * SECOND));
        now += seconds * SECOND;
        assert_eq!(health.state(now), State::Due);
        let probe = health.permit(now, false).unwrap();
        assert!(health.permit(now, false).is_none(), "one is enough");
        // Another one of the same endpoint, with a worker of its own.
        assert!(health.worker().permit(now, false).is_none());
        probe.failed(&fault(UpstreamKind::ProviderError), now);
    }
    now += 300 * SECOND;
    // One that is broken off has found out nothing.
    drop(health.permit(now, false).unwrap());
    health.permit(now, false).unwrap().succeeded(now);
    assert_eq!(health.state(now), State::Available);
    ask(&health, now, Some(UpstreamKind::AuthFailed));
    assert_eq!(health.state(now), State::Out(now + 10 * SECOND), "forgiven");
}

#[test]
fn asked_anyway() {
    let start = Instant::now();
    let health = Health::new("e", Ejection::default(), start);
    ask(&health, start, Some(UpstreamKind::AuthFailed));
    assert!(health.permit(start, false).is_none());
    health.permit(start, true).unwrap().failed(&fault(UpstreamKind::AuthFailed), start);
    assert_eq!(health.state(start), State::Out(start + 10 * SECOND), "no longer for that");
    health.permit(start, true).unwrap().succeeded(start);
    assert_eq!(health.state(start), State::Available);
}

/// What is said of an endpoint is taken back by those who were sent there knowing it.
#[test]
fn answers_to_older_requests() {
    let start = Instant::now();
    let health = Health::new("e", Ejection::default(), start);
    let slow = health.permit(start, false).unwrap();
    let refused = health.permit(start, false).unwrap();
    ask(&health, start, Some(UpstreamKind::AuthFailed));
    slow.succeeded(start + SECOND);
    refused.failed(&fault(UpstreamKind::InvalidRequest), start + SECOND);
    assert_eq!(health.state(start + SECOND), State::Out(start + 10 * SECOND));
    // Nor do they make it worse when it is time to try again.
    let slow = {
        let health = Health::new("e", Ejection::default(), start);
        let slow = health.permit(start, false).unwrap();
        ask(&health, start, Some(UpstreamKind::AuthFailed));
        slow.failed(&fault(UpstreamKind::AuthFailed), start + 10 * SECOND);
        health.failed_later(&fault(UpstreamKind::AuthFailed), start + 10 * SECOND);
        health
    };
    assert_eq!(slow.state(start + 10 * SECOND), State::Due);
}

#[test]
fn failures_of_all_workers_count() {
    let start = Instant::now();
    let health = Health::new("e", Ejection::default(), start);
    let workers: Vec<_> = (0..5).map(|_| health.worker()).collect();
    workers.iter().for_each(|worker| ask(worker, start, None));
    for worker in &workers {
        assert_eq!(health.state(start), State::Available);
        ask(worker, start, Some(UpstreamKind::ProviderError));
    }
    assert_ne!(health.state(start), State::Available);
    // Successes of all too.
    let health = Health::new("e", Ejection::default(), start);
    let workers: Vec<_> = (0..6).map(|_| health.worker()).collect();
    workers.iter().for_each(|worker| ask(worker, start, None));
    workers[..5].iter().for_each(|worker| ask(worker, start, Some(UpstreamKind::ProviderError)));
    assert_eq!(health.state(start), State::Available);
}

#[test]
fn a_403_that_no_rule_knows_is_one_failure() {
    let start = Instant::now();
    let health = Health::new("e", Ejection::default(), start);
    let bare = UpstreamFault::new(UpstreamKind::AuthFailed, Cause::Status(403));
    health.permit(start, false).unwrap().failed(&bare, start);
    assert_eq!(health.state(start), State::Available);
    let known = bare.with_rule(Some("mine/key".to_owned()));
    health.permit(start, false).unwrap().failed(&known, start);
    assert_ne!(health.state(start), State::Available);
}
