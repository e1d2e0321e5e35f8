//! Probes of the host: what will work here, what will not, and what to do about it.
