use super::id_of;

#[test]
fn ids_are_found_by_whole_names() {
    let table = "root:x:0:0:root:/root:/bin/sh\nfrrvty:x:105:\nfrr:x:104:\nbad:x\n";
    for (name, id) in [("root", Some(0)), ("frr", Some(104)), ("bad", None), ("fr", None)] {
        assert_eq!(id_of(table, name), id, "{name}");
    }
}
