use tomato_api::operation::{OPERATIONS, find};
use tomato_model::id::TopologyId;

use super::*;

fn topology(roles: &[(&str, Role)]) -> Topology {
    Topology {
        id: TopologyId::new(1, 1),
        name: "t".to_owned(),
        revision: 1,
        seed: 0,
        roles: roles.iter().map(|(name, role)| ((*name).to_owned(), *role)).collect(),
        timeout: None,
        client: std::collections::BTreeMap::new(),
    }
}

fn caller(flags: &[Flag], members: &[&str]) -> Caller {
    Caller {
        account: "me".to_owned(),
        flags: flags.iter().copied().collect(),
        members: Arc::new(members.iter().map(|name| (*name).to_owned()).collect()),
        ..Caller::default()
    }
}

#[test]
fn flags_give_roles_and_never_take_one_away() {
    let shared = topology(&[("colleague", Role::Manager), ("other", Role::Owner)]);
    let check = |flags: &[Flag], members: &[&str], topology: &Topology, expected| {
        assert_eq!(caller(flags, members).role_on(topology), expected, "{flags:?} {members:?}");
    };
    check(&[], &[], &shared, None);
    check(&[Flag::GlobalToplUser], &[], &shared, Some(Role::User));
    check(&[Flag::GlobalToplUser, Flag::GlobalToplOwner], &[], &shared, Some(Role::Owner));
    check(&[Flag::OrgaToplManager], &["colleague"], &shared, Some(Role::Manager));
    check(&[Flag::OrgaToplOwner], &["colleague"], &shared, None);
    // the original looked at the first member only
    check(&[Flag::OrgaToplOwner], &["colleague", "other"], &shared, Some(Role::Owner));
    let mine = topology(&[("me", Role::Owner)]);
    check(&[Flag::GlobalToplUser], &[], &mine, Some(Role::Owner));
}

#[test]
fn a_token_reaches_no_further_than_its_scope() {
    let mine = topology(&[("me", Role::Owner)]);
    let scoped = |access, topologies: &[TopologyId]| Caller {
        scope: TokenScope { access, topologies: topologies.iter().cloned().collect() },
        ..caller(&[], &[])
    };
    let may =
        |caller: &Caller, name: &str| caller.need_scope(find(name).expect("an operation")).is_ok();
    let full = scoped(TokenAccess::Full, &[]);
    assert!(OPERATIONS.iter().all(|operation| full.need_scope(operation).is_ok()));
    let read = scoped(TokenAccess::Read, &[]);
    assert!(may(&read, "topology_info") && !may(&read, "element_exec"));
    let changes = OPERATIONS.iter().filter(|operation| operation.method != Method::Get);
    assert!(changes.clone().all(|operation| read.need_scope(operation).is_err()));
    let used = scoped(TokenAccess::Use, &[]);
    assert!(may(&used, "element_exec") && !may(&used, "element_modify"));
    assert!(!may(&used, "token_create"), "it cannot make itself a wider one");
    assert_eq!(used.role_on(&mine), Some(Role::User));
    let metrics = scoped(TokenAccess::Metrics, &[]);
    let reached = OPERATIONS.iter().filter(|operation| metrics.need_scope(operation).is_ok());
    assert_eq!(reached.map(|operation| operation.name).collect::<Vec<_>>(), ["metrics_show"]);
    let one = scoped(TokenAccess::Full, &[TopologyId::new(1, 1)]);
    assert_eq!(one.role_on(&mine), Some(Role::Owner));
    assert!(may(&one, "element_modify") && may(&one, "topology_list"));
    for name in
        ["topology_create", "topology_import", "token_create", "account_modify", "account_list"]
    {
        assert!(!may(&one, name), "{name}");
    }
    let other = scoped(TokenAccess::Full, &[TopologyId::new(1, 2)]);
    assert_eq!(other.role_on(&mine), None);
    let admin = Caller { admin: true, ..other };
    assert_eq!(admin.role_on(&mine), None);
    assert!(admin.need_admin().is_err() && !admin.sees_all());
}
