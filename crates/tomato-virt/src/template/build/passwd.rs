//! Names of users and groups as a root file system itself has them.

use std::io::Read;

use super::super::limits::JSON_BYTES;
use super::super::rootfs::Rootfs;
use super::BuildError;

/// The ids of `user:group` in this root file system.
pub(super) fn owner(root: &Rootfs, path: &str, owner: &str) -> Result<(u32, u32), BuildError> {
    let unknown = || BuildError::Owner { path: path.to_owned(), owner: owner.to_owned() };
    let read = |file: &str| {
        let mut text = String::new();
        let opened = root.resolve(file);
        let read = opened.and_then(|file| file.take(JSON_BYTES).read_to_string(&mut text));
        read.map(|_| text).map_err(|source| BuildError::Write { path: file.to_owned(), source })
    };
    let (user, group) = owner.split_once(':').ok_or_else(unknown)?;
    let uid = id_of(&read("etc/passwd")?, user).ok_or_else(unknown)?;
    let gid = id_of(&read("etc/group")?, group).ok_or_else(unknown)?;
    Ok((uid, gid))
}

/// The id in the third field of the line that begins with `name`.
fn id_of(table: &str, name: &str) -> Option<u32> {
    let mut lines = table.lines().map(|line| line.split(':'));
    let mut fields =
        lines.find_map(|mut fields| (fields.next() == Some(name)).then_some(fields))?;
    fields.nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests;
