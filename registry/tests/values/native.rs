//! portico's own JSON of a frontend, read once more without its reader: as any JSON.

use model::{Frontend, HashKey};
use serde_json::Value;

/// Says what the document says: the same weights in all, the same names, nothing that is not in it.
pub(crate) fn agrees(json: &[u8], frontend: &Frontend) {
    let value: Value = serde_json::from_slice(json).unwrap_or_else(|error| panic!("accepted, but {error}"));
    let Value::Object(fields) = &value else { panic!("accepted, but no object: {value}") };
    for name in fields.keys() {
        let known = ["host", "path", "backend", "endpoints", "service", "balance", "timeouts", "check"];
        assert!(known.contains(&name.as_str()), "accepted an unknown field: {value}");
    }
    let listed = fields.get("endpoints").and_then(Value::as_array).map_or(0, |listed| {
        let weight = |endpoint: &Value| match endpoint.get("weight") {
            None | Some(Value::Null) => 1,
            Some(weight) => weight.as_u64().unwrap_or_else(|| panic!("weight {weight}")),
        };
        listed.iter().map(weight).sum::<u64>()
    });
    let read: u64 = frontend.backend.endpoints.iter().map(|endpoint| u64::from(endpoint.weight.get())).sum();
    assert_eq!(read, listed, "weights: {value}");
    let host = fields.get("host").and_then(Value::as_str).unwrap_or_default();
    let backend = fields.get("backend").and_then(Value::as_str);
    let service = fields.get("service").filter(|service| !service.is_null());
    let service = service.and_then(|service| service.get("name").unwrap_or(service).as_str());
    let service = service.map(str::to_ascii_lowercase);
    assert_eq!(
        frontend.backend.name.as_str(),
        backend.unwrap_or(service.as_deref().unwrap_or(&frontend.host.to_string())),
        "{host:?}: {value}"
    );
    if let model::BalanceKind::Hash(HashKey::Header(name)) = &frontend.policy.balance {
        let spelled = value.pointer("/balance/hash/header").and_then(Value::as_str).unwrap_or_default();
        assert!(spelled.eq_ignore_ascii_case(name), "{value}");
    }
}
