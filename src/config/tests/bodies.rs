//! Schemas, edits and `[body]`.
use super::*;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What is said of a configuration in a directory with these files.
fn check(files: &[(&str, &str)], common: &str, route: &str) -> Vec<String> {
    // Tests run side by side.
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let directory = Directory::new(&format!("bodies-{}", NEXT.fetch_add(1, Ordering::Relaxed)));
    for (name, text) in files {
        directory.file(name, text);
    }
    let text = format!("{common}\n{REST}{route}\n");
    let file = directory.file(FILE, text);
    match load(&file, env) {
        Ok(loaded) => loaded.warnings.iter().map(ToString::to_string).collect::<Vec<_>>(),
        Err(errors) => errors.0.iter().map(|one| one.to_string()).collect(),
    }
    .into_iter()
    .map(|line| line.split_once(": ").unwrap().1.replace(file.to_str().unwrap(), ""))
    .collect()
}

#[test]
fn mistakes_in_schemas_have_their_file_line_and_pointer() {
    let table = [
        ("{", "s.json:1: the text is not JSON: EOF while parsing an object, at line 1, column 1"),
        (
            "{\n\"x-fault\": \"invalid_jsn\"}",
            "s.json:2: /x-fault: the catalog has no code invalid_jsn; did you mean invalid_json?",
        ),
        (
            "{\n\"x-fault\": \"internal_error\"}",
            "s.json:2: /x-fault: internal_error has the status 500: a violation is the caller's mistake, and its status a 4xx",
        ),
        (
            "{\n\"x-message\": \"{feild} is wrong\"}",
            "s.json:2: /x-message: only {field} can stand in braces, not {feild}; write {{ or }} for a literal one",
        ),
        (
            "{\n\n\"items\": {\"typo\": 1}}",
            "s.json:3: /items/typo: unknown keyword; did you mean `type`?",
        ),
        (
            "{\"$ref\": \"#\"}",
            "s.json:1: /$ref: the schema refers to itself; recursive schemas are not supported",
        ),
    ];
    for (schema, message) in table {
        for key in ["schema", "parameters"] {
            let found = check(&[("s.json", schema)], "", &format!("{key} = 's.json'"));
            assert_eq!(found.len(), 1, "{found:?}");
            assert!(
                found[0].ends_with(&format!("route[0].{key}: {message}")),
                "{found:?}\n{message}"
            );
        }
    }
    let found = check(&[], "", "schema = '{ \"typo\": 1 }'");
    assert!(
        found[0].ends_with("route[0].schema: line 1: /typo: unknown keyword; did you mean `type`?"),
        "{found:?}"
    );
    let found = check(&[], "", "schema = 'none.json'");
    assert!(
        found[0].ends_with(
            "route[0].schema: none.json: the file cannot be read: there is no such file"
        ),
        "{found:?}"
    );
}

#[test]
fn a_schema_of_two_routes_is_wrong_once() {
    let route = "schema = 's.json'\n[[route]]\npath = '/other'\nupstream = 'a'\nschema = 's.json'";
    assert_eq!(check(&[("s.json", "[]")], "", route).len(), 1);
}

