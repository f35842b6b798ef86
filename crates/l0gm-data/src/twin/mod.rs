//! Twins: seeded synthetic datasets with the schema, size and difficulty of the real ones, written in
//! the very same file layout, so that the same loaders read them.
