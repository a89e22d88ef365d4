//! Which endpoint is asked next.

use super::health::State;
use tokio::time::Instant;

/// What is known of an endpoint when it is chosen.
#[derive(Clone, Copy, Debug)]
pub(super) struct Candidate {
    /// Lower ones are asked first.
    pub(super) priority: u32,
    /// Its share among those of the same priority.
    pub(super) weight: u32,
    pub(super) state: State,
    /// How often this request has tried it.
    pub(super) tries: u32,
}

/// What to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Choice {
    /// Ask this one.
    Ask(usize),
    /// Ask this one although it is out: all are.
    AskAnyway(usize),
    /// There is none but this one, which wants a pause until then.
    Wait(Instant),
    /// There is none. When the first of them is back, if any is only out for a while.
    Nobody(Option<Instant>),
}

/// Chooses among those that are available: the fewest tries first, then the lowest priority, then by weight. `again`: also
/// among those that were tried. `all_out`: all may be out at once. `random`: from 0 up to, and without, 1.
pub(super) fn choose(candidates: &[Candidate], again: bool, all_out: bool, random: f64) -> Choice {
    let may = |candidate: &Candidate| again || candidate.tries == 0;
    let is_out = |candidate: &Candidate| candidate.state.back().is_some();
    let available = |candidate: &&Candidate| may(candidate) && !is_out(candidate);
    let order = |candidate: &Candidate| (candidate.tries, candidate.priority);
    if let Some(first) = candidates.iter().filter(available).map(order).min() {
        let equal = |(_, candidate): &(usize, &Candidate)| {
            available(candidate) && order(candidate) == first
        };
        let equals = || candidates.iter().enumerate().filter(equal);
        // One that is due is tried at once, so that it comes back.
        if let Some((due, _)) = equals().find(|(_, candidate)| candidate.state == State::Due) {
            return Choice::Ask(due);
        }
        return Choice::Ask(by_weight(equals(), random));
    }
    let left = || candidates.iter().enumerate().filter(|(_, candidate)| may(candidate));
    let is_first = candidates.iter().all(|candidate| candidate.tries == 0);
    // Who has tried may try again after a pause, and who may try often may also try those that are ill.
    let paused = left().filter_map(|(_, candidate)| match candidate.state {
        State::Paused(back) => Some(back),
        _ => None,
    });
    if let (false, true, Some(back)) = (is_first, again, paused.min()) {
        return Choice::Wait(back);
    }
    let first = left().min_by_key(|(_, candidate)| (candidate.tries, candidate.state.back()));
    match first {
        Some((at, candidate)) if !all_out && is_out(candidate) && (is_first || again) => {
            Choice::AskAnyway(at)
        }
        _ => Choice::Nobody(left().filter_map(|(_, candidate)| candidate.state.back()).min()),
    }
}

fn by_weight<'c>(
    candidates: impl Iterator<Item = (usize, &'c Candidate)> + Clone,
    random: f64,
) -> usize {
    let total: f64 = candidates.clone().map(|(_, candidate)| f64::from(candidate.weight)).sum();
    let mut left = random * total;
    let mut last = 0;
    for (at, candidate) in candidates {
        last = at;
        left -= f64::from(candidate.weight);
        if left < 0.0 {
            break;
        }
    }
    last
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn who_is_next() {
        use State::{Available, Due};
        let now = Instant::now();
        let out = |seconds| State::Out(now + Duration::from_secs(seconds));
        let paused = |seconds| State::Paused(now + Duration::from_secs(seconds));
        let back = |seconds| Some(now + Duration::from_secs(seconds));
        let of = |(priority, state, tries)| Candidate { priority, weight: 1, state, tries };
        let table = [
            (vec![(0, Available, 0), (1, Available, 0)], Choice::Ask(0)),
            (vec![(1, Available, 0), (0, Available, 0)], Choice::Ask(1)),
            (vec![(0, out(5), 0), (1, Available, 0)], Choice::Ask(1)),
            (vec![(0, Due, 0), (1, Available, 0)], Choice::Ask(0)),
            (vec![(0, Available, 0), (0, Due, 0)], Choice::Ask(1)),
            (vec![(0, Available, 1), (1, Available, 0)], Choice::Ask(1)),
            (vec![(0, Available, 1), (1, Available, 1)], Choice::Ask(0)),
            (vec![(0, Available, 2), (1, Available, 1)], Choice::Ask(1)),
            (vec![(0, Available, 1), (1, out(5), 0)], Choice::Ask(0)),
            (vec![(0, out(9), 0), (1, out(5), 0)], Choice::AskAnyway(1)),
            // Those that are ill, and those that want a pause.
            (vec![(0, out(9), 1), (1, out(5), 0)], Choice::AskAnyway(1)),
            (vec![(0, out(9), 1)], Choice::AskAnyway(0)),
            (vec![(0, out(9), 1), (1, paused(5), 1)], Choice::Wait(now + Duration::from_secs(5))),
            (vec![(0, paused(9), 0), (1, paused(5), 0)], Choice::AskAnyway(1)),
            (vec![], Choice::Nobody(None)),
        ];
        for (candidates, want) in table {
            let candidates: Vec<_> = candidates.into_iter().map(of).collect();
            assert_eq!(choose(&candidates, true, false, 0.5), want, "{candidates:?}");
        }
        let all_out = [of((0, out(9), 0)), of((1, out(5), 0))];
        assert_eq!(choose(&all_out, true, true, 0.5), Choice::Nobody(back(5)));
        // Each once.
        let table = [
            (vec![(0, Available, 1), (1, Available, 0)], Choice::Ask(1)),
            (vec![(0, Available, 1), (1, out(5), 0)], Choice::Nobody(back(5))),
            (vec![(0, Available, 1), (1, paused(5), 0)], Choice::Nobody(back(5))),
            (vec![(0, out(9), 1), (1, Available, 1)], Choice::Nobody(None)),
            (vec![(0, out(9), 0), (1, paused(5), 0)], Choice::AskAnyway(1)),
        ];
        for (candidates, want) in table {
            let candidates: Vec<_> = candidates.into_iter().map(of).collect();
            assert_eq!(choose(&candidates, false, false, 0.5), want, "{candidates:?}");
        }
    }

    #[test]
    fn by_their_weights() {
        let of = |weight| Candidate { priority: 0, weight, state: State::Available, tries: 0 };
        let candidates = [of(1), of(3), of(0)];
        let mut counts = [0; 3];
        for step in 0..1000 {
            let Choice::Ask(at) = choose(&candidates, true, false, f64::from(step) / 1000.0) else {
                panic!()
            };
            counts[at] += 1;
        }
        assert_eq!(counts, [250, 750, 0]);
    }
}
