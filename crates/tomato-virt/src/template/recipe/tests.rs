use super::{SHIPPED, names, resolve};

#[test]
fn every_shipped_recipe_is_well_formed() {
    for shipped in SHIPPED {
        let recipe = resolve(shipped).unwrap_or_else(|e| panic!("{}: {e}", shipped.name));
        shipped.name.parse::<super::super::TemplateName>().unwrap();
        assert!(recipe.files.iter().any(|(file, _)| file.path == "etc/tomato/boot"));
    }
    assert_eq!(names().collect::<Vec<_>>(), ["busybox", "debian-12", "debian-12-frr"]);
}

#[test]
fn a_recipe_has_what_it_extends() {
    let frr = super::find("debian-12-frr").unwrap();
    for package in ["frr", "iproute2", "iperf3"] {
        assert!(frr.packages.iter().any(|p| p == package), "{package}");
    }
    assert_ne!(frr.sum, super::find("debian-12").unwrap().sum);
}
