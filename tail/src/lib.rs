//! Finishes on a server what a head was not sure about.
#![forbid(unsafe_code)]
