use super::Limits;
use std::{
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};
use tokio::time::{Instant, Sleep, sleep_until};

/// The deadlines of a connection, on one timer that is moved as seldom as can be.
///
/// A request on a connection that is kept alive moves nothing: when the timer fires, it looks whether
/// anything happened since it was set, and if so is set anew.
#[derive(Debug)]
pub(super) struct Clock {
    /// When the head that is due must be complete.
    head: Option<Instant>,
    reads: usize,
    /// What had happened when the timer was set.
    seen: usize,
    timer: Option<Pin<Box<Sleep>>>,
}

impl Clock {
    /// A fresh connection: its first head is due.
    pub(super) fn new(limits: &Limits) -> Self {
        Self { head: Some(Instant::now() + limits.header_timeout), reads: 0, seen: 0, timer: None }
    }

    /// Bytes were read.
    pub(super) fn read(&mut self) {
        self.reads = self.reads.wrapping_add(1);
    }

    /// A head has begun, or goes on.
    pub(super) fn head_begun(&mut self, limits: &Limits) {
        self.head.get_or_insert_with(|| Instant::now() + limits.header_timeout);
    }

    /// No head has begun.
    pub(super) fn head_ended(&mut self) {
        self.head = None;
    }

    /// Ready when time is up, for a head or for an `idle` connection. `ended` are the requests so far.
    pub(super) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        limits: &Limits,
        ended: usize,
        idle: bool,
    ) -> Poll<()> {
        let happened = self.reads.wrapping_add(ended);
        let timer = match &mut self.timer {
            Some(timer) => {
                if let Some(head) = self.head
                    && head < timer.deadline()
                {
                    timer.as_mut().reset(head);
                }
                timer
            }
            None => {
                self.seen = happened;
                let first = self.head.unwrap_or_else(|| Instant::now() + limits.idle_timeout);
                self.timer.insert(Box::pin(sleep_until(first)))
            }
        };
        loop {
            ready!(timer.as_mut().poll(cx));
            match self.head {
                Some(head) if head <= timer.deadline() => return Poll::Ready(()),
                Some(head) => timer.as_mut().reset(head),
                None if idle && self.seen == happened => return Poll::Ready(()),
                None => {
                    self.seen = happened;
                    timer.as_mut().reset(Instant::now() + limits.idle_timeout);
                }
            }
        }
    }

    /// Sets the timer for the last time.
    pub(super) fn set(&mut self, time: Duration) {
        let deadline = Instant::now() + time;
        match &mut self.timer {
            Some(timer) => timer.as_mut().reset(deadline),
            None => self.timer = Some(Box::pin(sleep_until(deadline))),
        }
    }

    /// Ready when the time of [`set`](Self::set) is up.
    pub(super) fn poll_set(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match &mut self.timer {
            Some(timer) => timer.as_mut().poll(cx),
            None => Poll::Ready(()),
        }
    }
}
