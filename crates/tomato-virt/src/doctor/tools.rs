//! Programs and settings the lab makes use of.

use std::path::Path;

use super::{Finding, Options, chain};
use crate::cmd::find;

pub(super) fn runc(_: &Options) -> Finding {
    match find("runc") {
        Some(path) => {
            Finding::ok("runc", format!("{}, can be chosen to run containers", path.display()))
        }
        None => Finding::ok("runc", "not installed; not needed: the lab runs containers itself"),
    }
}

pub(super) fn mmdebstrap(_: &Options) -> Finding {
    match find("mmdebstrap") {
        Some(path) => {
            Finding::ok("mmdebstrap", format!("{}, builds the Debian templates", path.display()))
        }
        None => Finding::warn(
            "mmdebstrap",
            "not installed: the templates debian-12 and debian-12-frr cannot be built here",
            "apt-get install mmdebstrap",
        ),
    }
}

pub(super) fn tshark(_: &Options) -> Finding {
    let what = if crate::dissect::is_installed() {
        "installed: the editor shows packets as it takes them apart, shut off from the host"
    } else {
        "not installed; not needed: the editor knows the usual protocols itself (apt-get install tshark for all others)"
    };
    Finding::ok("tshark", what)
}

pub(super) fn sources(_: &Options) -> Finding {
    match crate::template::debian_uris(Path::new("/etc/apt")) {
        Ok(uris) => Finding::ok(
            "package sources",
            format!("Debian templates are built from {}", uris.join(", ")),
        ),
        Err(error) => Finding::warn(
            "package sources",
            format!("the Debian templates cannot be built here: {}", chain(&error)),
            "add a Debian source to /etc/apt, or import root file systems from archives",
        ),
    }
}
