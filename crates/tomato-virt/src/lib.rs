//! tomato-virt
