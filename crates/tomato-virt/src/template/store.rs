//! The template directory.

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder, File, TryLockError};
use std::io::{self, Read};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use crate::container::MainProcess;

use super::build::{self, Site};
use super::elf::{self, Program};
use super::import::unpack;
use super::limits::{JSON_BYTES, TEXT_BYTES};
use super::manifest::manifest;
use super::name::{Digest, Holder, TemplateName};
use super::oci::{self, Layout};
use super::recipe::{self, Recipe};
use super::rootfs::Rootfs;
use building::Building;
use files::{list_dir, open_lock, remove_tree, rename, sync_dir, write_json};

use super::{
    Image, ImportOptions, Imported, Progress, Step, Template, TemplateError, TemplateInfo,
    TemplateState,
};

mod building;
mod files;

/// Where the boot script of a template is, if it has one.
const BOOT: &str = "etc/tomato/boot";

/// A template directory. Cheap to open; any number of processes may have the same one open.
#[derive(Clone, Debug)]
pub struct TemplateStore {
    dir: PathBuf,
    apt: PathBuf,
}

/// `names/NAME.json`.
#[derive(Debug, Serialize, Deserialize)]
struct Named {
    name: TemplateName,
    digest: Digest,
    label: String,
    description: String,
    boot: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    main: Option<MainProcess>,
    built_at: u64,
    recipe: Option<String>,
    bytes: u64,
    entries: u64,
}

/// What a new template is called and how it starts.
struct Described<'d> {
    name: &'d TemplateName,
    label: String,
    description: String,
    boot: Option<Vec<String>>,
    main: Option<MainProcess>,
    recipe: Option<String>,
}

impl TemplateStore {
    /// Opens a template directory, makes it if it is not there, and removes what dead builders left.
    ///
    /// # Errors
    /// When the directory cannot be made or changed.
    pub fn open(dir: impl Into<PathBuf>) -> Result<Self, TemplateError> {
        Self::open_with(dir.into(), PathBuf::from("/etc/apt"))
    }

    /// Opens a template directory with another package configuration than `/etc/apt`.
    pub(super) fn open_with(dir: PathBuf, apt: PathBuf) -> Result<Self, TemplateError> {
        let store = Self { dir, apt };
        for part in ["", "names", "blobs", "building", "locks"] {
            let path = store.dir.join(part);
            let made = DirBuilder::new().recursive(true).mode(0o700).create(&path);
            made.map_err(|source| TemplateError::Write { path, source })?;
        }
        // A directory made by someone else may be open to all; the files inside must not be.
        let closed = fs::set_permissions(&store.dir, fs::Permissions::from_mode(0o700));
        closed.map_err(|source| TemplateError::Write { path: store.dir.clone(), source })?;
        match store.sweep() {
            // One damaged name must not take all others away; whoever asks for it hears of it.
            Err(error @ TemplateError::Parse { .. }) => tracing::warn!(%error, "cannot sweep"),
            swept => swept?,
        }
        Ok(store)
    }

    /// The template directory itself.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// All templates, shipped ones too that are not built yet, by name.
    ///
    /// # Errors
    /// When the template directory cannot be read.
    pub fn list(&self) -> Result<Vec<TemplateInfo>, TemplateError> {
        let mut found = BTreeMap::new();
        for named in self.all_named()? {
            found.insert(named.name.clone(), self.info_of(named));
        }
        for name in recipe::names() {
            let Some(recipe) = recipe::find(name) else { continue };
            let name: TemplateName = name.parse().expect("shipped names are valid");
            found.entry(name.clone()).or_insert_with(|| shipped_info(name, &recipe));
        }
        Ok(found.into_values().collect())
    }

