use super::{
    counts::{Counts, Operation},
    op::{Job, Outcome, Overdue, Reply},
};
use crate::{
    charge::{End, HoldId},
    store::StoreError,
};
use jiff::Timestamp;
use std::{
    collections::{HashSet, VecDeque},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
        mpsc::{Receiver, RecvTimeoutError},
    },
    time::{Duration, Instant},
};

/// What is written at once, at most.
const MOST: usize = 1_024;
/// Between two looks for holds whose time limit has come, and two attempts at what could not be written.
const INTERVAL: Duration = Duration::from_millis(500);
/// For so long a store is left alone that has failed.
const PAUSE: Duration = Duration::from_millis(400);
/// Releases that could not be written are kept up to this number; what is beyond ends with its time limit.
const MOST_UNWRITTEN: usize = 100_000;
/// How many holds are ended at once when their time limit has come.
const MOST_OVERDUE: u32 = 500;
/// How many tasks, keys and callbacks are forgotten at once, and how often in a row, while others wait.
const MOST_FORGOTTEN: u32 = 1_000;
const MOST_ROUNDS: u32 = 8;
/// So many that cannot be ended are not tried again; what is beyond is, whenever holds are looked for.
const MOST_STUCK: usize = 1_000;

/// The ledger of one kind of store.
pub(in crate::store) trait Books {
    /// Does all of these in their order, or none of them. `must_last`: when it returns, they would outlive a power failure.
    fn write(
        &mut self,
        jobs: &[Job],
        must_last: bool,
        now: Timestamp,
    ) -> Result<Vec<Outcome>, StoreError>;

    /// Holds whose time limit has come, at most so many, the longest overdue first; none of these.
    fn overdue(
        &mut self,
        now: Timestamp,
        most: u32,
        except: &[HoldId],
    ) -> Result<Vec<Overdue>, StoreError>;

    /// Ends them as they are to end then, all of them or none. Those that somebody else has ended meanwhile, or that were given more
    /// time, are not among those that are returned.
    fn end_overdue(&mut self, holds: &[HoldId], now: Timestamp) -> Result<Vec<HoldId>, StoreError>;

    /// Writes something that changes nothing: whether the store can be written to.
    fn probe(&mut self) -> Result<(), StoreError>;

    /// Forgets tasks, keys and callbacks whose time is over, at most so many of each. How many it were of the more numerous ones.
    fn forget(&mut self, now: Timestamp, most: u32) -> Result<u64, StoreError>;
}

/// What the thread does.
pub(super) struct Writer<B> {
    books: B,
    /// For the log.
    store: String,
    waiting: Arc<AtomicUsize>,
    healthy: Arc<AtomicBool>,
    outage: Option<Outage>,
    /// Money that is to go back, and that the store has not heard of.
    unwritten: VecDeque<HoldId>,
    /// Holds whose time limit has come, and that the store cannot end.
    stuck: Vec<HoldId>,
    counts: Counts,
}

/// A store that cannot work at present.
struct Outage {
    since: Instant,
    error: Arc<StoreError>,
    /// Until then it is not tried again: whoever asks is refused at once, instead of one after the other waiting for nothing.
    pause: Instant,
}

/// Whoever has stopped writing is not well, least of all after a panic.
impl<B> Drop for Writer<B> {
    fn drop(&mut self) {
        self.healthy.store(false, Ordering::Relaxed);
    }
}

impl<B: Books> Writer<B> {
    pub(super) fn new(
        books: B,
        store: String,
        waiting: Arc<AtomicUsize>,
        healthy: Arc<AtomicBool>,
    ) -> Self {
        let (unwritten, stuck) = (VecDeque::new(), Vec::new());
        Self {
            books,
            store,
            waiting,
            healthy,
            outage: None,
            unwritten,
            stuck,
            counts: Counts::default(),
        }
    }

    /// Tells this what is written.
    pub(super) fn counted(mut self, counts: Counts) -> Self {
        self.counts = counts;
        self
    }

