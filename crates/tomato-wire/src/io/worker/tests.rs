use super::*;

#[test]
fn places_survive_the_kernel() {
    assert_eq!(place_of(data_of(7, 9)), Some((7, 9)));
    assert_eq!(place_of(WAKE), None);
}
