//! The demonstration: what `tollgate demo` puts behind the gateway.

#[cfg_attr(
    not(test),
    expect(dead_code, reason = "the command that starts it is not written yet")
)]
mod provider;
