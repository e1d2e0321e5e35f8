use serde_json::json;

use super::{crates, dependencies, dependency, layering, licence, manifest, source, texts};

#[track_caller]
fn tidy(findings: anyhow::Result<Vec<String>>) {
    let findings = findings.expect("the checkout can be read");
    assert!(findings.is_empty(), "not tidy:\n{}", findings.join("\n"));
}

#[test]
fn the_texts_are_tidy() {
    tidy(texts());
}

#[test]
fn the_crates_are_as_architecture_says() {
    tidy(crates());
}

#[test]
fn the_dependencies_are_allowed() {
    tidy(dependencies());
}

#[track_caller]
fn check(path: &str, text: &str, expect: &[&str]) {
    let findings = source::check(path, text);
    assert_eq!(findings.len(), expect.len(), "{findings:?}");
    for (finding, expect) in findings.iter().zip(expect) {
        assert!(finding.contains(expect), "{finding} does not tell of {expect}");
    }
}

#[test]
fn modules_say_what_they_are_for() {
    check("crates/x/src/a.rs", "//! A.\n", &[]);
    check("crates/x/src/a.rs", "use b;\n", &["open with //!"]);
    check("crates/x/src/a/tests.rs", "use b;\n", &[]);
    check("crates/x/src/a/tests/b.rs", "use b;\n", &[]);
    check("crates/x/tests/it/main.rs", "use b;\n", &["open with //!"]);
}

#[test]
fn unfinished_work_is_found() {
    let left = concat!("//! A.\n// TO", "DO: more\n");
    check("crates/x/src/a.rs", left, &["finish it"]);
    check("docs/a.md", left, &[]);
    check("crates/x/src/a.rs", concat!("//! A.\nto", "do!()\n"), &["finish it"]);
    check("a.sh", "mktemp /tmp/a.XXXXXX\n", &[]);
    check("crates/x/src/a.rs", concat!("//! A.\n#[ign", "ore = \"slow\"]\n"), &["finish it"]);
}

#[test]
fn blanks_and_machine_paths_are_found() {
    check("a.md", "a \nb\n", &["a.md:1: blank"]);
    check("Makefile", "a:\t\n", &["blank"]);
    check("a.toml", concat!("path = \"/wo", "rk/a\"\n"), &["one machine"]);
    check("a.md", "one /workspace\n", &[]);
}

#[test]
fn unsafe_code_has_its_place() {
    let code = concat!("//! A.\nlet a = un", "safe { b() };\n");
    check("crates/x/src/a.rs", code, &["named sys"]);
    check("crates/tomato-virt/src/keeper/tests.rs", code, &[]);
    check("crates/tomato-virt/src/keeper/tests.rs", "use b;\n", &["off the list"]);
    check("crates/x/init/a.rs", concat!("// A.\nun", "safe { b() };\n"), &[]);
    check("crates/x/src/a/sys.rs", code, &[]);
    check("crates/x/src/sys/a.rs", code, &[]);
    check("crates/x/src/a.rs", "//! A.\n#[allow(unsafe_code)]\n", &[]);
    check("crates/x/src/a.rs", concat!("//! A.\n// no un", "safe { here\n"), &[]);
}

#[test]
fn types_are_named_by_the_glossary() {
    check("crates/x/src/a.rs", "//! A.\npub struct NodeId(u8);\n", &["Element or Host"]);
    check("crates/x/src/a.rs", "//! A.\npub enum Nice {}\n", &[]);
    check("crates/x/src/a.rs", "//! A.\nlet node = 1;\n", &[]);
}

#[test]
fn sizes_have_bounds() {
    assert!(source::size("a", source::SIZE_MAX).is_none());
    assert!(source::size("a", source::SIZE_MAX + 1).is_some());
    let long = |lines, exceptions| source::long(&[("a.rs".to_owned(), lines)], exceptions).len();
    assert_eq!(long(800, ""), 0);
    assert_eq!(long(801, ""), 1);
    assert_eq!(long(900, "# why\na.rs 900\n"), 0);
    assert_eq!(long(901, "a.rs 900\n"), 1, "an exception does not grow");
    assert_eq!(long(800, "a.rs 900\n"), 1, "an exception goes when it is not needed");
    assert_eq!(long(800, "b.rs 900\n"), 1, "an exception goes with its file");
    assert_eq!(long(800, "a.rs\n"), 1);
}

#[test]
fn manifests_use_the_workspace() {
    let good = "[lints]\nworkspace = true\n[dependencies]\na.workspace = true\n\
                b = { workspace = true, features = [\n    \"c\",\n] }\n";
    assert_eq!(manifest::check("x", good), Vec::<String>::new());
    assert_eq!(manifest::check("x", "[dependencies]\n").len(), 1);
    assert_eq!(manifest::check("x", &format!("{good}c = \"1\"\n")).len(), 1);
    assert_eq!(manifest::check("x", &format!("{good}[dev-dependencies.c]\n")).len(), 1);
}

#[test]
fn arrows_follow_the_table() {
    let rows = layering::rows(
        "| crate | may depend on |\n| `tomato-a` | nothing |\n| `tomato-b` | a | text |\n\
         | `tomato-c` | all but b |\n| `tomato-d` | all |\n",
    );
    let refused = |from: &str, to: &str| {
        let arrow = (format!("tomato-{from}"), format!("tomato-{to}"));
        !layering::arrows(&rows, &[arrow]).is_empty()
    };
    assert!(refused("a", "b"));
    assert!(!refused("b", "a"));
    assert!(refused("b", "c"));
    assert!(!refused("c", "a"));
    assert!(refused("c", "b"));
    assert!(!refused("d", "b"));
    let folders = ["tomato-a", "tomato-b", "tomato-c", "tomato-e"].map(str::to_owned);
    assert_eq!(
        layering::listed(&rows, &folders),
        ["ARCHITECTURE.md: lacks tomato-e", "ARCHITECTURE.md: no such tomato-d"]
    );
}

#[test]
fn licence_expressions_are_read() {
    for allowed in [
        "MIT",
        "MIT/GPL-3.0",
        "(MIT OR GPL-2.0) AND ISC",
        "Apache-2.0 WITH LLVM-exception OR GPL-2.0",
    ] {
        assert!(licence::allowed(allowed), "{allowed}");
    }
    for refused in ["GPL-3.0", "none", "", "MIT AND GPL-3.0", "(MIT", "MIT)", "MIT OR", "MIT ISC"] {
        assert!(!licence::allowed(refused), "{refused}");
    }
}

#[test]
fn dependencies_are_judged() {
    let registry = "registry+https://github.com/rust-lang/crates.io-index";
    let metadata = json!({ "packages": [
        { "name": "ours", "source": null },
        { "name": "good", "source": registry, "license": "MIT" },
        { "name": "openssl-sys", "source": registry, "license": "MIT" },
        { "name": "elsewhere", "source": "git+https://example.org/a", "license": "MIT" },
        { "name": "unlicensed", "source": registry, "license": null },
    ]});
    let findings = dependency::check(&metadata).expect("this is what cargo answers");
    let named: Vec<&str> = findings.iter().filter_map(|f| f.split(':').next()).collect();
    assert_eq!(named, ["openssl-sys", "elsewhere", "unlicensed"]);
}
