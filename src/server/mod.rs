//! The listener.
#[cfg_attr(
    not(test),
    expect(
        dead_code,
        unused_imports,
        reason = "the listener that uses it is still to come"
    )
)]
mod scan;
