//! The machine's own package sources: where a Debian template's packages come from.
//!
//! Reads `sources.list`, `sources.list.d/*.list` (one line per source) and `sources.list.d/*.sources` (deb822) and
//! picks the Debian archives among them, whatever release they name; never invents a server.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::limits::SOURCES_BYTES;

/// One enabled source of binary packages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Source {
    pub uris: Vec<String>,
    pub suites: Vec<String>,
    pub components: Vec<String>,
    /// A key file, fingerprints, or a key itself on several lines; empty if not said.
    pub signed_by: String,
    /// The value of `Trusted`, empty if not said.
    pub trusted: String,
}

/// Why there is nothing to install from.
#[derive(Debug, thiserror::Error)]
pub enum SourcesError {
    /// A source file could not be read.
    #[error("cannot read the package sources in {}", path.display())]
    Read {
        /// The file or directory.
        path: PathBuf,
        /// The system's answer.
        #[source]
        source: io::Error,
    },
    /// None of the sources is a Debian archive.
    #[error(
        "found no Debian package source in {}; add one for {suite} there (component main), or import a root file system \
         archive instead", dir.display()
    )]
    Find {
        /// Where was searched.
        dir: PathBuf,
        /// The wanted release.
        suite: String,
    },
}

/// Releases of Debian whose archive also holds the others.
const RELEASES: &[&str] = &[
    "buster",
    "bullseye",
    "bookworm",
    "trixie",
    "forky",
    "duke",
    "sid",
    "oldoldstable",
    "oldstable",
    "stable",
    "testing",
    "unstable",
];

/// The sources for a Debian release from the configuration in `dir` (`/etc/apt`).
pub(super) fn sources_for(dir: &Path, suite: &str) -> Result<Vec<Source>, SourcesError> {
    let mut all = Vec::new();
    for file in source_files(dir)? {
        let text =
            read(&file).map_err(|source| SourcesError::Read { path: file.clone(), source })?;
        let deb822 = file.extension().is_some_and(|extension| extension == "sources");
        all.extend(if deb822 { parse_deb822(&text) } else { parse_list(&text) });
    }
    let picked = pick(&all, suite);
    if picked.is_empty() {
        return Err(SourcesError::Find { dir: dir.to_owned(), suite: suite.to_owned() });
    }
    Ok(picked)
}

fn source_files(dir: &Path) -> Result<Vec<PathBuf>, SourcesError> {
    let mut files = Vec::from_iter(Some(dir.join("sources.list")).filter(|file| file.is_file()));
    let parts = dir.join("sources.list.d");
    let entries = match fs::read_dir(&parts) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(files),
        Err(source) => return Err(SourcesError::Read { path: parts, source }),
    };
    let mut more = Vec::new();
    for entry in entries {
        let path =
            entry.map_err(|source| SourcesError::Read { path: parts.clone(), source })?.path();
        if path.extension().is_some_and(|extension| extension == "list" || extension == "sources") {
            more.push(path);
        }
    }
    more.sort();
    files.extend(more);
    Ok(files)
}

fn read(path: &Path) -> io::Result<String> {
    let mut bytes = Vec::new();
    File::open(path)?.take(SOURCES_BYTES).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Parses the format of one source per line: `deb [option=value ...] URI SUITE COMPONENT...`.
pub(super) fn parse_list(text: &str) -> Vec<Source> {
    text.lines().filter_map(parse_line).collect()
}

fn parse_line(line: &str) -> Option<Source> {
    let line = line.split('#').next()?.trim();
    let rest = line.strip_prefix("deb").filter(|rest| rest.starts_with([' ', '\t', '[']))?.trim();
    let (options, rest) = match rest.strip_prefix('[') {
        Some(rest) => rest.split_once(']')?,
        None => ("", rest),
    };
    let option = |name: &str| {
        let mut pairs = options.split_whitespace().filter_map(|pair| pair.split_once('='));
        pairs
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.replace(',', " "))
    };
    let mut words = rest.split_whitespace().map(str::to_owned);
    Some(Source {
        uris: vec![words.next()?],
        suites: vec![words.next()?],
        components: words.collect(),
        signed_by: option("signed-by").unwrap_or_default(),
        trusted: option("trusted").unwrap_or_default(),
    })
}

/// Parses the deb822 format: stanzas of `Field: value` with indented continuation lines.
pub(super) fn parse_deb822(text: &str) -> Vec<Source> {
    let mut sources = Vec::new();
    let mut fields: Vec<(String, String)> = Vec::new();
    for line in text.lines().chain([""]) {
        if line.starts_with('#') {
            continue;
        }
        if line.trim().is_empty() {
            sources.extend(stanza(&fields));
            fields.clear();
        } else if line.starts_with([' ', '\t']) {
            if let Some((_, value)) = fields.last_mut() {
                value.push('\n');
                value.push_str(line);
            }
        } else if let Some((name, value)) = line.split_once(':') {
            fields.push((name.trim().to_ascii_lowercase(), value.trim().to_owned()));
        }
    }
    sources
}

