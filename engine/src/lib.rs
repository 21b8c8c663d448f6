//! Runs predefined-sparse early-exit networks from model bytes: no_std, no alloc, no unsafe.
#![no_std]