    /// One template, built or not.
    ///
    /// # Errors
    /// [`TemplateError::Find`] if there is none of this name.
    pub fn info(&self, name: &TemplateName) -> Result<TemplateInfo, TemplateError> {
        if let Some(named) = self.read_name(name)? {
            return Ok(self.info_of(named));
        }
        match recipe::find(name.as_str()) {
            Some(recipe) => Ok(shipped_info(name.clone(), &recipe)),
            None => Err(self.unknown(name)?),
        }
    }

    /// The template of this name, built first if it is a shipped one that was not built yet or whose recipe changed.
    /// Several callers of one name, also in several processes, build it once.
    ///
    /// # Errors
    /// When there is no such template or its build fails. Nothing half-built stays.
    pub fn ensure(
        &self,
        name: &TemplateName,
        progress: &dyn Fn(Progress),
    ) -> Result<Template, TemplateError> {
        if let Some(template) = self.current(name)? {
            return Ok(template);
        }
        let Some(recipe) = recipe::find(name.as_str()) else { return Err(self.unknown(name)?) };
        let _lock = self.lock_name(name, progress)?;
        if let Some(template) = self.current(name)? {
            return Ok(template);
        }
        tracing::info!(%name, "build template");
        let building = Building::begin(self)?;
        let rootfs = building.rootfs();
        let site = Site { rootfs: &rootfs, scratch: &building.scratch, apt: &self.apt, progress };
        build::build(&recipe, site)
            .map_err(|source| TemplateError::Build { name: name.clone(), source })?;
        let described = Described {
            name,
            label: recipe.label,
            description: recipe.description,
            boot: None,
            main: None,
            recipe: Some(recipe.sum),
        };
        self.keep(building, described, progress)
    }

    /// What every import begins with: the name is free to be given and locked, and an empty root is there.
    fn begin_import(
        &self,
        name: &TemplateName,
        progress: &dyn Fn(Progress),
    ) -> Result<(File, Building, Rootfs), TemplateError> {
        if recipe::find(name.as_str()).is_some() {
            return Err(TemplateError::Shipped { name: name.clone() });
        }
        let lock = self.lock_name(name, progress)?;
        let building = Building::begin(self)?;
        let path = building.rootfs();
        let root = fs::create_dir(&path).and_then(|()| Rootfs::open(&path));
        let root = root.map_err(|source| TemplateError::Write { path, source })?;
        Ok((lock, building, root))
    }

    pub(super) fn import(
        &self,
        name: &TemplateName,
        reader: Box<dyn Read + '_>,
        options: ImportOptions,
        progress: &dyn Fn(Progress),
    ) -> Result<Imported, TemplateError> {
        let (_lock, building, root) = self.begin_import(name, progress)?;
        let mut told = 0;
        let skipped = unpack(reader, &root, &mut |bytes| {
            let megabytes = bytes >> 20;
            if megabytes >= told + 8 {
                told = megabytes;
                let message = format!("{megabytes} MB unpacked");
                progress(Progress { step: Step::Import, percent: None, message });
            }
        })
        .map_err(|source| TemplateError::Import { name: name.clone(), source })?;
        let label = if options.label.is_empty() { name.to_string() } else { options.label };
        let described = Described {
            name,
            label: cut(label),
            description: cut(options.description),
            boot: options.boot,
            main: None,
            recipe: None,
        };
        Ok(Imported { template: self.keep(building, described, progress)?, skipped })
    }

    pub(super) fn import_oci(
        &self,
        name: &TemplateName,
        image: Image<'_>,
        options: ImportOptions,
        progress: &dyn Fn(Progress),
    ) -> Result<Imported, TemplateError> {
        let (_lock, building, root) = self.begin_import(name, progress)?;
        let failed = |source| TemplateError::Image { name: name.clone(), source };
        let mut tell = |message| progress(Progress { step: Step::Import, percent: None, message });
        let taken = match image {
            Image::Parts(source) => oci::take(source, &root, &building.scratch, &mut tell),
            Image::Layout(reader) => {
                let dir = building.scratch.join("layout");
                let made = fs::create_dir(&dir);
                made.map_err(|source| TemplateError::Write { path: dir.clone(), source })?;
                let mut layout = Layout::read(reader, &dir).map_err(failed)?;
                oci::take(&mut layout, &root, &building.scratch, &mut tell)
            }
        };
        let taken = taken.map_err(failed)?;
        let label = if options.label.is_empty() { name.to_string() } else { options.label };
        let described = Described {
            name,
            label: cut(label),
            description: cut(options.description),
            boot: Some(Vec::new()),
            main: Some(taken.main),
            recipe: None,
        };
        let template = self.keep(building, described, progress)?;
        Ok(Imported { template, skipped: taken.skipped })
    }