    pub(super) fn run(mut self, asked: &Receiver<Job>) {
        let mut next_look = Instant::now();
        let mut jobs = Vec::new();
        let mut stops = false;
        while !stops {
            match asked.recv_timeout(next_look.saturating_duration_since(Instant::now())) {
                Ok(first) => {
                    jobs.extend(std::iter::once(first).chain(asked.try_iter()).take(MOST));
                    stops = jobs.iter().any(|job| matches!(job, Job::Stop));
                    let new = jobs.iter().filter(|job| job.is_new_work()).count();
                    self.waiting.fetch_sub(new, Ordering::Relaxed);
                    self.write(std::mem::take(&mut jobs));
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => stops = true,
            }
            if Instant::now() >= next_look {
                self.probe();
                self.write_unwritten();
                self.end_overdue();
                self.forget();
                next_look = Instant::now() + INTERVAL;
            }
        }
        self.write_unwritten();
    }

    /// Tries a store that has failed: those who would ask it may stay away as long as it does.
    fn probe(&mut self) {
        if self.outage.is_some() && self.pausing().is_none() {
            let probed = self.books.probe();
            let _ = self.note(probed);
        }
    }

    fn write(&mut self, mut jobs: Vec<Job>) {
        // Nobody waits for it any more: it is not begun. Whoever asked for it releases it, which is then nothing.
        jobs.retain(|job| !matches!(job, Job::Stop) && !job.is_hold_for_nobody());
        if jobs.is_empty() {
            return;
        }
        if let Some(error) = self.pausing() {
            return self.fail(jobs, &error);
        }
        match self.try_write(&jobs) {
            Ok(outcomes) => {
                for (job, outcome) in jobs.iter().zip(&outcomes) {
                    self.counts.add_outcome(job, outcome);
                }
                answer(jobs, outcomes);
            }
            // One of them may be what the store cannot do; the others are not to suffer for it.
            Err(error) if jobs.len() > 1 && !error.is_outage() => {
                jobs.into_iter().for_each(|job| self.write(vec![job]));
            }
            Err(error) => {
                if let [job] = &*jobs
                    && !error.is_outage()
                {
                    tracing::error!(store = self.store, %job, %error, "the ledger cannot do this");
                }
                self.fail(jobs, &error);
            }
        }
    }

    fn try_write(&mut self, jobs: &[Job]) -> Result<Vec<Outcome>, Arc<StoreError>> {
        let must_last = jobs.iter().any(Job::must_last);
        let written = self.books.write(jobs, must_last, Timestamp::now());
        self.note(written)
    }

    /// Tells whoever waits, and keeps what must not be lost.
    fn fail(&mut self, jobs: Vec<Job>, error: &Arc<StoreError>) {
        for job in jobs {
            match job {
                Job::Hold(_, reply) => tell(reply, Err(error.clone())),
                Job::End(id, end, reply) => {
                    if end == End::Release && self.unwritten.len() < MOST_UNWRITTEN {
                        self.unwritten.push_back(id);
                    }
                    tell(reply, Err(error.clone()));
                }
                Job::Record(_, reply) => tell(reply, Err(error.clone())),
                Job::Find(_, reply) => tell(reply, Err(error.clone())),
                Job::Begin(_, reply) => tell(reply, Err(error.clone())),
                // Until its lease ends the key is in use.
                Job::Keep(_, _, reply) | Job::GiveBack(_, reply) => tell(reply, Err(error.clone())),
                Job::Hint(_, _, reply) => tell(reply, Err(error.clone())),
                // When its lease is over, it is due again.
                Job::Claim(_, reply) => tell(reply, Err(error.clone())),
                Job::Step(_, reply) => tell(reply, Err(error.clone())),
                // Whoever asks next hears it from the provider again.
                Job::EndTask(_, _, reply) => tell(reply, Err(error.clone())),
                Job::Stop => {}
            }
        }
    }

    /// Gives back what could not be given back before.
    fn write_unwritten(&mut self) {
        while !self.unwritten.is_empty() && self.pausing().is_none() {
            let release = |id: &HoldId| Job::End(*id, End::Release, nobody());
            let jobs: Vec<Job> = self.unwritten.iter().take(MOST).map(release).collect();
            match self.try_write(&jobs) {
                Ok(_) => drop(self.unwritten.drain(..jobs.len())),
                // The first of them is nothing that the store can do: its time limit will see to it.
                Err(error) if !error.is_outage() => {
                    if jobs.len() == 1 || self.try_write(&jobs[..1]).is_err() {
                        tracing::error!(store = self.store, hold = ?self.unwritten.front(), %error, "a hold cannot be released");
                    }
                    self.unwritten.pop_front();
                }
                Err(_) => return,
            }
        }
    }

    fn end_overdue(&mut self) {
        while self.pausing().is_none() {
            let now = Timestamp::now();
            let overdue = self.books.overdue(now, MOST_OVERDUE, &self.stuck);
            let overdue = match self.note_look(overdue) {
                Ok(overdue) => overdue,
                Err(error) => return self.complain(&error, "holds cannot be looked for"),
            };
            let ids: Vec<_> = overdue.iter().map(|hold| hold.id).collect();
            let ended = self.end_each(&ids, now);
            for Overdue { id, account, amount, request_id, then } in &overdue {
                if ended.contains(id) {
                    self.counts.add(Operation::Overdue, *amount);
                    tracing::warn!(
                        hold = %id, account, %amount, request_id, end = then.as_str(),
                        "a hold has reached its time limit, and nobody knows how the work ended"
                    );
                }
            }
            // Where some could not be ended, there may be no end to it.
            if ended.len() < MOST_OVERDUE as usize {
                return;
            }
        }
    }

    /// Ends these; one that cannot be ended keeps the others from nothing.
    fn end_each(&mut self, ids: &[HoldId], now: Timestamp) -> HashSet<HoldId> {
        if ids.is_empty() || self.pausing().is_some() {
            return HashSet::new();
        }
        let ended = self.books.end_overdue(ids, now);
        match (self.note(ended), ids) {
            (Ok(ended), _) => ended.into_iter().collect(),
            (Err(error), _) if error.is_outage() => HashSet::new(),
            (Err(error), [id]) => {
                if self.stuck.len() < MOST_STUCK {
                    self.stuck.push(*id);
                }
                tracing::error!(store = self.store, hold = %id, %error, "a hold has reached its time limit and cannot be ended");
                HashSet::new()
            }
            (Err(_), _) => {
                let (first, second) = ids.split_at(ids.len() / 2);
                let mut ended = self.end_each(first, now);
                ended.extend(self.end_each(second, now));
                ended
            }
        }
    }

    fn forget(&mut self) {
        for _ in 0..MOST_ROUNDS {
            if self.pausing().is_some() {
                return;
            }
            let forgotten = self.books.forget(Timestamp::now(), MOST_FORGOTTEN);
            match self.note_look(forgotten) {
                Ok(forgotten) if forgotten >= u64::from(MOST_FORGOTTEN) => {}
                Ok(_) => return,
                Err(error) => {
                    return self.complain(
                        &error,
                        "tasks, idempotency keys and callbacks cannot be forgotten",
                    );
                }
            }
        }
    }

    /// Says what cannot be done, where it is not for an outage, of which was told already.
    fn complain(&self, error: &StoreError, what: &str) {
        if !error.is_outage() {
            tracing::error!(store = self.store, %error, "{what}");
        }
    }

    /// Why nothing is tried at present, if so.
    fn pausing(&self) -> Option<Arc<StoreError>> {
        let outage = self.outage.as_ref().filter(|outage| Instant::now() < outage.pause);
        outage.map(|outage| outage.error.clone())
    }

    /// The same of something that may have been a look and nothing else: that one can look does not mean that one can write.
    fn note_look<T>(&mut self, done: Result<T, StoreError>) -> Result<T, Arc<StoreError>> {
        match (done, &self.outage) {
            (Ok(done), Some(_)) => Ok(done),
            (done, _) => self.note(done),
        }
    }

    /// Says when the store begins to fail, and when that is over. One that cannot do what it was asked does not fail.
    fn note<T>(&mut self, done: Result<T, StoreError>) -> Result<T, Arc<StoreError>> {
        let done = done.map_err(Arc::new);
        let failure = done.as_ref().err().filter(|error| error.is_outage());
        match (failure, self.outage.take()) {
            (None, None) => {}
            (None, Some(Outage { since, .. })) => {
                self.healthy.store(true, Ordering::Relaxed);
                let after = since.elapsed();
                tracing::info!(store = self.store, ?after, "the ledger is back");
            }
            (Some(error), before) => {
                let now = Instant::now();
                if before.is_none() {
                    self.healthy.store(false, Ordering::Relaxed);
                    tracing::warn!(store = self.store, %error, "the ledger fails; what is to be paid for is refused");
                }
                let since = before.map_or(now, |outage| outage.since);
                self.outage = Some(Outage { since, error: error.clone(), pause: now + PAUSE });
            }
        }
        done
    }
}

fn answer(jobs: Vec<Job>, outcomes: Vec<Outcome>) {
    for (job, outcome) in jobs.into_iter().zip(outcomes) {
        match (job, outcome) {
            (Job::Hold(_, reply), Outcome::Held(held)) => tell(reply, Ok(held)),
            (Job::End(_, _, reply), Outcome::Ended(ended)) => tell(reply, Ok(ended)),
            (Job::Record(_, reply), Outcome::Recorded(recorded)) => tell(reply, Ok(recorded)),
            (Job::Find(_, reply), Outcome::Found(task)) => tell(reply, Ok(task)),
            (Job::EndTask(_, _, reply), Outcome::TaskEnded(ended)) => tell(reply, Ok(ended)),
            (Job::Begin(_, reply), Outcome::Begun(begun)) => tell(reply, Ok(begun)),
            (Job::Hint(_, _, reply), Outcome::Hinted(hinted)) => tell(reply, Ok(hinted)),
            (Job::Claim(_, reply), Outcome::Claimed(due)) => tell(reply, Ok(due)),
            (
                Job::Keep(_, _, reply) | Job::GiveBack(_, reply) | Job::Step(_, reply),
                Outcome::Done,
            ) => tell(reply, Ok(())),
            // A defect of the books; whoever waits hears that nobody answers.
            _ => {}
        }
    }
}

fn tell<T>(reply: Reply<T>, answer: Result<T, Arc<StoreError>>) {
    // Nobody may be waiting any more.
    let _ = reply.send(answer);
}

/// In the place of somebody who waits.
fn nobody<T>() -> Reply<T> {
    tokio::sync::oneshot::channel().0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        auth::{Account, Principal},
        charge::{Amount, AtLimit, NewHold, Reservation, TimeLimit},
    };
    use std::sync::mpsc;

