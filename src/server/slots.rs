use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Places for connections, of which there can be more or fewer while they are taken.
#[derive(Debug)]
pub(super) struct Slots {
    free: Arc<Semaphore>,
    size: Mutex<Size>,
}

#[derive(Debug)]
struct Size {
    most: usize,
    /// Places that are given up as soon as they are free.
    surplus: usize,
}

/// The most places that there can be: what is to be given up counts too.
const LARGEST: usize = Semaphore::MAX_PERMITS / 4;

impl Slots {
    pub(super) fn new(most: usize) -> Self {
        let most = most.min(LARGEST);
        Self { free: Arc::new(Semaphore::new(most)), size: Mutex::new(Size { most, surplus: 0 }) }
    }

    /// Waits for a place, which is free again when what is returned is dropped.
    pub(super) async fn take(&self) -> OwnedSemaphorePermit {
        loop {
            match self.free.clone().acquire_owned().await {
                Ok(place) if self.gives_up() => place.forget(),
                Ok(place) => return place,
                Err(_) => unreachable!("nobody closes it"),
            }
        }
    }

    fn gives_up(&self) -> bool {
        let mut size = self.size.lock().unwrap_or_else(PoisonError::into_inner);
        let gives_up = size.surplus > 0;
        size.surplus -= usize::from(gives_up);
        gives_up
    }

    /// More or fewer from now on. Whoever has a place keeps it: where there are too many, the next one waits until enough have gone.
    pub(super) fn resize(&self, most: usize) {
        let most = most.min(LARGEST);
        let mut size = self.size.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(fewer) = size.most.checked_sub(most) {
            size.surplus += fewer;
        } else {
            let more = most - size.most;
            let kept = more.min(size.surplus);
            size.surplus -= kept;
            self.free.add_permits(more - kept);
        }
        size.most = most;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio_test::{assert_pending, assert_ready, task::spawn};

    #[test]
    fn more_and_fewer() {
        let slots = Slots::new(2);
        let take = || assert_ready!(spawn(slots.take()).poll());
        let (one, two) = (take(), take());
        let mut third = spawn(slots.take());
        assert_pending!(third.poll());
        slots.resize(3);
        assert!(third.is_woken());
        let three = assert_ready!(third.poll());
        // One of three is enough.
        slots.resize(1);
        let mut fourth = spawn(slots.take());
        for gone in [one, two] {
            drop(gone);
            assert_pending!(fourth.poll());
        }
        drop(three);
        let four = assert_ready!(fourth.poll());
        // What was to be given up is not, and one is new.
        slots.resize(0);
        slots.resize(2);
        let five = take();
        assert_pending!(spawn(slots.take()).poll());
        drop((four, five));
        let _both = (take(), take());
        assert_pending!(spawn(slots.take()).poll());
        for most in [usize::MAX, 0, usize::MAX, 1, usize::MAX] {
            slots.resize(most);
        }
        drop(take());
        drop(Slots::new(usize::MAX));
    }
}
