//! The documents of an image: index, manifest and configuration, as the OCI image specification 1.1 (and Docker's schema 2, which is the same in
//! all that is read here) has them. Unknown fields are ignored, as that specification asks.

use std::fmt;
use std::str::FromStr;

use serde::Deserialize;

use super::super::limits::LAYERS;
use super::OciError;

/// The SHA-256 of a part: `sha256:` and 64 lower-case hex digits.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
pub struct BlobDigest(String);

impl BlobDigest {
    pub(super) fn of_sum(sum: &[u8]) -> Self {
        Self(hex::encode(sum))
    }

    /// That of a part.
    pub fn of(bytes: &[u8]) -> Self {
        use sha2::Digest;
        Self::of_sum(&sha2::Sha256::digest(bytes))
    }

    /// The digits alone.
    pub fn hex(&self) -> &str {
        &self.0
    }
}

impl FromStr for BlobDigest {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let is_hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
        match text.strip_prefix("sha256:") {
            Some(hex) if hex.len() == 64 && hex.bytes().all(is_hex) => Ok(Self(hex.to_owned())),
            _ => Err("a digest must be sha256: and 64 lower-case hex digits".to_owned()),
        }
    }
}

impl TryFrom<String> for BlobDigest {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl fmt::Display for BlobDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sha256:{}", self.0)
    }
}

/// A part of an image.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Blob {
    /// What it is.
    #[serde(default)]
    pub media_type: String,
    /// What it must sum up to.
    pub digest: BlobDigest,
    /// Its length in bytes.
    pub size: u64,
    /// For which machines it is, in an index.
    #[serde(default)]
    platform: Option<Platform>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
struct Platform {
    architecture: String,
    os: String,
}

/// What an image's name stands for.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum Root {
    Index(Index),
    Manifest(Manifest),
}

#[derive(Debug, Deserialize)]
pub(super) struct Index {
    manifests: Vec<Blob>,
}

/// How this machine is called there.
fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

impl Index {
    /// The one for this machine, or the only one if it does not say for which it is.
    pub(super) fn choose(&self) -> Result<&Blob, OciError> {
        let fits = |blob: &&Blob| {
            let platform = blob.platform.as_ref();
            platform.is_some_and(|p| p.os == "linux" && p.architecture == architecture())
        };
        let mut fitting = self.manifests.iter().filter(fits);
        match (fitting.next(), self.manifests.as_slice()) {
            (Some(first), _) => Ok(first),
            (None, [only]) if only.platform.is_none() => Ok(only),
            (None, []) => Err(OciError::Unsupported("its index is empty".to_owned())),
            (None, all) if all.iter().all(|blob| blob.platform.is_none()) => {
                let text = format!("it holds {} images; give a layout with one", all.len());
                Err(OciError::Unsupported(text))
            }
            (None, all) => {
                let names = all.iter().filter_map(|blob| blob.platform.as_ref());
                let names: Vec<String> =
                    names.take(16).map(|p| format!("{}/{}", p.os, p.architecture)).collect();
                let (names, own) = (names.join(", "), architecture());
                Err(OciError::Unsupported(format!("it is for {names} and not for linux/{own}")))
            }
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Manifest {
    #[serde(default)]
    schema_version: u32,
    pub(super) config: Blob,
    pub(super) layers: Vec<Blob>,
}

impl Manifest {
    pub(super) fn checked(self) -> Result<Self, OciError> {
        if self.schema_version != 2 {
            let text = format!("its manifest has version {}, known is 2", self.schema_version);
            return Err(OciError::Unsupported(text));
        }
        if self.layers.len() > LAYERS {
            return Err(OciError::Large { what: "layers", limit: LAYERS as u64 });
        }
        match self.layers.iter().find(|layer| !is_layer(&layer.media_type)) {
            None => Ok(self),
            Some(layer) => {
                let kind: String = layer.media_type.chars().take(100).collect();
                let text =
                    format!("one of its layers is {kind:?}; a container's image has tar layers");
                Err(OciError::Unsupported(text))
            }
        }
    }
}

fn is_layer(media_type: &str) -> bool {
    const OCI: &str = "application/vnd.oci.image.layer.v1.tar";
    const DOCKER: &str = "application/vnd.docker.image.rootfs.diff.tar";
    [OCI, DOCKER].iter().any(|known| {
        let rest = media_type.strip_prefix(known);
        rest.is_some_and(|rest| matches!(rest, "" | "+gzip" | "+zstd" | ".gzip" | ".zstd"))
    })
}

/// The image's configuration.
#[derive(Debug, Deserialize)]
pub(super) struct Config {
    architecture: String,
    os: String,
    rootfs: Diffs,
    #[serde(default)]
    config: Option<Process>,
}

#[derive(Debug, Deserialize)]
struct Diffs {
    diff_ids: Vec<BlobDigest>,
}

/// What it says of its process; a field may be missing or null.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct Process {
    pub(super) user: Option<String>,
    pub(super) env: Option<Vec<String>>,
    pub(super) entrypoint: Option<Vec<String>>,
    pub(super) cmd: Option<Vec<String>>,
    pub(super) working_dir: Option<String>,
}

impl Config {
    pub(super) fn check(&self, layers: usize) -> Result<(), OciError> {
        let own = architecture();
        if self.os != "linux" || self.architecture != own {
            let text = format!("it is for {}/{}, not for linux/{own}", self.os, self.architecture);
            return Err(OciError::Unsupported(text.chars().take(200).collect()));
        }
        if self.rootfs.diff_ids.len() != layers {
            let count = self.rootfs.diff_ids.len();
            let text = format!("its configuration names {count} layers, its manifest {layers}");
            return Err(OciError::Unsupported(text));
        }
        Ok(())
    }

    pub(super) fn diff_ids(&self) -> &[BlobDigest] {
        &self.rootfs.diff_ids
    }

    pub(super) fn process(&self) -> Process {
        self.config.clone().unwrap_or_default()
    }
}
