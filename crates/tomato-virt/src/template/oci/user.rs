//! The process of an image, with its user looked up in the image's own files.

use std::io::Read;
use std::path::Path;

use super::super::limits::{DOCUMENT_BYTES, ID_MAX, PROCESS_BYTES};
use super::super::rootfs::{Attributes, Rootfs, inside};
use super::OciError;
use super::document::Process;
use crate::container::MainProcess;

/// What is run of an image, and as whom.
pub(super) fn main_process(process: Process, root: &Rootfs) -> Result<MainProcess, OciError> {
    let mut argv = process.entrypoint.unwrap_or_default();
    argv.extend(process.cmd.unwrap_or_default());
    let mut env = process.env.unwrap_or_default();
    let cwd = process.working_dir.filter(|dir| !dir.is_empty()).unwrap_or_else(|| "/".to_owned());
    let bytes: usize = argv.iter().chain(&env).map(|text| text.len() + 1).sum();
    if bytes + cwd.len() > PROCESS_BYTES {
        let limit = PROCESS_BYTES as u64;
        return Err(OciError::Large { what: "bytes of arguments and environment", limit });
    }
    let wrong = |text: String| Err(OciError::Unsupported(text));
    if argv.iter().chain(&env).chain([&cwd]).any(|text| text.contains('\0')) {
        return wrong("its command, environment or directory holds a zero character".to_owned());
    }
    if let Some(entry) = env.iter().find(|entry| entry.find('=').is_none_or(|at| at == 0)) {
        return wrong(format!("its environment entry {entry:?} is not NAME=VALUE"));
    }
    make_directory(&cwd, root)?;
    let user = find(&process.user.unwrap_or_default(), root)?;
    if !env.iter().any(|entry| entry.starts_with("HOME=")) {
        env.push(format!("HOME={}", user.home));
    }
    let User { uid, gid, groups, .. } = user;
    Ok(MainProcess { argv, env, cwd, uid, gid, groups })
}

/// The working directory is made if it is missing, as other tools do.
fn make_directory(cwd: &str, root: &Rootfs) -> Result<(), OciError> {
    let refuse = || OciError::Unsupported(format!("its working directory {cwd:?} is not absolute"));
    let relative = cwd.strip_prefix('/').ok_or_else(refuse)?;
    // Resolved as a process inside would, links and all.
    if root.resolve(cwd).is_ok() {
        return Ok(());
    }
    let path = inside(relative.as_bytes()).ok_or_else(refuse)?;
    let made = root.dir(&path, &Attributes { owner: Some((0, 0)), ..Attributes::mode(0o755) });
    made.map_err(|source| OciError::Fetch {
        what: format!("the working directory {cwd:?}"),
        source,
    })
}

struct User {
    uid: u32,
    gid: u32,
    groups: Vec<u32>,
    home: String,
}

/// `""`, `name`, `id`, each with `:group` or `:id` behind it or not.
fn find(text: &str, root: &Rootfs) -> Result<User, OciError> {
    let (name, group) =
        text.split_once(':').map_or((text, None), |(user, group)| (user, Some(group)));
    let name = if name.is_empty() { "0" } else { name };
    let missing = |what: &str, name: &str| {
        let name: String = name.chars().take(100).collect();
        OciError::Unsupported(format!("its {what} {name:?} is not in its own list"))
    };
    let passwd = table(root, "etc/passwd");
    let number = id(name);
    let entry = passwd.iter().find(|fields| match number {
        Some(number) => fields.get(2).and_then(|uid| id(uid)) == Some(number),
        None => fields[0] == name,
    });
    let listed = |at: usize| entry.and_then(|fields| fields.get(at)).and_then(|field| id(field));
    let uid = number.or_else(|| listed(2)).ok_or_else(|| missing("user", name))?;
    let home = entry.and_then(|fields| fields.get(5)).filter(|home| home.starts_with('/'));
    let home = home.cloned().unwrap_or_else(|| "/".to_owned());
    let group_table = table(root, "etc/group");
    let gid_of = |fields: &Vec<String>| fields.get(2).and_then(|gid| id(gid));
    if let Some(group) = group {
        let by_name = || group_table.iter().find(|fields| fields[0] == group).and_then(gid_of);
        let gid = id(group).or_else(by_name).ok_or_else(|| missing("group", group))?;
        return Ok(User { uid, gid, groups: Vec::new(), home });
    }
    let own = entry.map(|fields| fields[0].as_str());
    let is_member = |fields: &&Vec<String>| {
        let members = fields.get(3).map_or("", String::as_str);
        own.is_some_and(|own| members.split(',').any(|member| member == own))
    };
    let groups = group_table.iter().filter(is_member).filter_map(gid_of).collect();
    Ok(User { uid, gid: listed(3).unwrap_or(0), groups, home })
}

/// A user or group id that a container has.
fn id(text: &str) -> Option<u32> {
    text.parse::<u32>().ok().filter(|id| u64::from(*id) <= ID_MAX)
}

/// The fields of each line of a file; none if there is no such file.
fn table(root: &Rootfs, path: &str) -> Vec<Vec<String>> {
    let mut text = Vec::new();
    let read = root.resolve(&Path::new("/").join(path).display().to_string());
    if let Ok(file) = read
        && file.metadata().is_ok_and(|meta| meta.is_file())
        && file.take(DOCUMENT_BYTES).read_to_end(&mut text).is_ok()
    {
        let text = String::from_utf8_lossy(&text);
        return text
            .lines()
            .filter(|line| !line.is_empty())
            .map(|line| line.split(':').map(str::to_owned).collect())
            .collect();
    }
    Vec::new()
}
