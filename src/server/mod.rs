//! The listener.
mod scan;
