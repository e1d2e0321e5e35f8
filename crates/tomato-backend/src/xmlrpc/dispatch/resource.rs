//! Methods of templates, profiles and networks.

use serde_json::{Map, Value as Json, json};
use tomato_api::error::{ApiError, ErrorCode};
use tomato_api::host::TemplateInfo;
use tomato_api::request::Profile;

use super::account::known_only;
use super::{Args, Session, attrs, id, invalid, maybe_text, missing, not_offered, refused, text};

/// Processes of a profile that the original's users make, who could not say it.
const PIDS_DEFAULT: u32 = 512;
/// Bytes of the original's MB.
const MB: u64 = 1_000_000;
/// Resources of a new profile that does not name them, the original's: MB, processors, MB.
const RAM_DEFAULT: f64 = 512.0;
const CPUS_DEFAULT: f64 = 1.0;
const DISKSPACE_DEFAULT: f64 = 10_240.0;
/// The largest amounts that are taken: MB and processors.
const MB_MAX: f64 = 1e9;
const CPUS_MAX: f64 = 4096.0;

/// Why networks cannot be made.
const NO_NETWORKS: &str = "external networks are not offered yet: topologies have no way out";

impl Session<'_> {
    pub(super) async fn resource(&self, method: &str, args: &Args) -> Result<Json, ApiError> {
        match method.split_once('_') {
            Some(("template", verb)) => self.template(verb, args).await,
            Some(("profile", verb)) => self.profile(verb, args).await,
            Some(("network", verb)) => self.network(verb, args),
            _ => self.resources_map().await,
        }
    }

    async fn resources_map(&self) -> Result<Json, ApiError> {
        let by_name = |list: Vec<Json>| -> Map<String, Json> {
            let name = |item: &Json| item["name"].as_str().unwrap_or_default().to_owned();
            list.into_iter().map(|item| (name(&item), item)).collect()
        };
        let templates = by_name(self.templates().await?);
        let profiles = by_name(self.profiles().await?.iter().map(profile).collect());
        Ok(json!({
            "templates": {"container": templates, "openvz": templates},
            "profiles": {"container": profiles, "openvz": profiles},
            "networks": {},
            "network_instances": {},
        }))
    }

    async fn templates(&self) -> Result<Vec<Json>, ApiError> {
        let list: Vec<TemplateInfo> = self.call("template_list", &[], json!({})).await?;
        Ok(list.iter().map(template).collect())
    }

    async fn profiles(&self) -> Result<Vec<Profile>, ApiError> {
        self.call("profile_list", &[], json!({})).await
    }

    async fn template(&self, verb: &str, args: &Args) -> Result<Json, ApiError> {
        match verb {
            "list" if !is_container(maybe_text(args, "type")?) => Ok(json!([])),
            "list" => self.templates().await.map(Json::Array),
            "info" => self.template_named(id(args, "id")?).await,
            "create" => {
                self.caller.need_admin()?;
                check_type(args)?;
                let name = text(args, "name")?;
                if self.template_named(name).await.is_ok() {
                    return Err(taken("template", name));
                }
                let given = attrs(args, "attrs")?;
                known_only(&given, &[TEMPLATE_ATTRIBUTES, PULL_ATTRIBUTES, &["image"]].concat())?;
                let reference = given.get("image").ok_or_else(|| {
                    not_offered(
                        "give image, HOST/REPOSITORY:TAG in a registry; root file systems are uploaded by \
                         tomato template upload NAME FILE, or by REST",
                    )
                })?;
                let mut pull = json!({"reference": reference});
                let rest =
                    given.into_iter().filter(|(key, _)| PULL_ATTRIBUTES.contains(&key.as_str()));
                merge(&mut pull, rest.collect());
                super::ended(
                    self.finish("template_pull", &[name], pull).await?,
                    "template_create",
                )?;
                self.template_named(name).await
            }
            _ => {
                self.caller.need_admin()?;
                self.template_named(id(args, "id")?).await?;
                if verb == "modify" {
                    known_only(&attrs(args, "attrs")?, TEMPLATE_ATTRIBUTES)?;
                }
                Err(not_offered("templates are replaced by uploading them again under their name"))
            }
        }
    }

    async fn template_named(&self, name: &str) -> Result<Json, ApiError> {
        let known = self.templates().await?.into_iter().find(|template| template["name"] == name);
        known.ok_or_else(|| missing("template", &json!(name)))
    }

    async fn profile(&self, verb: &str, args: &Args) -> Result<Json, ApiError> {
        match verb {
            "list" if !is_container(maybe_text(args, "type")?) => Ok(json!([])),
            "list" => Ok(self.profiles().await?.iter().map(profile).collect()),
            "info" => self.profile_named(id(args, "id")?).await.map(|found| profile(&found)),
            "create" => {
                self.caller.need_admin()?;
                check_type(args)?;
                let given = attrs(args, "attrs")?;
                let mut body = json!({
                    "name": text(args, "name")?,
                    "cpu_milli": thousandths(CPUS_DEFAULT),
                    "memory_bytes": bytes(RAM_DEFAULT),
                    "disk_bytes": bytes(DISKSPACE_DEFAULT),
                    "pids_max": PIDS_DEFAULT,
                });
                merge(&mut body, profile_patch(&given)?);
                let made: Profile = self.call("profile_create", &[], body).await?;
                Ok(profile(&made))
            }
            "modify" => {
                let found = self.profile_named(id(args, "id")?).await?;
                let patch = profile_patch(&attrs(args, "attrs")?)?;
                let path = [found.id.as_str()];
                let changed: Profile = self.call("profile_modify", &path, json!(patch)).await?;
                Ok(profile(&changed))
            }
            _ => {
                let found = self.profile_named(id(args, "id")?).await?;
                self.call::<Json>("profile_remove", &[found.id.as_str()], Json::Null).await
            }
        }
    }

    /// The profile of this id or name.
    async fn profile_named(&self, id: &str) -> Result<Profile, ApiError> {
        let known =
            self.profiles().await?.into_iter().find(|p| p.id.as_str() == id || p.name == id);
        known.ok_or_else(|| missing("profile", &json!(id)))
    }

    fn network(&self, verb: &str, args: &Args) -> Result<Json, ApiError> {
        match verb {
            "list" => Ok(json!([])),
            "instance_list" => {
                if let Some(host) = maybe_text(args, "host")? {
                    let known = super::place::host(self.app).filter(|known| known["name"] == host);
                    known.ok_or_else(|| missing("host", &json!(host)))?;
                }
                match maybe_text(args, "network")? {
                    Some(network) => Err(missing("network", &json!(network))),
                    None => Ok(json!([])),
                }
            }
            "create" => self.caller.need_admin().and_then(|()| Err(not_offered(NO_NETWORKS))),
            "instance_create" => {
                self.caller.need_admin()?;
                Err(missing("network", args.get("network").unwrap_or(&Json::Null)))
            }
            _ => {
                let entity =
                    if verb.starts_with("instance") { "network_instance" } else { "network" };
                Err(missing(entity, args.get("id").unwrap_or(&Json::Null)))
            }
        }
    }
}

