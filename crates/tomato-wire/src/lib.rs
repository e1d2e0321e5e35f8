//! tomato-wire
