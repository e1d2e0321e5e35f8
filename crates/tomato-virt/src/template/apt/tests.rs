use super::{Credentials, parse_deb822, parse_list, settings, sources_for, split_suite, to_deb822};

fn sources(files: &[(&str, &str)]) -> Result<String, String> {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("sources.list.d")).unwrap();
    for (name, text) in files {
        std::fs::write(dir.path().join(name), text).unwrap();
    }
    sources_for(dir.path(), "bookworm")
        .map(|sources| to_deb822(&sources, Credentials::Kept))
        .map_err(|error| error.to_string())
}

#[test]
fn one_line_format() {
    let text = "# deb http://off.test/debian bookworm main\n\
        deb-src http://src.test/debian bookworm main\n\
        debug http://x.test y z\n\
        deb [arch=amd64 signed-by=/k/a.gpg,/k/b.gpg trusted=yes] http://a.test/debian bookworm main non-free # why\n\
        deb\thttp://b.test/debian  bookworm-updates\tmain\n\
        deb [broken http://c.test bookworm main\n";
    let parsed = parse_list(text);
    assert_eq!(parsed.len(), 2);
    assert_eq!(parsed[0].signed_by, "/k/a.gpg /k/b.gpg");
    assert_eq!(parsed[0].trusted, "yes");
    assert_eq!(parsed[0].components, ["main", "non-free"]);
    assert_eq!(
        (&parsed[1].uris[..], &parsed[1].suites[..]),
        (&["http://b.test/debian".to_owned()][..], &["bookworm-updates".to_owned()][..])
    );
}

#[test]
fn deb822_format_with_a_key_inside() {
    let text = "Types: deb deb-src\nURIs: http://a.test/debian\n# a comment\nSuites: bookworm bookworm-updates\n\
        Components: main contrib\nSigned-By:\n -----BEGIN PGP-----\n .\n abc\n -----END PGP-----\n\n\
        Types: deb\nEnabled: no\nURIs: http://b.test\nSuites: x\n\nTypes: deb-src\nURIs: c\nSuites: d\n";
    let parsed = parse_deb822(text);
    assert_eq!(parsed.len(), 1);
    assert_eq!(parsed[0].signed_by, "\n -----BEGIN PGP-----\n .\n abc\n -----END PGP-----");
    let again = parse_deb822(&to_deb822(&parsed, Credentials::Kept));
    assert_eq!(parsed, again);
}

#[test]
fn other_archives_and_components_are_left_out() {
    let text = sources(&[
        ("sources.list", "deb http://a.test/debian bookworm main contrib\n"),
        (
            "sources.list.d/security.sources",
            "Types: deb\nURIs: http://s.test/security\nSuites: bookworm-security bookworm-backports\nComponents: main\n",
        ),
        ("sources.list.d/other.list", "deb https://tool.test/apt nodistro main\n"),
        ("sources.list.d/old.list.disabled", "deb http://no.test/debian bookworm main\n"),
    ]);
    assert_eq!(
        text.unwrap(),
        "Types: deb\nURIs: http://a.test/debian\nSuites: bookworm\nComponents: main\n\n\
         Types: deb\nURIs: http://s.test/security\nSuites: bookworm-security\nComponents: main\n\n"
    );
}

#[test]
fn another_release_of_debian_gives_its_archive() {
    let text = "deb http://a.test/debian trixie main\ndeb http://a.test/debian trixie-updates main\n\
        deb http://s.test/sec trixie-security main\ndeb http://u.test/ubuntu noble main\n";
    let found = sources(&[("sources.list", text)]).unwrap();
    assert_eq!(found.matches("Suites: bookworm\n").count(), 1);
    assert!(found.contains("Suites: bookworm-security\n"));
    assert!(!found.contains("ubuntu"));
}

#[test]
fn no_debian_source_is_a_clear_error() {
    for text in ["", "deb http://u.test/ubuntu noble main\n", "deb cdrom:[x]/ bookworm main\n"] {
        let error = sources(&[("sources.list", text)]).unwrap_err();
        assert!(error.contains("found no Debian package source"), "{error}");
        assert!(error.contains("bookworm"), "{error}");
    }
}

#[test]
fn passwords_do_not_reach_the_guest() {
    let parsed = parse_list("deb https://me:secret@a.test/debian@x bookworm main\n");
    let text = to_deb822(&parsed, Credentials::Removed);
    assert!(text.contains("URIs: https://a.test/debian@x\n"), "{text}");
}

#[test]
fn suites_split_into_release_and_pocket() {
    for (suite, parts) in [
        ("bookworm", ("bookworm", "")),
        ("bookworm-security", ("bookworm", "-security")),
        ("buster/updates", ("buster", "/updates")),
    ] {
        assert_eq!(split_suite(suite), parts);
    }
}

#[test]
fn only_settings_of_the_way_to_the_sources_are_taken() {
    let dump = "APT::Architecture \"amd64\";\nAcquire \"\";\nAcquire::http \"\";\n\
        Acquire::http::Proxy \"http://p.test:3128\";\nAcquire::https::Proxy \"\";\n\
        Acquire::Check-Valid-Until \"false\";\nAcquire::Languages \"none\";\n";
    assert_eq!(
        settings(dump),
        ["Acquire::http::Proxy \"http://p.test:3128\"", "Acquire::Check-Valid-Until \"false\""]
    );
}
