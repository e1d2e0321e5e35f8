//! Rules on single files.

use std::path::Path;

/// Files are at most this many bytes.
pub const SIZE_MAX: usize = 1 << 20;
/// Rust files are at most this many lines.
pub const LINES_MAX: usize = 800;

/// Endings of the files in which words and blanks matter.
const TEXT: [&str; 14] = [
    "rs", "md", "toml", "sh", "py", "ts", "css", "html", "sql", "yaml", "yml", "json", "js", "txt",
];
/// Endings of programs: nothing is left for later in them.
const CODE: [&str; 7] = ["rs", "sh", "py", "ts", "js", "css", "sql"];
/// Words of unfinished work; in two pieces each so that this file does not contain them.
const UNFINISHED: [&str; 6] = [
    concat!("TO", "DO"),
    concat!("FIX", "ME"),
    concat!("X", "XX"),
    concat!("to", "do!"),
    concat!("unimple", "mented!"),
    concat!("#[ign", "ore"),
];
/// Paths of somebody's machine.
const MACHINE: [&str; 2] = [concat!("/wo", "rk/"), concat!("/home", "/runner")];
/// Files with unsafe code outside a module named `sys`; this list only shrinks.
const UNSAFE_ELSEWHERE: [&str; 1] = ["crates/tomato-virt/src/keeper/tests.rs"];
/// Parts of type names that the glossary replaces by another word.
const WORDS: [(&str, &str); 6] = [
    ("Experiment", "Topology"),
    ("Flavor", "Profile"),
    ("Nic", "Interface"),
    ("Node", "Element or Host"),
    ("Tenant", "Organization"),
    ("Slice", "Topology"),
];

/// Refuses files over [`SIZE_MAX`].
#[must_use]
pub fn size(path: &str, bytes: usize) -> Option<String> {
    (bytes > SIZE_MAX).then(|| format!("{path}: {bytes} bytes, more than {SIZE_MAX}"))
}

/// Applies the rules on the text of one file.
#[must_use]
pub fn check(path: &str, text: &str) -> Vec<String> {
    let ending = Path::new(path).extension().and_then(|ending| ending.to_str()).unwrap_or("");
    let mut findings = Vec::new();
    if ending == "rs" && needs_documentation(path) && !text.starts_with(opening(path)) {
        findings.push(format!("{path}: does not open with //!, say what the module is for"));
    }
    let is_text = TEXT.contains(&ending) || matches!(file_name(path), "Makefile" | "run");
    if !is_text {
        return findings;
    }
    if UNSAFE_ELSEWHERE.contains(&path) && !text.lines().any(has_unsafe) {
        findings.push(format!("{path}: has no unsafe code any more, take it off the list"));
    }
    for (index, line) in text.lines().enumerate() {
        let place = format!("{path}:{}", index + 1);
        let mut say = |what: String| findings.push(format!("{place}: {what}"));
        if line.ends_with([' ', '\t']) {
            say("blank at the end of the line".into());
        }
        for word in MACHINE.iter().filter(|path| line.contains(**path)) {
            say(format!("{word} exists on one machine only"));
        }
        if CODE.contains(&ending) {
            for word in UNFINISHED.iter().filter(|word| has_word(line, word)) {
                say(format!("{word}: finish it or file it"));
            }
        }
        if ending == "rs" {
            if has_unsafe(line) && !may_be_unsafe(path) && !UNSAFE_ELSEWHERE.contains(&path) {
                say("unsafe code belongs in a module named sys".into());
            }
            if let Some((word, instead)) = type_name(line).and_then(unwanted_word) {
                say(format!("{word} is not in the glossary, say {instead}"));
            }
        }
    }
    findings
}

/// Refuses Rust files over [`LINES_MAX`] lines, unless `exceptions` (lines of `path lines`) allows that many.
#[must_use]
pub fn long(lengths: &[(String, usize)], exceptions: &str) -> Vec<String> {
    let mut findings = Vec::new();
    let mut allowed = std::collections::BTreeMap::new();
    let entries = exceptions.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    for entry in entries {
        match entry.split_once(' ').map(|(path, lines)| (path, lines.parse::<usize>())) {
            Some((path, Ok(lines))) => {
                allowed.insert(path, lines);
            }
            _ => findings.push(format!("long-files.txt: `{entry}` is not `path lines`")),
        }
    }
    for (path, lines) in lengths {
        let exception = allowed.remove(path.as_str());
        let limit = exception.unwrap_or(LINES_MAX);
        if *lines > limit {
            findings.push(format!("{path}: {lines} lines, more than {limit}; split the module"));
        } else if exception.is_some() && *lines <= LINES_MAX {
            findings.push(format!("long-files.txt: {path} is short enough, remove it"));
        }
    }
    findings.extend(allowed.keys().map(|path| format!("long-files.txt: {path} does not exist")));
    findings
}

fn needs_documentation(path: &str) -> bool {
    // tests beside a module are described by it
    file_name(path) != "tests.rs" && !path.split('/').skip(2).any(|part| part == "tests")
        || path.ends_with("tests/it/main.rs")
}

fn opening(path: &str) -> &'static str {
    // a file that another one includes cannot hold documentation of its own
    if path.contains("/init/") { "//" } else { "//!" }
}

fn may_be_unsafe(path: &str) -> bool {
    path.split('/').any(|part| matches!(part, "sys" | "sys.rs" | "init"))
}

fn has_unsafe(line: &str) -> bool {
    let code = line.split("//").next().unwrap_or(line);
    ["{", "fn", "impl", "extern", "trait"]
        .iter()
        .any(|next| has_word(code, &format!("{} {next}", concat!("un", "safe"))))
}

fn has_word(line: &str, word: &str) -> bool {
    let is_part = |byte: Option<&u8>| byte.is_some_and(|b| b.is_ascii_alphanumeric() || *b == b'_');
    let bytes = line.as_bytes();
    line.match_indices(word).any(|(start, _)| {
        let before = start.checked_sub(1).and_then(|index| bytes.get(index));
        let after = bytes.get(start + word.len());
        let ends_in_sign = !word.ends_with(|last: char| last.is_ascii_alphanumeric());
        !is_part(before) && (ends_in_sign || !is_part(after))
    })
}

fn type_name(line: &str) -> Option<&str> {
    let line = line.trim_start();
    let line =
        line.strip_prefix("pub ").or_else(|| line.strip_prefix("pub(crate) ")).unwrap_or(line);
    let rest = ["struct ", "enum ", "trait ", "type "].iter().find_map(|k| line.strip_prefix(k))?;
    rest.split(|sign: char| !sign.is_ascii_alphanumeric()).next()
}

fn unwanted_word(name: &str) -> Option<(&'static str, &'static str)> {
    WORDS.into_iter().find(|(word, _)| {
        name.match_indices(word).any(|(start, _)| {
            let after = name.as_bytes().get(start + word.len());
            !after.is_some_and(u8::is_ascii_lowercase)
        })
    })
}

fn file_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}
