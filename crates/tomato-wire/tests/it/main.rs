//! Integration tests of the wire.
