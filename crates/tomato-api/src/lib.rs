//! tomato-api