fn stanza(fields: &[(String, String)]) -> Option<Source> {
    let field = |name: &str| {
        fields
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
            .unwrap_or_default()
    };
    let words = |name| field(name).split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    let off = ["no", "false", "without", "off", "disable"];
    let enabled = !off.contains(&field("enabled").to_ascii_lowercase().as_str());
    let usable = enabled && words("types").iter().any(|kind| kind == "deb");
    (usable && !words("uris").is_empty() && !words("suites").is_empty()).then(|| Source {
        uris: words("uris"),
        suites: words("suites"),
        components: words("components"),
        signed_by: field("signed-by").to_owned(),
        trusted: field("trusted").to_owned(),
    })
}

/// The Debian archives among `all`, for `suite` with its updates and security updates.
fn pick(all: &[Source], suite: &str) -> Vec<Source> {
    let debian = all.iter().filter(|source| source.components.iter().any(|c| c == "main"));
    let named = |source: &Source| source.suites.iter().any(|s| split_suite(s).0 == suite);
    let exact: Vec<&Source> = debian.clone().filter(|source| named(source)).collect();
    let chosen = if exact.is_empty() { debian.collect() } else { exact };
    let mut picked: Vec<Source> = Vec::new();
    for source in chosen {
        let mut suites: Vec<String> = Vec::new();
        for (release, pocket) in source.suites.iter().map(|s| split_suite(s)) {
            let wanted = format!("{suite}{pocket}");
            if RELEASES.contains(&release)
                && ["", "-updates", "-security"].contains(&pocket)
                && !suites.contains(&wanted)
            {
                suites.push(wanted);
            }
        }
        let mut uris = source.uris.clone();
        uris.retain(|uri| !uri.starts_with("cdrom:"));
        if suites.is_empty() || uris.is_empty() {
            continue;
        }
        let one = Source { uris, suites, components: vec!["main".to_owned()], ..source.clone() };
        if !picked.contains(&one) {
            picked.push(one);
        }
    }
    // Without the release itself its updates are of no use.
    if picked.iter().any(|source| source.suites.iter().any(|s| s == suite)) {
        picked
    } else {
        Vec::new()
    }
}

/// `bookworm-security` is the release `bookworm` and the pocket `-security`; `bookworm/updates` has an old pocket.
fn split_suite(suite: &str) -> (&str, &str) {
    match suite.find(['-', '/']) {
        Some(at) => suite.split_at(at),
        None => (suite, ""),
    }
}

/// Whether the sources may be shown to a guest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Credentials {
    Kept,
    Removed,
}

/// The sources in deb822 format.
pub(super) fn to_deb822(sources: &[Source], credentials: Credentials) -> String {
    let mut text = String::new();
    for source in sources {
        let uris: Vec<String> = source
            .uris
            .iter()
            .map(|uri| if credentials == Credentials::Kept { uri.clone() } else { anonymous(uri) })
            .collect();
        let mut field = |name: &str, value: &str| {
            if !value.is_empty() {
                let separator = if value.starts_with('\n') { "" } else { " " };
                text.push_str(&format!("{name}:{separator}{value}\n"));
            }
        };
        field("Types", "deb");
        field("URIs", &uris.join(" "));
        field("Suites", &source.suites.join(" "));
        field("Components", &source.components.join(" "));
        field("Signed-By", &source.signed_by);
        field("Trusted", &source.trusted);
        text.push('\n');
    }
    text
}

/// The addresses of the sources, without passwords.
pub(super) fn public_uris(sources: &[Source]) -> Vec<String> {
    sources.iter().flat_map(|source| source.uris.iter().map(|uri| anonymous(uri))).collect()
}

/// The address without a user name and password.
fn anonymous(uri: &str) -> String {
    let Some((scheme, rest)) = uri.split_once("://") else { return uri.to_owned() };
    let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let host = host.rsplit('@').next().unwrap_or(host);
    format!("{scheme}://{host}{path}")
}

/// The machine's settings of how to reach its sources (proxies and the like), from what `apt-config dump` prints,
/// each as a line of an apt configuration without its final semicolon.
pub(super) fn settings(dump: &str) -> Vec<String> {
    let wanted = [
        "Acquire::http::",
        "Acquire::https::",
        "Acquire::Check-Valid-Until ",
        "Acquire::Check-Date ",
        "Acquire::Retries ",
        "Acquire::ForceIPv4 ",
        "Acquire::ForceIPv6 ",
    ];
    dump.lines()
        .filter(|line| wanted.iter().any(|prefix| line.starts_with(prefix)))
        .filter(|line| !line.ends_with("\"\";"))
        .filter_map(|line| line.strip_suffix(';'))
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests;
