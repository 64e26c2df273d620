//! What the dialects share when they make a reply's object out of one of the world's.

use serde_json::Value;

/// `view` with the fields of `more`, which win.
pub(super) fn extend(mut view: Value, more: Value) -> Value {
    if let (Value::Object(view), Value::Object(more)) = (&mut view, more) {
        view.extend(more);
    }
    view
}

/// Takes a field away that the world has and the service does not show.
pub(super) fn without(view: &mut Value, key: &str) {
    if let Value::Object(map) = view {
        map.shift_remove(key);
    }
}
