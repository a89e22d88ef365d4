use super::*;
use crate::limit::Rate;
use governor::clock::FakeRelativeClock;
use proptest::prelude::*;
use std::{
    num::NonZeroU32,
    sync::{
        Barrier,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

fn units(n: u32) -> NonZeroU32 {
    NonZeroU32::new(n).unwrap()
}

fn per_second(n: u32) -> Rate {
    Rate::per(units(n), Duration::from_secs(1)).unwrap()
}

fn demand(bucket: u128, rate: Rate, cost: u32) -> Demand {
    Demand { quota: "q".into(), rate, bucket, cost: units(cost) }
}

fn local() -> (Local<FakeRelativeClock>, FakeRelativeClock) {
    let clock = FakeRelativeClock::default();
    (Local::with_clock(1_000, clock.clone()), clock)
}

/// Remaining units, and the wait and the reset in milliseconds.
fn figures(levels: &[Level]) -> Vec<(u32, u128, u128)> {
    levels.iter().map(|l| (l.remaining, l.wait.as_millis(), l.reset.as_millis())).collect()
}

#[test]
fn levels_at_the_edges() {
    let (local, clock) = local();
    let rate = per_second(10).with_burst(units(3));
    // When, at what cost, and then: remaining, wait, reset.
    let table = [
        (0, 1, (2, 0, 100)),
        (0, 1, (1, 0, 200)),
        (0, 2, (1, 100, 200)),
        (0, 1, (0, 0, 300)),
        (0, 1, (0, 100, 300)),
        (99, 1, (0, 1, 201)),
        (100, 1, (0, 0, 300)),
        (100, 3, (0, 300, 300)),
        (399, 3, (2, 1, 1)),
        (400, 3, (0, 0, 300)),
        (650, 1, (1, 0, 150)),
        (10_000, 4, (3, Duration::MAX.as_millis(), 0)),
        (10_000, 3, (0, 0, 300)),
    ];
    let mut now = 0;
    for (at, cost, want) in table {
        clock.advance(Duration::from_millis(at - now));
        now = at;
        assert_eq!(figures(&local.admit(&[demand(1, rate, cost)])), [want], "{at} ms, cost {cost}");
    }
}

#[test]
fn a_nanosecond_too_early() {
    let (local, clock) = local();
    let rate = per_second(1);
    assert!(local.admit(&[demand(1, rate, 1)])[0].wait.is_zero());
    clock.advance(Duration::from_nanos(999_999_999));
    assert_eq!(local.admit(&[demand(1, rate, 1)])[0].wait, Duration::from_nanos(1));
    clock.advance(Duration::from_nanos(1));
    assert!(local.admit(&[demand(1, rate, 1)])[0].wait.is_zero());
}

#[test]
fn all_quotas_or_none() {
    let (local, clock) = local();
    let (small, large) = (per_second(1), per_second(4));
    let both = [demand(1, large, 1), demand(2, small, 1)];
    assert_eq!(figures(&local.admit(&both)), [(3, 0, 250), (0, 0, 1000)]);
    // The second one refuses: the first is not charged, and says what it is.
    for _ in 0..3 {
        assert_eq!(figures(&local.admit(&both)), [(3, 0, 250), (0, 1000, 1000)]);
    }
    clock.advance(Duration::from_millis(1000));
    assert_eq!(figures(&local.admit(&both)), [(3, 0, 250), (0, 0, 1000)]);
    assert!(local.admit(&[]).is_empty());
    // Not even a trace of the others is left.
    local.admit(&[demand(3, large, 1), demand(2, small, 1), demand(4, large, 1)]);
    assert_eq!(local.len(), 2);
}

/// What another one takes between the check and the count is found when it is counted, and the rest is undone. The same
/// bucket twice in one request is such a case.
#[test]
fn taken_in_between() {
    let (local, _clock) = local();
    let (rate, other) = (per_second(1), per_second(4));
    let demands = [demand(3, other, 2), demand(1, rate, 1), demand(1, rate, 1), demand(2, rate, 1)];
    let want = [(4, 0, 0), (1, 0, 0), (0, 1000, 1000), (1, 0, 0)];
    assert_eq!(figures(&local.admit(&demands)), want);
    let afterwards: Vec<_> = demands.iter().map(|demand| local.look(demand, 0)).collect();
    assert_eq!(figures(&afterwards), [(4, 0, 0), (1, 0, 0), (1, 0, 0), (1, 0, 0)]);
}

#[test]
fn what_is_given_back_late_is_less() {
    let (local, clock) = local();
    let spent = demand(1, per_second(10), 5);
    local.admit(std::slice::from_ref(&spent));
    clock.advance(Duration::from_millis(30));
    local.give_back([&spent].into_iter(), 0);
    // 500 ms of debt, 30 of them paid by time, and 470 given back of the rest.
    assert_eq!(local.look(&spent, local.now()).reset, Duration::ZERO);
    local.admit(std::slice::from_ref(&spent));
    local.admit(std::slice::from_ref(&spent));
    let then = local.now();
    clock.advance(Duration::from_millis(30));
    local.give_back([&spent].into_iter(), then);
    // Exact would be 470: the rest is kept, and nobody gets more than the quota.
    assert_eq!(local.look(&spent, local.now()).reset, Duration::from_millis(500));
}

#[test]
fn extreme_rates() {
    let (local, clock) = local();
    clock.advance(Duration::from_secs(3600));
    let fastest = Rate::per(units(1_000_000_000), Duration::from_secs(1)).unwrap();
    let slowest = Rate::per(units(1), Duration::from_nanos(u64::MAX)).unwrap();
    let rates =
        [fastest, fastest.with_burst(NonZeroU32::MAX), slowest, slowest.with_burst(units(9))];
    for (bucket, rate) in rates.into_iter().enumerate() {
        let cheap = local.admit(&[demand(bucket as u128, rate, 1)])[0];
        assert_eq!(cheap.wait, Duration::ZERO, "{rate:?}");
        let dear = local.admit(&[demand(bucket as u128, rate, u32::MAX)])[0];
        assert!(!dear.wait.is_zero(), "{rate:?}");
    }
}

#[test]
fn a_flood_of_new_keys() {
    const MAX_KEYS: usize = 10_000;
    let clock = FakeRelativeClock::default();
    let local = Local::with_clock(MAX_KEYS, clock.clone());
    let (limited, flood) = (per_second(1).with_burst(units(5)), per_second(100));
    let hour = Rate::per(units(10), Duration::from_secs(3600)).unwrap();
    for _ in 0..5 {
        assert!(local.admit(&[demand(0, limited, 1)])[0].wait.is_zero());
    }
    for key in 1..=200_000 {
        // Time goes by in some of the flood, and some of it takes longer to be forgotten than the limited key.
        if key % 1_000 == 0 {
            clock.advance(Duration::from_millis(1));
        }
        let rate = if key % 2 == 0 { flood } else { hour };
        let level = local.admit(&[demand(key, rate, 1)])[0];
        assert!(level.wait.is_zero(), "a new caller is never refused");
        assert!(local.len() <= MAX_KEYS);
    }
    assert!(local.len() > MAX_KEYS * 3 / 4, "{}", local.len());
    assert!(
        !local.admit(&[demand(0, limited, 1)])[0].wait.is_zero(),
        "limited all the way through"
    );
}

#[test]
fn keys_as_good_as_new_make_room() {
    let clock = FakeRelativeClock::default();
    let local = Local::with_clock(100, clock.clone());
    let admit = |key| local.admit(&[demand(key, per_second(10), 1)]);
    (0..99).for_each(|key| _ = admit(key));
    clock.advance(Duration::from_millis(50));
    admit(99);
    clock.advance(Duration::from_millis(50));
    admit(100);
    assert_eq!(local.len(), 2);
}

#[test]
fn a_table_for_one() {
    let (local, _clock) = (Local::with_clock(0, FakeRelativeClock::default()), ());
    for key in 0..10 {
        assert!(local.admit(&[demand(key, per_second(1), 1)])[0].wait.is_zero());
        assert_eq!(local.len(), 1);
    }
}

/// Two threads that want two quotas in opposite orders get exactly what the smaller one has.
#[test]
fn two_threads() {
    let (local, _clock) = local();
    let (a, b) = (demand(1, per_second(700), 1), demand(2, per_second(1_000), 1));
    let admitted = AtomicU64::new(0);
    let barrier = Barrier::new(2);
    thread::scope(|scope| {
        for demands in [[a.clone(), b.clone()], [b.clone(), a.clone()]] {
            let (local, admitted, barrier) = (&local, &admitted, &barrier);
            scope.spawn(move || {
                barrier.wait();
                for _ in 0..1_000 {
                    let levels = local.admit(&demands);
                    if levels.iter().all(|level| level.wait.is_zero()) {
                        admitted.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    assert_eq!(admitted.load(Ordering::Relaxed), 700);
    assert_eq!(local.look(&a, 0).remaining, 0);
    assert_eq!(local.look(&b, 0).remaining, 300);
}

/// The same, as a bucket that time drips into.
struct Model {
    rate: Rate,
    /// Nanoseconds' worth of units.
    content: u64,
    then: u64,
}

impl Model {
    fn new(rate: Rate) -> Self {
        Self { rate, content: Self::size(rate), then: 0 }
    }

    fn size(rate: Rate) -> u64 {
        rate.interval().as_nanos() as u64 * u64::from(rate.burst().get())
    }

    fn drip(&mut self, now: u64) {
        self.content = (self.content + now - self.then).min(Self::size(self.rate));
        self.then = now;
    }

    fn price(&self, cost: u32) -> u64 {
        self.rate.interval().as_nanos() as u64 * u64::from(cost)
    }

    fn level(&self, cost: u32, spent: bool) -> Level {
        let missing = self.price(cost).saturating_sub(self.content);
        Level {
            remaining: (self.content / self.rate.interval().as_nanos() as u64) as u32,
            wait: if spent { Duration::ZERO } else { Duration::from_nanos(missing) },
            reset: Duration::from_nanos(Self::size(self.rate) - self.content),
        }
    }
}

prop_compose! {
    fn any_rate()(units_ in 1..50_u32, millis in 1..2_000_u64, burst in 1..20_u32) -> Rate {
        Rate::per(units(units_), Duration::from_millis(millis)).unwrap().with_burst(units(burst))
    }
}

proptest! {
    #[test]
    fn as_the_model_and_never_more_than_the_quota(
        rates in prop::collection::vec(any_rate(), 1..4),
        requests in prop::collection::vec((0..300_000_000_u64, prop::collection::vec(1..6_u32, 4)), 1..120),
    ) {
        let (local, clock) = local();
        let mut models: Vec<Model> = rates.iter().map(|rate| Model::new(*rate)).collect();
        let mut admitted: Vec<Vec<(u64, u32)>> = vec![Vec::new(); rates.len()];
        let mut now = 0;
        for (pause, costs) in requests {
            clock.advance(Duration::from_nanos(pause));
            now += pause;
            let costs: Vec<u32> =
                rates.iter().zip(costs).map(|(rate, cost)| cost.min(rate.burst().get())).collect();
            let demands: Vec<Demand> = rates
                .iter()
                .zip(&costs)
                .enumerate()
                .map(|(bucket, (rate, cost))| demand(bucket as u128, *rate, *cost))
                .collect();
            models.iter_mut().for_each(|model| model.drip(now));
            let fits = models.iter().zip(&costs).all(|(model, cost)| model.content >= model.price(*cost));
            if fits {
                for (i, (model, cost)) in models.iter_mut().zip(&costs).enumerate() {
                    model.content -= model.price(*cost);
                    admitted[i].push((now, *cost));
                }
            }
            let want: Vec<Level> =
                models.iter().zip(&costs).map(|(model, cost)| model.level(*cost, fits)).collect();
            prop_assert_eq!(&local.admit(&demands)[..], &want[..]);
        }
        for (rate, admitted) in rates.iter().zip(admitted) {
            for (i, (start, _)) in admitted.iter().enumerate() {
                let mut sum = 0;
                for (end, cost) in &admitted[i..] {
                    sum += u64::from(*cost);
                    let most = (end - start) / rate.interval().as_nanos() as u64;
                    prop_assert!(sum <= u64::from(rate.burst().get()) + most);
                }
            }
        }
    }
}
