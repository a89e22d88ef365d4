//! The configuration file: TOML in, everything that is wrong with it out.
