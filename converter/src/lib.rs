//! Turns trained masked weights into model files, and evaluates them with the engine.
