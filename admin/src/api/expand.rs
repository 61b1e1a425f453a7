//! What documents of services say for short: `extends` another service, claim `frontends`.
//!
//! In: documents as they were sent, the facts that are there. Out: documents of which each says all of itself. Never here: a fact.

use model::{ServiceName, Snapshot};
use registry::format::FormatError;
use registry::format::native::ServiceDoc;
use serde_json::{Map, Value};

/// How many services may extend each other, one the next.
const MAX_STEPS: usize = 8;
/// What is a service's own, whatever it extends: who it is, what leads to it, and what somebody does with it just now.
const OWN: [&str; 7] = ["kind", "name", "extends", "frontends", "active", "canary", "restarts"];

/// Makes each document say all of itself.
///
/// `extends: base` has every field of that service, of this apply or of the registry, but where it says the field itself; a field that has
/// fields of its own is made of both. `frontends: [HOST[/path]]` makes a frontend of each, whose backend it is.
///
/// # Errors
/// [`FormatError`] names the document, its field and the remedy.
pub(super) fn expand(
    mut documents: Vec<Value>,
    facts: &Snapshot,
    delete: bool,
) -> Result<Vec<Value>, FormatError> {
    let stated = documents.clone();
    let mut frontends = Vec::new();
    for (i, document) in documents.iter_mut().enumerate() {
        let Some(fields) = document.as_object_mut().filter(|fields| is_service(fields)) else { continue };
        // Of what shall be gone only the names are read.
        if fields.contains_key("extends") && !delete {
            inherit(fields, &stated, facts).map_err(|error| super::applying::placed(i, error))?;
        }
        if let Some(claimed) = fields.remove("frontends") {
            let name = fields.get("name").cloned().unwrap_or_default();
            let claimed = claims(&claimed, &name).map_err(|error| super::applying::placed(i, error))?;
            frontends.extend(claimed);
        }
    }
    documents.extend(frontends);
    Ok(documents)
}

fn is_service(fields: &Map<String, Value>) -> bool {
    fields.get("kind").and_then(Value::as_str) == Some("service")
}

/// Gives a service what it has of those that it extends.
fn inherit(fields: &mut Map<String, Value>, stated: &[Value], facts: &Snapshot) -> Result<(), FormatError> {
    let mut chain = Vec::new();
    while let Some(extends) = fields.remove("extends") {
        let wrong = |reason: String, remedy: &str| FormatError {
            place: "extends".to_owned(),
            reason,
            remedy: remedy.to_owned(),
        };
        let Some(name) = extends.as_str() else {
            return Err(wrong("it is no text".to_owned(), "write the name of a service"));
        };
        if chain.len() == MAX_STEPS || chain.iter().any(|seen| seen == name) {
            let reason = format!("{name} is extended over more than {MAX_STEPS} services, or by itself");
            return Err(wrong(reason, "take one of them out"));
        }
        chain.push(name.to_owned());
        let base = named(name, stated, facts).ok_or_else(|| {
            wrong(format!("there is no service `{name}`"), "apply it before, or in the same file")
        })?;
        let next = base.get("extends").cloned();
        let base = base.into_iter().filter(|(field, _)| !OWN.contains(&field.as_str()));
        under(fields, base.collect());
        fields.extend(next.map(|next| ("extends".to_owned(), next)));
    }
    Ok(())
}

/// A service's fields: of this apply, else of the registry.
fn named(name: &str, stated: &[Value], facts: &Snapshot) -> Option<Map<String, Value>> {
    let is_it = |fields: &&Map<String, Value>| {
        is_service(fields) && fields.get("name").and_then(Value::as_str) == Some(name)
    };
    if let Some(fields) = stated.iter().filter_map(Value::as_object).find(is_it) {
        return Some(fields.clone());
    }
    let (service, _) = facts.service(&ServiceName::parse(name).ok()?)?;
    match serde_json::to_value(ServiceDoc::from(service)).ok()? {
        Value::Object(fields) => Some(fields),
        _ => None,
    }
}

