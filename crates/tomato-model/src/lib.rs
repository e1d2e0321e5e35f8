//! tomato-model
