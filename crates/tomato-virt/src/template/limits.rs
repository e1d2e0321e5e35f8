//! Named limits of templates.

use std::time::Duration;

/// Bytes of the file contents of one imported root file system.
pub(super) const IMPORT_BYTES: u64 = 32 << 30;
/// Entries of one imported root file system.
pub(super) const IMPORT_ENTRIES: u64 = 2_000_000;
/// Length of one path in an imported archive, in bytes.
pub(super) const PATH_BYTES: usize = 2_000;
/// Length of one symbolic link's target, in bytes.
pub(super) const LINK_BYTES: usize = 4_095;
/// Length of one extended attribute, in bytes.
pub(super) const XATTR_BYTES: usize = 65_536;
/// Extended attributes of one file that are looked at.
pub(super) const XATTRS: usize = 64;
/// User and group ids a container has: 0 up to this one.
pub(super) const ID_MAX: u64 = 65_535;
/// Length of a template's name, in bytes.
pub(super) const NAME_BYTES: usize = 63;
/// Length of a label or description, in bytes.
pub(super) const TEXT_BYTES: usize = 4_096;
/// Length of a pin's holder, in bytes.
pub(super) const HOLDER_BYTES: usize = 200;
/// How long a build by mmdebstrap may take, downloads over a slow line included.
pub(super) const BUILD_DEADLINE: Duration = Duration::from_secs(45 * 60);
/// How long a small command of a build may take.
pub(super) const STEP_DEADLINE: Duration = Duration::from_secs(120);
/// Bytes of one of the machine's package source files.
pub(super) const SOURCES_BYTES: u64 = 1 << 20;
/// Bytes of a JSON file of the template directory.
pub(super) const JSON_BYTES: u64 = 1 << 20;
/// Bytes copied at once.
pub(super) const COPY_BYTES: usize = 128 * 1024;
/// Removals that one layer of an image may name.
pub(super) const MARKS: usize = 100_000;
/// Bytes of one JSON document of an image.
pub(super) const DOCUMENT_BYTES: u64 = 4 << 20;
/// Layers of an image.
pub(super) const LAYERS: usize = 256;
/// Indexes within each other until there is an image.
pub(super) const INDEX_DEPTH: usize = 4;
/// Bytes of all parts of an image as they are stored and sent.
pub(super) const IMAGE_BYTES: u64 = 16 << 30;
/// Files of an image layout.
pub(super) const LAYOUT_FILES: usize = 4_096;
/// Bytes of what an image says of its process, all together.
pub(super) const PROCESS_BYTES: usize = 128 * 1024;