    /// Books that cannot do anything with some holds, and nothing at all while they are away.
    #[derive(Default)]
    struct Picky {
        bad: Vec<HoldId>,
        is_away: bool,
        overdue: Vec<HoldId>,
        written: usize,
    }

    impl Picky {
        fn try_with(&self, mut ids: impl Iterator<Item = HoldId>) -> Result<(), StoreError> {
            match ids.any(|id| self.bad.contains(&id)) {
                _ if self.is_away => Err(StoreError::Locked),
                true => Err(StoreError::corrupt("a test")),
                false => Ok(()),
            }
        }
    }

    impl Books for Picky {
        fn write(
            &mut self,
            jobs: &[Job],
            _: bool,
            _: Timestamp,
        ) -> Result<Vec<Outcome>, StoreError> {
            self.written += 1;
            self.try_with(jobs.iter().filter_map(|job| match job {
                Job::Hold(new, _) => Some(new.id),
                _ => None,
            }))?;
            Ok(jobs.iter().map(|_| Outcome::Held(Reservation::Held)).collect())
        }

        fn overdue(
            &mut self,
            _: Timestamp,
            most: u32,
            except: &[HoldId],
        ) -> Result<Vec<Overdue>, StoreError> {
            let ids = self.overdue.iter().filter(|id| !except.contains(id)).take(most as usize);
            let overdue = |id: &HoldId| Overdue {
                id: *id,
                account: "acme".to_owned(),
                amount: Amount::from_micros(1),
                request_id: None,
                then: AtLimit::Release,
            };
            Ok(ids.map(overdue).collect())
        }