#[test]
fn edits_and_sizes() {
    let good = ("s.json", "{}");
    let table = [
        (
            "",
            "body = { max_bytes = 5 }",
            "route[0].body: means nothing without a `schema` or an `edit`",
        ),
        (
            "",
            "parameters = 's.json'\nbody = { violations = 'all', max_bytes = 5 }",
            "route[0].body: means nothing without a `schema` or an `edit`, except `violations`",
        ),
        (
            "",
            "body = { violations = 'all' }",
            "route[0].body: means nothing without a `schema` or an `edit`: ",
        ),
        (
            "server.max_buffered_bytes = '3MiB'\nbody = { max_bytes = '1028KiB', content_encoding = 'decode' }",
            "",
            "body.max_bytes: more than `server.max_buffered_bytes` has room for: `max_bytes`, `max_decoded_bytes`",
        ),
        (
            "server.max_buffered_bytes = '3MiB'",
            "schema = 's.json'\nbody = { content_encoding = 'decode' }",
            "route[0].body.content_encoding: more than `server.max_buffered_bytes` has room for",
        ),
        (
            "server.max_buffered_bytes = '4MiB'\nbody.content_encoding = 'decode'",
            "schema = 's.json'\nbody = { max_decoded_bytes = '2MiB' }",
            "route[0].body.max_decoded_bytes: more than `server.max_buffered_bytes` has room for",
        ),
        // Each alone.
        (
            "server.max_buffered_bytes = '3MiB'\nbody = { content_encoding = 'decode', max_decoded_bytes = '3MiB' }",
            "",
            "body.max_decoded_bytes: more than `server.max_buffered_bytes` less 4KiB",
        ),
        ("", "edit = [{ set = '/a' }]", "route[0].edit[0]: expected `set` and `value`"),
        (
            "",
            "edit = [{ remove = '/a', to = 'b' }]",
            "route[0].edit[0]: expected `set` and `value`",
        ),
        ("", "edit = [{ remove = 'a' }]", "route[0].edit[0].remove: expected a JSON Pointer"),
        ("", "edit = [{ remove = '' }]", "route[0].edit[0]: "),
        ("", "edit = [{ set = '/a', value = nan }]", "route[0].edit[0].value: JSON has no NaN"),
        ("", "edit = [{ set = '/a', value = -inf }]", "route[0].edit[0].value: JSON has no NaN"),
        (
            "",
            "edit = [{ set = '/a', value = { b = [1, +inf] } }]",
            "route[0].edit[0].value.b[1]: JSON has no NaN and no infinity",
        ),
        (
            "",
            "edit = [{ map = '/a', values = { x = { b = nan } } }]",
            "route[0].edit[0].values.x.b: JSON has no NaN and no infinity",
        ),
        (
            "",
            "edit = [{ set = '/a', value = 2030-01-31 }]",
            "route[0].edit[0].value: expected a string, a number, true or false, an array or a table, found a date",
        ),
        (
            "body.duplicates = 'last'",
            "edit = [{ remove = '/a' }]",
            "route[0].edit: a body in which names are there twice",
        ),
        ("body.max_bytes = '1GiB'", "", "body.max_bytes: more than `server.max_buffered_bytes`"),
        (
            "server.max_buffered_bytes = '8GiB'\nbody.max_bytes = '4GiB'",
            "",
            "body.max_bytes: 4GiB or more",
        ),
        (
            "body.max_decoded_bytes = 5",
            "",
            "body.max_decoded_bytes: means nothing unless `content_encoding` is `decode`",
        ),
        // What nobody has written is too much as well, once for all routes.
        (
            "server.max_buffered_bytes = '1027KiB'",
            "schema = 's.json'\n[[route]]\npath = '/other'\nupstream = 'a'\nschema = 's.json'",
            "server.max_buffered_bytes: less than 4KiB more than `max_bytes`, which is 1MiB where nothing else is said: such a body would always be refused",
        ),
        (
            "server.max_buffered_bytes = '64KiB'",
            "edit = [{ remove = '/a' }]\nbody = { max_depth = 5 }",
            "server.max_buffered_bytes: less than 4KiB more than `max_bytes`",
        ),
        (
            "server.max_buffered_bytes = '64KiB'\nbody.content_encoding = 'decode'",
            "schema = 's.json'",
            "server.max_buffered_bytes: less than 4KiB more than `max_bytes`",
        ),
        ("body.max_depth = 128", "", "body.max_depth: more than 127"),
        ("body.max_depth = 0", "", "body.max_depth: expected a whole number from 1"),
        (
            "body.violations = 'none'",
            "",
            "body.violations: expected `first`, `all` or `on-request`",
        ),
    ];
    for (common, route, message) in table {
        let found = check(&[good], common, route);
        assert_eq!(found.len(), 1, "{common} {route}: {found:?}");
        assert!(found[0].contains(message), "{common} {route}: {found:?}");
    }
    let decode =
        "schema = 's.json'\nbody = { content_encoding = 'decode', max_decoded_bytes = '2MiB' }";
    let fine = [
        ("", decode),
        // Each to the byte: a body, its text, a window that is as large, 64 KiB for the decoder, 4 KiB for what is in it.
        ("server.max_buffered_bytes = '5188KiB'", decode),
        ("server.max_buffered_bytes = '1028KiB'\nbody.max_bytes = '1MiB'", "schema = 's.json'"),
        ("server.max_buffered_bytes = '64KiB'\nbody.max_bytes = '60KiB'", "schema = 's.json'"),
        ("server.max_buffered_bytes = '64KiB'", "schema = 's.json'\nbody.max_bytes = '60KiB'"),
        // No bodies are read here.
        ("server.max_buffered_bytes = '64KiB'", "parameters = 's.json'"),
        ("", "parameters = 's.json'\nbody = { violations = 'on-request' }"),
        ("", "parameters = 's.json'\nbody = {}"),
    ];
    for (common, route) in fine {
        assert_eq!(check(&[good], common, route), [""; 0], "{common} {route}");
    }
}
