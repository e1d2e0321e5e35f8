//! tomato-store