        fn end_overdue(
            &mut self,
            holds: &[HoldId],
            _: Timestamp,
        ) -> Result<Vec<HoldId>, StoreError> {
            self.try_with(holds.iter().copied())?;
            self.overdue.retain(|id| !holds.contains(id));
            Ok(holds.to_vec())
        }

        fn probe(&mut self) -> Result<(), StoreError> {
            self.try_with(std::iter::empty())
        }

        fn forget(&mut self, _: Timestamp, _: u32) -> Result<u64, StoreError> {
            Ok(0)
        }
    }

    fn writer(books: Picky) -> Writer<Picky> {
        let healthy = Arc::new(AtomicBool::new(true));
        Writer::new(books, String::new(), Arc::default(), healthy)
    }

    fn hold() -> NewHold {
        NewHold {
            id: HoldId::new(),
            principal: Principal::new(Arc::new(Account::new("acme")), "key"),
            amount: Amount::from_micros(1),
            limit: TimeLimit { after: Duration::from_secs(1), then: AtLimit::Release },
            request_id: None,
            item: None,
            turn: None,
        }
    }

    type Answer = tokio::sync::oneshot::Receiver<Result<Reservation, Arc<StoreError>>>;

    fn ask(new: &NewHold) -> (Job, Answer) {
        let (reply, answer) = tokio::sync::oneshot::channel();
        (Job::Hold(new.clone(), reply), answer)
    }

