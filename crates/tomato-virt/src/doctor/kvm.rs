//! Virtual machines: that `/dev/kvm` is there says little, so a guest is started. A Linux kernel is tried if there is
//! one; else a boot sector, which shows only that firmware runs.

use std::fs::{self, File, OpenOptions};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::limits::{FIRMWARE_DEADLINE, GUEST_DEADLINE};
use super::{Finding, Options};
use crate::cmd::{Cmd, CmdError, find};

const NAME: &str = "virtual machines";

/// What a kernel without a root file system says in the end: it came up as far as it can.
const CAME_UP: [&str; 3] =
    ["Unable to mount root fs", "No working init found", "Kernel panic - not syncing: VFS"];

/// The exit code of the guest's test device after the boot sector wrote 16 into it.
const SECTOR_CODE: i32 = 33;

pub(super) fn kvm(options: &Options) -> Finding {
    if !cfg!(target_arch = "x86_64") {
        return Finding::ok(
            NAME,
            "not tried on this kind of processor; containers do not need them",
        );
    }
    let slow = "virtual machines are emulated, some ten times slower; containers do not need them";
    if let Err(error) = OpenOptions::new().read(true).write(true).open("/dev/kvm") {
        let remedy = "switch on virtualization in the machine's firmware (or nested virtualization), then: modprobe kvm";
        return Finding::warn(
            NAME,
            format!("no hardware support (/dev/kvm: {error}): {slow}"),
            remedy,
        );
    }
    let Some(qemu) = find("qemu-system-x86_64") else {
        let what = "hardware support is there but not tried: qemu-system-x86_64 is missing";
        return Finding::warn(NAME, what, "apt-get install qemu-system-x86");
    };
    match options.kernel.clone().or_else(|| newest_kernel(Path::new("/boot"))) {
        Some(kernel) => linux(&qemu, &kernel, slow),
        None => firmware(&qemu, slow),
    }
}

fn linux(qemu: &Path, kernel: &Path, slow: &str) -> Finding {
    let shown = kernel.display();
    let guest = guest(qemu, GUEST_DEADLINE)
        .args(["-m", "256", "-serial", "stdio", "-append", "console=ttyS0 panic=-1", "-kernel"])
        .arg(kernel);
    let mut came_up = false;
    let mut last = String::new();
    let ended = guest.any_status().lines(|_, line| {
        came_up |= CAME_UP.iter().any(|sign| line.contains(sign));
        line.trim().clone_into(&mut last);
    });
    match ended {
        _ if came_up => {
            Finding::ok(NAME, format!("a Linux guest ({shown}) runs with hardware support (KVM)"))
        }
        Err(CmdError::Deadline { deadline, .. }) => Finding::warn(
            NAME,
            format!(
                "/dev/kvm is there, but a Linux guest ({shown}) hangs under it after {} s: {slow}",
                deadline.as_secs()
            ),
            "nothing to do: the lab emulates by itself; on a machine with real hardware support they are fast",
        ),
        Ok(_) | Err(_) => Finding::warn(
            NAME,
            format!(
                "/dev/kvm is there, but a Linux guest ({shown}) does not come up under it ({last}): {slow}"
            ),
            "nothing to do: the lab emulates by itself; try another kernel in /boot",
        ),
    }
}

fn firmware(qemu: &Path, slow: &str) -> Finding {
    match boot_sector(qemu) {
        Ok(true) => Finding::warn(
            NAME,
            "firmware runs with hardware support (KVM); whether Linux does was not tried, because there is no kernel in /boot",
            "put a kernel into /boot to know: apt-get install linux-image-cloud-amd64",
        ),
        Ok(false) | Err(_) => Finding::warn(
            NAME,
            format!("/dev/kvm is there, but not even firmware runs under it: {slow}"),
            "nothing to do: the lab emulates by itself",
        ),
    }
}

/// Whether firmware under KVM starts a boot sector.
fn boot_sector(qemu: &Path) -> std::io::Result<bool> {
    let dir = tempfile::tempdir()?;
    let image = dir.path().join("disk");
    File::create(&image)?.set_len(1 << 20)?;
    fs::write(&image, sector())?;
    let mut drive = std::ffi::OsString::from("if=ide,format=raw,file=");
    drive.push(&image);
    let guest = guest(qemu, FIRMWARE_DEADLINE)
        .args(["-m", "32", "-device", "isa-debug-exit,iobase=0xf4,iosize=0x04", "-drive"])
        .arg(drive);
    Ok(guest.any_status().run().is_ok_and(|output| output.status.code() == Some(SECTOR_CODE)))
}

/// A boot sector that writes 16 into the test device: `mov dx, 0xf4; mov al, 16; out dx, al; hlt`.
fn sector() -> Vec<u8> {
    let mut sector = vec![0; 512];
    sector[..8].copy_from_slice(&[0xba, 0xf4, 0x00, 0xb0, 0x10, 0xee, 0xf4, 0xf4]);
    sector[510..].copy_from_slice(&[0x55, 0xaa]);
    sector
}

fn guest(qemu: &Path, deadline: Duration) -> Cmd {
    Cmd::new(qemu)
        .args([
            "-accel",
            "kvm",
            "-machine",
            "pc",
            "-nodefaults",
            "-no-user-config",
            "-display",
            "none",
            "-no-reboot",
        ])
        .deadline(deadline)
}

/// The kernel with the highest version in `dir`.
pub(super) fn newest_kernel(dir: &Path) -> Option<PathBuf> {
    let files = fs::read_dir(dir).ok()?.filter_map(|entry| Some(entry.ok()?.path()));
    files
        .filter(|path| {
            File::open(path).is_ok_and(|file| file.metadata().is_ok_and(|meta| meta.is_file()))
        })
        .filter_map(|path| {
            let name = path.file_name()?.to_str()?.strip_prefix("vmlinuz-")?;
            let numbers = name.split(|c: char| !c.is_ascii_digit());
            let version: Vec<u32> = numbers.filter_map(|number| number.parse().ok()).collect();
            Some((version, path))
        })
        .max()
        .map(|(_, path)| path)
}
