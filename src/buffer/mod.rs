//! How much of requests is kept in memory, in the whole process.
//!
//! A layer that has to have a body whole reserves its bytes from a [`Budget`] before it reads them, and they are given
//! back when the last piece of the body is gone. Where nothing is left, the request is refused
//! ([`Fault::Overloaded`](crate::Fault::Overloaded)), and the others go on.
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
mod held;

pub use self::budget::{Budget, Reservation};
pub(crate) use self::held::hold;
