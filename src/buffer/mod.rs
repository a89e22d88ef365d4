//! How much of requests is kept in memory, in the whole process.
//!
//! A layer that has to have a body whole reserves room for its bytes from a [`Budget`] as they arrive, and it is given
//! back when the last piece of the body is gone. Where nothing is left, the request is refused
//! ([`Fault::Overloaded`](crate::Fault::Overloaded)), and the others go on. Nothing is reserved on a client's word:
//! of what is held for a body at least half was sent, beyond its first few KiB.
//!
//! What is reserved is what stays between one turn of a request and the next. What a worker needs besides while it works on one
//! request is not counted: the old bytes while they are copied to a larger place.
//!
//! ```
//! use tollgate::buffer::Budget;
//!
//! let budget = Budget::new(64 << 20);
//! let held = budget.reserve(1 << 20).expect("there is room");
//! assert_eq!(budget.reserved(), 1 << 20);
//! assert!(budget.reserve(64 << 20).is_none());
//! drop(held);
//! assert_eq!(budget.reserved(), 0);
//! ```

mod budget;
#[cfg(feature = "validate")]
mod growing;
#[cfg(feature = "validate")]
mod held;

pub use self::budget::{Budget, Reservation};
#[cfg(feature = "validate")]
pub(crate) use self::{growing::Growing, held::hold};