/// Attributes of templates.
const TEMPLATE_ATTRIBUTES: &[&str] = &[
    "label",
    "description",
    "preference",
    "restricted",
    "subtype",
    "kblang",
    "nlXTP_installed",
    "show_as_common",
    "creation_date",
    "icon",
    "urls",
];

/// Attributes that say how the image of a new template is got, as [`tomato_api::request::TemplatePull`] has them.
const PULL_ATTRIBUTES: &[&str] = &["label", "user", "password", "ca"];

fn is_container(type_name: Option<&str>) -> bool {
    type_name.is_none_or(|name| matches!(name, "container" | "openvz"))
}

fn check_type(args: &Args) -> Result<(), ApiError> {
    let name = text(args, "type")?;
    if is_container(Some(name)) {
        return Ok(());
    }
    Err(invalid("type", &json!(name), "must be container: other kinds are not offered yet"))
}

fn merge(body: &mut Json, patch: Map<String, Json>) {
    if let Some(members) = body.as_object_mut() {
        members.extend(patch);
    }
}

/// The native patch of a profile.
fn profile_patch(attrs: &Map<String, Json>) -> Result<Map<String, Json>, ApiError> {
    let mut patch = Map::new();
    for (key, value) in attrs {
        let (name, native) = match key.as_str() {
            "label" => ("label", value.clone()),
            "ram" => ("memory_bytes", json!(bytes(amount(key, value, MB_MAX)?))),
            "diskspace" => ("disk_bytes", json!(bytes(amount(key, value, MB_MAX)?))),
            "cpus" => ("cpu_milli", json!(thousandths(amount(key, value, CPUS_MAX)?))),
            // What only sorts and explains in the original's own pages.
            "preference" | "description" => continue,
            "restricted" => {
                let flag = tomato_model::original::flag(value);
                let flag = flag.ok_or_else(|| invalid(key, value, "must be true or false"))?;
                ("restricted", json!(flag))
            }
            _ => return Err(refused(tomato_model::original::unknown(key))),
        };
        patch.insert(name.to_owned(), native);
    }
    Ok(patch)
}

fn amount(key: &str, value: &Json, max: f64) -> Result<f64, ApiError> {
    let number = value.as_f64().filter(|number| *number > 0.0 && *number <= max);
    number.ok_or_else(|| invalid(key, value, format!("must be a number above 0, at most {max}")))
}

#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "amounts are positive and bounded far below 2^53"
)]
fn bytes(megabytes: f64) -> u64 {
    (megabytes * MB as f64).round() as u64
}

#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "amounts are positive and bounded far below 2^32"
)]
fn thousandths(cpus: f64) -> u32 {
    (cpus * 1000.0).round().max(1.0) as u32
}

fn template(info: &TemplateInfo) -> Json {
    json!({
        "id": info.name,
        "name": info.name,
        "type": "container",
        "label": info.label,
        "description": info.description,
        "preference": 0,
        "popularity": 0,
        "restricted": false,
        "subtype": "linux",
        "kblang": "en-us",
        "nlXTP_installed": true,
        "show_as_common": true,
        "creation_date": null,
        "icon": null,
        "urls": [],
        "all_urls": [],
        "size": null,
        "checksum": info.digest,
        "ready": {"backend": true, "hosts": {"ready": u8::from(info.ready), "total": 1}},
    })
}

fn profile(profile: &Profile) -> Json {
    // To the nearest: what was set in MB is answered as it was set.
    let mega = |bytes: u64| bytes.saturating_add(MB / 2) / MB;
    json!({
        "id": profile.id,
        "name": profile.name,
        "type": "container",
        "label": profile.label,
        "description": "",
        "preference": 0,
        "restricted": profile.restricted,
        "cpus": f64::from(profile.cpu_milli) / 1000.0,
        "ram": mega(profile.memory_bytes),
        "diskspace": mega(profile.disk_bytes),
    })
}

fn taken(entity: &str, name: &str) -> ApiError {
    let text = format!("{entity} {name:?} exists already: choose another name");
    ApiError::new(ErrorCode::AlreadyExists, text).with(json!({"entity": entity, "id": name}))
}
