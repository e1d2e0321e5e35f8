use std::path::Path;

use super::up_to_root;

#[test]
fn links_lead_up_to_the_root() {
    for (applet, up) in [("linuxrc", ""), ("sbin/ip", ".."), ("usr/bin/wget", "../..")] {
        assert_eq!(up_to_root(Path::new(applet)), Path::new(up));
    }
}