    /// Takes a name away; its files go with the last name and pin. Of a shipped one the recipe stays.
    ///
    /// # Errors
    /// [`TemplateError::Find`] if there is nothing under this name.
    pub fn remove(&self, name: &TemplateName) -> Result<(), TemplateError> {
        let path = self.name_path(name);
        {
            let _lock = self.lock()?;
            match fs::remove_file(&path) {
                Ok(()) => sync_dir(&self.dir.join("names"))?,
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    return if recipe::find(name.as_str()).is_some() {
                        Ok(())
                    } else {
                        Err(self.unknown(name)?)
                    };
                }
                Err(source) => return Err(TemplateError::Write { path, source }),
            }
        }
        tracing::info!(%name, "remove template");
        self.sweep()
    }

    /// Keeps the files of `digest` for `holder`, whatever happens to their name. Again for the same holder is no error.
    ///
    /// # Errors
    /// [`TemplateError::Gone`] if the files are not here.
    pub fn pin(&self, digest: &Digest, holder: &Holder) -> Result<(), TemplateError> {
        let _lock = self.lock()?;
        let pins = self.blob(digest).join("pins");
        if !pins.is_dir() {
            return Err(TemplateError::Gone { digest: digest.clone() });
        }
        let path = pins.join(holder.as_str());
        File::create(&path).map_err(|source| TemplateError::Write { path, source })?;
        sync_dir(&pins)
    }

    /// Ends [`TemplateStore::pin`] and removes the files if nothing else needs them. A pin that is not there is no error.
    ///
    /// # Errors
    /// When the template directory cannot be changed.
    pub fn unpin(&self, digest: &Digest, holder: &Holder) -> Result<(), TemplateError> {
        {
            let _lock = self.lock()?;
            let path = self.blob(digest).join("pins").join(holder.as_str());
            match fs::remove_file(&path) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
                Err(source) => return Err(TemplateError::Write { path, source }),
            }
        }
        self.sweep()
    }

    /// Ends all pins of a lab: those of the holder `lab` and of every `lab.…`.
    ///
    /// # Errors
    /// When the template directory cannot be read or changed.
    pub fn unpin_all(&self, lab: &Holder) -> Result<(), TemplateError> {
        {
            let _lock = self.lock()?;
            let blobs = self.dir.join("blobs");
            for blob in list_dir(&blobs)? {
                let pins = blobs.join(blob).join("pins");
                for holder in list_dir(&pins)? {
                    let rest = holder.to_str().and_then(|name| name.strip_prefix(lab.as_str()));
                    if rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.')) {
                        let path = pins.join(holder);
                        fs::remove_file(&path)
                            .map_err(|source| TemplateError::Write { path, source })?;
                    }
                }
            }
        }
        self.sweep()
    }

    /// Removes what dead builders left and all files that no name and no pin holds.
    ///
    /// # Errors
    /// When the template directory cannot be read or changed.
    pub fn sweep(&self) -> Result<(), TemplateError> {
        let _lock = self.lock()?;
        let building = self.dir.join("building");
        for name in list_dir(&building)? {
            let path = building.join(name);
            // The builder holds this lock as long as it lives; one without the file did not get that far.
            let abandoned = match File::open(path.join("lock")) {
                Ok(file) => !matches!(file.try_lock(), Err(TryLockError::WouldBlock)),
                Err(_) => true,
            };
            if abandoned {
                remove_tree(&path)?;
            }
        }
        let held: Vec<Digest> = self.all_named()?.into_iter().map(|named| named.digest).collect();
        let blobs = self.dir.join("blobs");
        for name in list_dir(&blobs)? {
            let path = blobs.join(&name);
            let digest = name.to_str().and_then(|name| name.parse::<Digest>().ok());
            let named = digest.is_some_and(|digest| held.contains(&digest));
            if !named && list_dir(&path.join("pins"))?.is_empty() {
                // Out of sight in one step, so that a removal cut short leaves no damaged template.
                let away = building.join(format!("gone-{}", name.to_string_lossy()));
                rename(&path, &away)?;
                remove_tree(&away)?;
            }
        }
        Ok(())
    }

    /// The built template of this name, if it can be used as it is.
    fn current(&self, name: &TemplateName) -> Result<Option<Template>, TemplateError> {
        let Some(named) = self.read_name(name)? else { return Ok(None) };
        let info = self.info_of(named);
        let usable = matches!(info.state, TemplateState::Built | TemplateState::Imported);
        Ok(info.built.filter(|template| usable && template.rootfs.is_dir()))
    }

    /// Checks a new root file system, puts it under its digest and gives it its name.
    fn keep(
        &self,
        building: Building,
        described: Described<'_>,
        progress: &dyn Fn(Progress),
    ) -> Result<Template, TemplateError> {
        let Described { name, label, description, boot, main, recipe } = described;
        let report = |step, percent, message: &str| {
            progress(Progress { step, percent: Some(percent), message: message.to_owned() });
        };
        report(Step::Check, 92, "computing the digest");
        let rootfs = building.rootfs();
        let root = Rootfs::open(&rootfs)
            .map_err(|source| TemplateError::Read { path: rootfs.clone(), source })?;
        // An image may hold nothing but its program.
        if main.is_none() {
            check_shell(&root, name)?;
        }
        let has_boot = root.resolve(BOOT).is_ok();
        let manifest = manifest(&rootfs, recipe.as_deref())
            .map_err(|source| TemplateError::Sum { name: name.clone(), source })?;
        let boot = boot.unwrap_or_else(|| {
            if has_boot { vec!["/bin/sh".to_owned(), format!("/{BOOT}")] } else { Vec::new() }
        });
        let named = Named {
            name: name.clone(),
            digest: manifest.digest,
            label,
            description,
            boot,
            main,
            built_at: now(),
            recipe,
            bytes: manifest.bytes,
            entries: manifest.entries,
        };
        report(Step::Store, 96, "writing to disk");
        building.finish(&named)?;
        {
            let _lock = self.lock()?;
            let blob = self.blob(&named.digest);
            if !blob.join("rootfs").is_dir() {
                rename(&building.blob, &blob)?;
                sync_dir(&self.dir.join("blobs"))?;
            }
            write_json(&self.name_path(name), &named)?;
        }
        drop(building);
        // A replaced template's files go now, if nobody holds them.
        self.sweep()?;
        report(Step::Store, 100, "done");
        tracing::info!(%name, digest = %named.digest, bytes = named.bytes, "template ready");
        Ok(self.template_of(named))
    }

    fn info_of(&self, named: Named) -> TemplateInfo {
        let state = match (recipe::find(named.name.as_str()), &named.recipe) {
            (Some(recipe), Some(sum)) if recipe.sum == *sum => TemplateState::Built,
            (Some(_), _) => TemplateState::Outdated,
            (None, _) => TemplateState::Imported,
        };
        let template = self.template_of(named);
        TemplateInfo {
            name: template.name.clone(),
            label: template.label.clone(),
            description: template.description.clone(),
            state,
            built: Some(template),
        }
    }

    fn template_of(&self, named: Named) -> Template {
        let rootfs = self.blob(&named.digest).join("rootfs");
        let Named {
            name,
            digest,
            label,
            description,
            boot,
            main,
            built_at,
            recipe,
            bytes,
            entries,
        } = named;
        Template {
            name,
            digest,
            label,
            description,
            rootfs,
            boot,
            main,
            built_at,
            recipe,
            bytes,
            entries,
        }
    }

    fn unknown(&self, name: &TemplateName) -> Result<TemplateError, TemplateError> {
        let known: Vec<String> =
            self.list()?.into_iter().map(|info| info.name.to_string()).collect();
        Ok(TemplateError::Find { name: name.clone(), known: known.join(", ") })
    }

    fn all_named(&self) -> Result<Vec<Named>, TemplateError> {
        let mut all = Vec::new();
        for file in list_dir(&self.dir.join("names"))? {
            let name = file.to_str().and_then(|file| file.strip_suffix(".json"));
            let Some(Ok(name)) = name.map(str::parse) else { continue };
            all.extend(self.read_name(&name)?);
        }
        Ok(all)
    }

    fn read_name(&self, name: &TemplateName) -> Result<Option<Named>, TemplateError> {
        let path = self.name_path(name);
        let mut text = Vec::new();
        let read = File::open(&path).and_then(|file| file.take(JSON_BYTES).read_to_end(&mut text));
        match read {
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(TemplateError::Read { path, source }),
        }
        let parsed = serde_json::from_slice(&text);
        parsed.map(Some).map_err(|source| TemplateError::Parse { path, source })
    }

    fn name_path(&self, name: &TemplateName) -> PathBuf {
        self.dir.join("names").join(format!("{name}.json"))
    }

    fn blob(&self, digest: &Digest) -> PathBuf {
        self.dir.join("blobs").join(digest.as_str())
    }

    /// The lock for the moment of a change.
    fn lock(&self) -> Result<File, TemplateError> {
        let path = self.dir.join("lock");
        let file = open_lock(&path)?;
        file.lock().map_err(|source| TemplateError::Write { path, source })?;
        Ok(file)
    }

    /// The lock of everyone who wants to build `name`; the system frees it when its holder dies.
    fn lock_name(
        &self,
        name: &TemplateName,
        progress: &dyn Fn(Progress),
    ) -> Result<File, TemplateError> {
        let path = self.dir.join("locks").join(name.as_str());
        let file = open_lock(&path)?;
        let locked = match file.try_lock() {
            Ok(()) => Ok(()),
            Err(TryLockError::WouldBlock) => {
                let message = format!("waiting for another build of {name}");
                progress(Progress { step: Step::Wait, percent: None, message });
                file.lock()
            }
            Err(TryLockError::Error(error)) => Err(error),
        };
        locked.map_err(|source| TemplateError::Write { path, source })?;
        Ok(file)
    }
}

fn shipped_info(name: TemplateName, recipe: &Recipe) -> TemplateInfo {
    TemplateInfo {
        name,
        label: recipe.label.clone(),
        description: recipe.description.clone(),
        state: TemplateState::Shipped,
        built: None,
    }
}

fn check_shell(root: &Rootfs, name: &TemplateName) -> Result<(), TemplateError> {
    let missing = || TemplateError::Shell { name: name.clone() };
    // Whatever keeps a container from opening its shell makes the template useless in the same way.
    let mut shell = root.resolve("bin/sh").ok().ok_or_else(missing)?;
    let runs =
        shell.metadata().is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0);
    match elf::inspect(&mut shell) {
        Ok(Program::Foreign(machine)) => {
            Err(TemplateError::Machine { name: name.clone(), machine })
        }
        Ok(Program::Other | Program::Static | Program::Dynamic) if runs => Ok(()),
        Ok(Program::Other | Program::Static | Program::Dynamic) | Err(_) => Err(missing()),
    }
}

fn cut(mut text: String) -> String {
    text.truncate(text.floor_char_boundary(TEXT_BYTES));
    text
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs())
}
