#![allow(clippy::unwrap_used)]
use super::*;

#[test]
fn a_checkpoint_may_be_from_before_choices_were_written() {
    let position = Position {
        compressed: Some(true),
        ..Position::default()
    };
    let mut written = serde_json::to_value(&position).unwrap();
    let read = |value: &Value| serde_json::from_value::<Position>(value.clone()).unwrap();
    assert_eq!(read(&written), position);
    written.as_object_mut().unwrap().remove("compressed");
    assert_eq!(read(&written).compressed, None);
}