/// Puts `base` under `fields`: what is there stays, and of what both have fields of, each is looked at.
fn under(fields: &mut Map<String, Value>, base: Map<String, Value>) {
    for (field, below) in base {
        match (fields.get_mut(&field), below) {
            (None, below) => drop(fields.insert(field, below)),
            (Some(Value::Object(own)), Value::Object(below)) => under(own, below),
            (Some(_), _) => {}
        }
    }
}

/// A frontend for each claim.
fn claims(claimed: &Value, service: &Value) -> Result<Vec<Value>, FormatError> {
    let wrong = || FormatError {
        place: "frontends".to_owned(),
        reason: "it is no list of what clients ask for".to_owned(),
        remedy: "write `frontends: [www.example.com, www.example.com/api]`".to_owned(),
    };
    let frontend = |claim: &Value| {
        let text = claim.as_str().ok_or_else(wrong)?;
        let (host, path) = text.split_at(text.find('/').unwrap_or(text.len()));
        let mut fields = serde_json::json!({"kind": "frontend", "host": host, "service": {"name": service}});
        if let (false, Some(fields)) = (path.is_empty(), fields.as_object_mut()) {
            fields.insert("path".to_owned(), path.into());
        }
        Ok(fields)
    };
    claimed.as_array().ok_or_else(wrong)?.iter().map(frontend).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(documents: Value, expected: Result<Value, &str>) {
        let Value::Array(documents) = documents else { panic!("a list") };
        match (expand(documents, &Snapshot::empty(), false), expected) {
            (Ok(said), Ok(expected)) => assert_eq!(Value::Array(said), expected),
            (Err(error), Err(part)) => assert!(error.to_string().contains(part), "{error}"),
            (said, _) => panic!("{said:?}"),
        }
    }

    #[test]
    fn a_service_has_what_it_extends_but_where_it_says_so_itself() {
        let base = json!({"kind": "service", "name": "base", "image": "web:1", "active": false,
            "restarts": 3, "canary": {"image": "web:2", "percent": 10}, "environment": {"A": "1", "B": "1"}, "ports": [{"name": "http", "port": 80}]});
        let own = json!({"kind": "service", "name": "web", "extends": "base", "environment": {"B": "2"},
            "ports": []});
        let whole = json!({"kind": "service", "name": "web", "image": "web:1",
            "environment": {"A": "1", "B": "2"}, "ports": []});
        check(json!([base, own]), Ok(json!([base, whole])));
        let third = json!({"kind": "service", "name": "third", "extends": "web"});
        let all = json!({"kind": "service", "name": "third", "image": "web:1",
            "environment": {"A": "1", "B": "2"}, "ports": []});
        check(json!([third, own, base]), Ok(json!([all, whole, base])));
    }

    #[test]
    fn what_is_extended_has_to_be_there_and_no_circle() {
        let of = |name: &str, base: Value| json!({"kind": "service", "name": name, "extends": base});
        check(json!([of("a", json!("b"))]), Err("documents[0].extends: there is no service `b`"));
        check(json!([of("a", json!("b")), of("b", json!("a"))]), Err("by itself"));
        check(json!([of("a", json!(1))]), Err("it is no text"));
    }

    #[test]
    fn a_service_claims_its_frontends() {
        let claims = |list: Value| json!([{"kind": "service", "name": "web", "frontends": list}]);
        check(
            claims(json!(["www.example.com", "www.example.com/api"])),
            Ok(json!([
                {"kind": "service", "name": "web"},
                {"kind": "frontend", "host": "www.example.com", "service": {"name": "web"}},
                {"kind": "frontend", "host": "www.example.com", "path": "/api", "service": {"name": "web"}},
            ])),
        );
        check(claims(json!("www")), Err("documents[0].frontends"));
        check(claims(json!([1])), Err("documents[0].frontends"));
    }
}
