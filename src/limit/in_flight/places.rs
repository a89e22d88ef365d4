use crate::limit::Caller;
use dashmap::{DashMap, Entry};
use std::{num::NonZeroU32, sync::Arc};

/// How many requests of each caller are running. Callers without any are not in it.
#[derive(Debug, Default)]
pub(super) struct Places {
    taken: DashMap<Caller, u32>,
}

/// A request that is running, until this is dropped.
#[derive(Debug)]
pub(super) struct Place {
    places: Arc<Places>,
    caller: Caller,
}

impl Places {
    /// One more request of this caller, unless there are `most`.
    pub(super) fn take(self: &Arc<Self>, caller: Caller, most: NonZeroU32) -> Option<Place> {
        match self.taken.entry(caller) {
            Entry::Occupied(taken) if *taken.get() >= most.get() => return None,
            Entry::Occupied(mut taken) => *taken.get_mut() += 1,
            Entry::Vacant(none) => _ = none.insert(1),
        }
        Some(Place { places: self.clone(), caller })
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.taken.is_empty()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.places.taken.remove_if_mut(&self.caller, |_, taken| {
            *taken = taken.saturating_sub(1);
            *taken == 0
        });
    }
}
