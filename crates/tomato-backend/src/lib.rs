//! tomato-backend
