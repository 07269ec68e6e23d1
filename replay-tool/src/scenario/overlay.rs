//! Lays what a scenario changes over what there is: only the difference is written.

use serde_json::Value;

/// Lays `overlay` over `base`: mappings are merged, null removes, plans are merged by term and
/// billing, everything else is replaced.
#[must_use]
pub fn merge(base: Value, overlay: Value) -> Value {
    let (Value::Object(mut base), Value::Object(overlay)) = (base, overlay.clone()) else {
        return overlay;
    };
    for (key, value) in overlay {
        let before = base.remove(&key);
        let merged = match (key.as_str(), before, value) {
            (_, _, Value::Null) => continue,
            ("plans", Some(Value::Array(before)), Value::Array(plans)) => {
                merge_plans(before, plans)
            }
            (_, Some(before), value) => merge(before, value),
            (_, None, value) => value,
        };
        base.insert(key, merged);
    }
    Value::Object(base)
}

fn merge_plans(mut plans: Vec<Value>, overlay: Vec<Value>) -> Value {
    for plan in overlay {
        let same = |before: &&mut Value| {
            before.get("term") == plan.get("term") && before.get("billing") == plan.get("billing")
        };
        match plans.iter_mut().find(same) {
            Some(before) => *before = merge(before.take(), plan),
            None => plans.push(plan),
        }
    }
    Value::Array(plans)
}
