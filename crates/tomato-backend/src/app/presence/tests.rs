use futures_util::StreamExt;
use tomato_api::request::{ElementCreate, Place, Places, TopologyCreate};
use tomato_model::kind::Kind;

use super::*;
use crate::app::event::Followed;

struct World {
    app: App,
    caller: Caller,
    id: TopologyId,
    _dir: tempfile::TempDir,
}

async fn world() -> World {
    let dir = tempfile::tempdir().unwrap();
    let store = tomato_store::SqliteStore::open(&dir.path().join("state")).await.unwrap();
    let app = App::open(store, crate::hostlink::HostLink::default()).await.unwrap();
    let caller = Caller { account: "eve".into(), ..Caller::default() };
    let id = app.topology_create(&caller, TopologyCreate::default()).await.unwrap().id;
    World { app, caller, id, _dir: dir }
}

fn set(client: &str, selection: &[&str]) -> PresenceSet {
    let selection = Some(selection.iter().map(|id| (*id).to_owned()).collect());
    PresenceSet { client: client.into(), selection }
}

#[tokio::test]
async fn a_selection_is_told_to_those_who_see_the_topology_and_ask_for_it() {
    let World { app, caller, id, _dir } = world().await;
    let last = app.last_event().await.unwrap();
    let stranger = Caller { account: "mallory".into(), ..Caller::default() };
    let mut told = std::pin::pin!(app.event_list(caller.clone(), last, true));
    let mut silent = std::pin::pin!(app.event_list(caller.clone(), last, false));
    let mut blind = std::pin::pin!(app.event_list(stranger.clone(), last, true));
    // streams subscribe when they are first asked
    for stream in [
        futures_util::poll!(told.next()),
        futures_util::poll!(silent.next()),
        futures_util::poll!(blind.next()),
    ] {
        assert!(stream.is_pending());
    }
    app.topology_presence(&caller, &id, set("window", &["a", "b"])).await.unwrap();
    let Followed::Presence(seen) = told.next().await.unwrap().unwrap() else {
        panic!("something else was told");
    };
    assert_eq!((seen.account.as_str(), seen.client.as_str()), ("eve", "window"));
    assert_eq!(seen.selection, Some(vec!["a".to_owned(), "b".to_owned()]));
    assert!(futures_util::poll!(silent.next()).is_pending());
    assert!(futures_util::poll!(blind.next()).is_pending());
    let refused = app.topology_presence(&stranger, &id, set("x", &[])).await.unwrap_err();
    assert_eq!(refused.code, ErrorCode::EntityDoesNotExist);
}

#[tokio::test]
async fn a_selection_has_bounds() {
    let World { app, caller, id, _dir } = world().await;
    let many = vec!["a"; PRESENCE_SELECTION_MAX + 1];
    let long = "x".repeat(PRESENCE_CLIENT_MAX + 1);
    for (bad, field) in [(set("w", &many), "selection"), (set(&long, &[]), "client")] {
        let error = app.topology_presence(&caller, &id, bad).await.unwrap_err();
        assert_eq!(error.code, ErrorCode::InvalidValue);
        assert!(error.message.starts_with(field), "{error}");
    }
}

#[tokio::test]
async fn many_elements_are_moved_in_one_change() {
    let World { app, caller, id, _dir } = world().await;
    let mut elements = Vec::new();
    for _ in 0..3 {
        let args = ElementCreate {
            topology: id.clone(),
            kind: Kind::Switch,
            name: None,
            type_name: None,
            attributes: serde_json::Map::new(),
        };
        elements.push(app.element_create(&caller, args).await.unwrap().id);
    }
    app.element_remove(&caller, &elements[2]).await.unwrap();
    let before = app.last_event().await.unwrap();
    let place = |x| Some(Place { x, y: 0.5 });
    let places = [(&elements[0], place(0.1)), (&elements[1], place(0.2)), (&elements[2], None)];
    let places = Places { places: places.map(|(id, place)| (id.clone(), place)).into() };
    app.topology_arrange(&caller, &id, places).await.unwrap();
    let moved = app.element_info(&caller, &elements[1]).await.unwrap();
    assert_eq!(moved.client["_pos"], json!({"x": 0.2, "y": 0.5}));
    assert_eq!(app.last_event().await.unwrap() - before, 2, "one event for each that moved");
    let bad = Places { places: [(elements[0].clone(), place(f64::NAN))].into() };
    let error = app.topology_arrange(&caller, &id, bad).await.unwrap_err();
    assert_eq!(error.code, ErrorCode::InvalidValue);
}
