//! tomato-virt

pub mod cmd;
pub mod doctor;
pub mod template;
