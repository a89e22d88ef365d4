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
    /// There is none. When the first of them is back, if any is only out for a while.
    Nobody(Option<Instant>),
}

/// Chooses among those that are available: the fewest tries first, then the lowest priority, then by weight. `again`: also
/// among those that were tried. `all_out`: all may be out at once. `random`: from 0 up to, and without, 1.
pub(super) fn choose(candidates: &[Candidate], again: bool, all_out: bool, random: f64) -> Choice {
    let may = |candidate: &Candidate| again || candidate.tries == 0;
    let available =
        |candidate: &&Candidate| may(candidate) && !matches!(candidate.state, State::Out(_));
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
    let back = |candidate: &Candidate| match candidate.state {
        State::Out(until) if may(candidate) => Some(until),
        _ => None,
    };
    let first = candidates
        .iter()
        .enumerate()
        .min_by_key(|(_, candidate)| (candidate.tries, back(candidate)));
    match first {
        Some((at, candidate))
            if !all_out && candidate.tries == 0 && candidates.iter().all(|c| c.tries == 0) =>
        {
            Choice::AskAnyway(at)
        }
        _ => Choice::Nobody(candidates.iter().filter_map(back).min()),
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
            // Not after others have failed.
            (vec![(0, out(9), 1), (1, out(5), 0)], Choice::Nobody(back(5))),
            (vec![(0, out(9), 1)], Choice::Nobody(back(9))),
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
            (vec![(0, out(9), 1), (1, Available, 1)], Choice::Nobody(None)),
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
