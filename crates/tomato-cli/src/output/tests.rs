use serde_json::json;

use super::columns;

#[test]
fn tables_show_what_tells_one_object_from_another() {
    let entry = json!({"seq": 1, "at": 2, "account": "ada", "operation": "topology_remove", "object": "x",
        "outcome": "ok", "address": "127.0.0.1"});
    assert_eq!(columns(&[entry]), ["account", "operation", "object", "outcome", "address"]);
    let flag = json!({"name": "nomails", "category": "other", "doc": "Gets no mail."});
    assert_eq!(columns(&[flag]), ["name", "category", "doc"]);
    let account = json!({"name": "ada", "admin": false, "realname": "Ada", "organization": "uni", "email": null});
    assert_eq!(columns(&[account]), ["name", "admin", "realname", "organization"]);
    let notification =
        json!({"id": "n", "account": "ada", "title": "Hello", "message": "A long text."});
    assert_eq!(columns(&[notification]), ["id", "title", "account"]);
}
