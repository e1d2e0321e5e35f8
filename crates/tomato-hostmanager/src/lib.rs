//! tomato-hostmanager
