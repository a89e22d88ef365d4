//! What is only visible before hyper parses.