    /// However often a hold is tried, it has waited once.
    #[test]
    fn what_waits_is_counted_once() {
        let (jobs, asked) = mpsc::channel();
        let (mut answers, mut bad) = (Vec::new(), Vec::new());
        for _ in 0..2 {
            let new = hold();
            let (job, answer) = ask(&new);
            jobs.send(job).unwrap();
            answers.push(answer);
            bad.push(new.id);
        }
        jobs.send(Job::Stop).unwrap();
        let waiting = Arc::new(AtomicUsize::new(2));
        let books = Picky { bad, ..Picky::default() };
        Writer::new(books, String::new(), waiting.clone(), Arc::default()).run(&asked);
        assert_eq!(waiting.load(Ordering::Relaxed), 0);
        assert!(answers.into_iter().all(|answer| answer.blocking_recv().unwrap().is_err()));
    }

    /// It fails alone, and it is no outage.
    #[test]
    fn what_the_store_cannot_do() {
        let holds = [hold(), hold(), hold()];
        let mut writer = writer(Picky { bad: vec![holds[1].id], ..Picky::default() });
        let (jobs, answers): (Vec<_>, Vec<_>) = holds.iter().map(ask).unzip();
        writer.write(jobs);
        let held: Vec<_> =
            answers.into_iter().map(|a| a.blocking_recv().unwrap().is_ok()).collect();
        assert_eq!(held, [true, false, true]);
        assert!(writer.healthy.load(Ordering::Relaxed) && writer.outage.is_none());
    }

    /// Whoever comes while the store is left alone is refused at once.
    #[test]
    fn an_outage() {
        let mut writer = writer(Picky { is_away: true, ..Picky::default() });
        for _ in 0..3 {
            let (job, answer) = ask(&hold());
            writer.write(vec![job]);
            assert!(matches!(&*answer.blocking_recv().unwrap().unwrap_err(), StoreError::Locked));
        }
        assert_eq!(writer.books.written, 1);
        assert!(!writer.healthy.load(Ordering::Relaxed));
        writer.books.is_away = false;
        writer.outage.as_mut().unwrap().pause = Instant::now();
        let (job, answer) = ask(&hold());
        writer.write(vec![job]);
        assert_eq!(answer.blocking_recv().unwrap().unwrap(), Reservation::Held);
        assert!(writer.healthy.load(Ordering::Relaxed));
    }

    /// A store that can be looked at and not written to is not back; and nobody has to ask for it to be found out when it is.
    #[test]
    fn a_look_is_no_end_of_an_outage() {
        let mut writer = writer(Picky { is_away: true, ..Picky::default() });
        writer.write(vec![ask(&hold()).0]);
        writer.outage.as_mut().unwrap().pause = Instant::now();
        writer.end_overdue();
        writer.forget();
        assert!(!writer.healthy.load(Ordering::Relaxed));
        writer.probe();
        assert!(!writer.healthy.load(Ordering::Relaxed));
        writer.books.is_away = false;
        writer.outage.as_mut().unwrap().pause = Instant::now();
        writer.probe();
        assert!(writer.healthy.load(Ordering::Relaxed));
    }

    /// One that cannot be ended keeps the others from nothing, and is not tried for ever.
    #[test]
    fn a_hold_that_cannot_be_ended() {
        let overdue: Vec<_> = (0..1_200).map(|_| HoldId::new()).collect();
        let bad = vec![overdue[0], overdue[700]];
        let mut writer = writer(Picky { bad: bad.clone(), overdue, ..Picky::default() });
        for _ in 0..4 {
            writer.end_overdue();
        }
        assert_eq!((&writer.books.overdue, &writer.stuck), (&bad, &bad));
        assert!(writer.healthy.load(Ordering::Relaxed));
    }
}
