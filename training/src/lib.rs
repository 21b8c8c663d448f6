//! Trains multi-exit networks whose masks are fixed beforehand.
#![forbid(unsafe_code)]
