use super::*;

#[tokio::test]
async fn one_element_cannot_take_all_places_for_commands() {
    let places = Arc::new(Places::default());
    let (greedy, other) = (ElementId::new(1, 1), ElementId::new(1, 2));
    let mut taken = Vec::new();
    for _ in 0..EXECS_PER_ELEMENT {
        taken.push(places.exec(&greedy).await.unwrap());
    }
    let refused = places.exec(&greedy).await.unwrap_err();
    assert_eq!(refused.code, ErrorCode::NoResources);
    assert!(refused.message.contains(&EXECS_PER_ELEMENT.to_string()), "{}", refused.message);
    drop(places.exec(&other).await.unwrap());
    taken.pop();
    drop(places.exec(&greedy).await.unwrap());
    drop(taken);
    assert!(lock(&places.by_element).is_empty());
}
