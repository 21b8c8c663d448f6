//! Masks and patterns, recipes and data loaders, and the bundled models.
