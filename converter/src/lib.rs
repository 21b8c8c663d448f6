//! Turns trained masked weights into model files, and evaluates them with the engine.

mod blocks;
pub mod choose;
pub mod edges;
pub mod find;
pub mod pack;
pub mod unpack;
