//! What is wrong, and where.
use super::*;

#[test]
fn many_mistakes_at_once() {
    let text = r#"
[server]
lisen = "127.0.0.1:1"
workers = 0
header_timeout = "0s"
idle_timeout = 30
max_header_bytes = "32KB"
trusted_proxies = ["10.0.0.0/8", "localhost", 5]
access_log = "yes"
[upstream.grsai]
profile = "genric"
timeuot = "5s"
http2 = true
[[upstream.grsai.endpoint]]
url = "ftp://h"
credential = { bearer = "a", value = "b" }
[[upstream.grsai.endpoint]]
url = "http://h"
[upstream.empty]
max_idle = -1
[[route]]
method = ["get", "TRACE"]
path = "v1"
upstream = "grsia"
[[route]]
upstream = "grsia"
rewrite = "/x"
[[route]]
path = "/{id}"
upstream = "grsia"
rewrite = "/{ib}/{nothing}"
[other]
x = 1
"#;
    assert_eq!(
        reject(text),
        [
            ":3:1: server.lisen: unknown key | did you mean `listen`?",
            ":4:11: server.workers: expected a whole number, 1 or more",
            ":5:18: server.header_timeout: a timeout of nothing would fail every request",
            ":6:16: server.idle_timeout: expected a duration with its unit, such as \"500ms\", \"30s\", \"1m30s\" or \"2h\", found a whole number",
            ":7:20: server.max_header_bytes: expected a number of bytes, or a size such as \"32KiB\" or \"1MiB\"",
            ":8:34: server.trusted_proxies[1]: expected an address or a network, such as \"10.0.0.0/8\", \"192.0.2.1\" or \"fd00::/8\"",
            ":8:47: server.trusted_proxies[2]: expected an address or a network, such as \"10.0.0.0/8\", \"192.0.2.1\" or \"fd00::/8\", found a whole number",
            ":9:14: server.access_log: expected true or false, found a string",
            ":11:11: upstream.grsai.profile: there is no profile of this name | did you mean `generic`?",
            ":12:1: upstream.grsai.timeuot: unknown key | did you mean `timeout`?",
            ":13:9: upstream.grsai.http2: expected `auto`, `never` or `always`",
            ":15:7: upstream.grsai.endpoint[0].url: the URL of an endpoint begins with http:// or https://",
            ":16:14: upstream.grsai.endpoint[0].credential: `bearer` cannot go with `header` and `value`",
            ":19:1: upstream.empty.endpoint: an upstream needs an endpoint | write a table [[upstream.empty.endpoint]] with a `url`",
            ":20:12: upstream.empty.max_idle: expected a whole number, 0 or more",
            ":22:11: route[0].method[0]: methods are written in capitals, such as \"POST\"",
            ":22:18: route[0].method[1]: CONNECT and TRACE are always refused and cannot be routed",
            ":23:8: route[0].path: a path begins with `/`",
            ":24:12: route[0].upstream: there is no upstream of this name | did you mean `grsai`?",
            ":25:1: route[1].path: this key is missing",
            ":26:12: route[1].upstream: there is no upstream of this name | did you mean `grsai`?",
            ":30:12: route[2].upstream: there is no upstream of this name | did you mean `grsai`?",
            ":31:11: route[2].rewrite: a parameter that `path` does not have | did you mean `{id}`?",
            ":31:11: route[2].rewrite: a parameter that `path` does not have",
            ":32:2: other: unknown key | known here: server, catalog, auth, limit, body, charge, idempotency, tasks, callbacks, traces, profile, upstream, route",
        ]
    );
}

/// What is put before a configuration that is right, and what comes of it.
fn each(table: &[(&str, &str)]) {
    for (text, expected) in table {
        assert_eq!(reject(&format!("{text}{REST}")), [*expected], "{text}");
    }
}

#[test]
fn of_the_server_and_the_catalog() {
    let address = "expected an address with a port, such as \"127.0.0.1:8080\" or \"[::]:8080\"";
    each(&[
        ("server.listen = 8080", &format!(":1:17: server.listen: {address}, found a whole number")),
        ("server.listen = 'localhost:80'", &format!(":1:17: server.listen: {address}")),
        ("server.admin = '127.0.0.1:8080'", ":1:16: server.admin: the same address as `listen`"),
        ("server.workers = 2000", ":1:18: server.workers: more than 1024 workers"),
        (
            "server.workers = 99999999999999999999",
            ":1:18: server.workers: this number is too large",
        ),
        (
            "server.workers = 1.5",
            ":1:18: server.workers: expected a whole number, 1 or more, found a decimal number",
        ),
        (
            "server.workers = 1979-05-27",
            ":1:18: server.workers: expected a whole number, 1 or more, found a date",
        ),
        (
            "server.via = 'two words'",
            ":1:14: server.via: expected one word of letters, digits and !#$%&'*+-.^_`|~",
        ),
        (
            "server.max_connections = 0",
            ":1:26: server.max_connections: expected a whole number, 1 or more",
        ),
        (
            "server.max_uri_bytes = -1",
            ":1:24: server.max_uri_bytes: expected a number of bytes, or a size such as \"32KiB\" or \"1MiB\"",
        ),
        ("server = 5", ":1:10: server: expected a table, found a whole number"),
        (
            "catalog.fields = ['request-id']",
            ":1:19: catalog.fields[0]: expected `docs_url`, `request_id`, `retryable`, `retry_after_ms`, `field` or `source` | did you mean `request_id`?",
        ),
        (
            "catalog.entries.x.status = 70000",
            ":1:28: catalog.entries.x.status: expected a whole number from 0 to 65535",
        ),
        (
            "catalog.entries.x.'a b' = 1",
            ":1:19: catalog.entries.x.\"a b\": unknown key | known here: code, status, message, title, problem, solution",
        ),
        (
            "\"\\u001b[31m\" = 1",
            ":1:1: \"\\u{1b}[31m\": unknown key | known here: server, catalog, auth, limit, body, charge, idempotency, tasks, callbacks, traces, profile, upstream, route",
        ),
    ]);
}

#[test]
fn of_an_upstream() {
    let endpoint = "upstream.b.endpoint[0]";
    let credential = |table: &str| {
        format!("upstream.b.endpoint = [{{ url = 'http://h', credential = {table} }}]")
    };
    let header = ":1:68: upstream.b.endpoint[0].credential.header: this header has a meaning of its own and cannot carry a credential";
    each(&[
        ("upstream.b.endpoint = [{}]", ":1:24: upstream.b.endpoint[0].url: this key is missing"),
        (
            "upstream.b.endpoint = []",
            ":1:23: upstream.b.endpoint: an upstream needs an endpoint | write a table [[upstream.b.endpoint]] with a `url`",
        ),
        (
            "upstream.b = {}",
            ":1:14: upstream.b.endpoint: an upstream needs an endpoint | write a table [[upstream.b.endpoint]] with a `url`",
        ),
        (
            "upstream.b.endpoint.url = 'http://h'",
            ":1:12: upstream.b.endpoint: expected an array of tables, found one table | write the table's name in double brackets, as in `[[route]]`",
        ),
        (
            "upstream.'b c'.endpoint = [{ url = 'http://h' }]",
            ":1:10: upstream.\"b c\": the name of an upstream is up to 64 letters, digits, `_` and `-`",
        ),
        (
            "upstream.'${KEY}'.endpoint = [{ url = 'http://h' }]",
            ":1:10: upstream.\"${KEY}\": the name of an upstream is up to 64 letters, digits, `_` and `-`",
        ),
        (
            "upstream.b.endpoint = [{ url = '' }]",
            ":1:32: upstream.b.endpoint[0].url: expected a URL such as \"https://api.example.com\" or \"http://127.0.0.1:9000/prefix\"",
        ),
        (
            "upstream.b = { ca_file = '/nowhere/ca.pem', endpoint = [{ url = 'http://h' }] }",
            ":1:26: upstream.b.ca_file: the file cannot be read: there is no such file",
        ),
        (
            &credential("{}"),
            &format!(
                ":1:57: {endpoint}.credential: expected either `bearer`, or `header` and `value`"
            ),
        ),
        (
            &credential("{ header = 'x-key' }"),
            &format!(":1:57: {endpoint}.credential: `header` needs a `value`"),
        ),
        (&credential("{ header = 'Host', value = 'x' }"), header),
        (
            &credential("{ bearer = 'Bearer x' }"),
            &format!(
                ":1:57: {endpoint}.credential: `Bearer` is added to the credential; leave it out"
            ),
        ),
        (
            &credential("'x'"),
            &format!(":1:57: {endpoint}.credential: expected a table, found a string"),
        ),
    ]);
}

#[test]
fn of_variables() {
    each(&[
        (
            "server.via = '${NOWHERE}'",
            ":1:14: server.via: the environment variable NOWHERE is not set | set it, or give it a default: `${NOWHERE:-…}`",
        ),
        (
            "catalog.preset = '${NOWHERE}'",
            ":1:18: catalog.preset: the environment variable NOWHERE is not set | set it, or give it a default: `${NOWHERE:-…}`",
        ),
        (
            "server.via = '${EMPTY}'",
            ":1:14: server.via: expected one word of letters, digits and !#$%&'*+-.^_`|~ (the value comes from EMPTY)",
        ),
        (
            "server.via = '${KEY} ${NUMBER}'",
            ":1:14: server.via: expected one word of letters, digits and !#$%&'*+-.^_`|~ (the value comes from KEY, NUMBER)",
        ),
        (
            "server.via = '${'",
            ":1:14: server.via: `${` without a closing `}`; write `$${` for the characters `${`",
        ),
        (
            "server.workers = '3'",
            ":1:18: server.workers: expected a whole number, 1 or more, found a string",
        ),
        (
            "server.workers = '${KEY}'",
            ":1:18: server.workers: expected a whole number, 1 or more, found a string (the value comes from KEY)",
        ),
        (
            "server.workers = '-${NUMBER}'",
            ":1:18: server.workers: expected a whole number, 1 or more (the value comes from NUMBER)",
        ),
    ]);
}

#[test]
fn what_only_follows_is_not_reported() {
    let endpoint = "[[upstream.a.endpoint]]\nurl = 'http://h'\n";
    let route = "[[route]]\npath = '/'\nupstream = 'a'\n";
    let url =
        "expected a URL such as \"https://api.example.com\" or \"http://127.0.0.1:9000/prefix\"";
    let one_table = "expected an array of tables, found one table | write the table's name in double brackets, as in `[[route]]`";
    for (text, expected) in [
        (
            format!("{endpoint}[[route]]\npth = '/'\nupstream = 'a'\n"),
            ":4:1: route[0].pth: unknown key | did you mean `path`?",
        ),
        (
            format!("{endpoint}[[route]]\npath = 5\nupstream = 'a'\n"),
            ":4:8: route[0].path: expected a path, such as \"/v1/tasks/{id}\", found a whole number",
        ),
        (
            format!("[[upstrem.a.endpoint]]\nurl = 'http://h'\n{route}"),
            ":1:3: upstrem: unknown key | did you mean `upstream`?",
        ),
        (
            format!("[[upstream.a.endpoints]]\nurl = 'http://h'\n{route}"),
            ":1:14: upstream.a.endpoints: unknown key | did you mean `endpoint`?",
        ),
        (
            format!("[[upstream.a.endpoint]]\nurl = 5\n{route}"),
            &format!(":2:7: upstream.a.endpoint[0].url: {url}, found a whole number"),
        ),
        (
            format!("upstream = 5\n{route}"),
            ":1:12: upstream: expected a table, found a whole number",
        ),
        (
            format!("upstream.a = 5\n{route}"),
            ":1:14: upstream.a: expected a table, found a whole number",
        ),
        (
            format!("{endpoint}[[routes]]\npath = '/'\nupstream = 'a'\n"),
            ":3:3: routes: unknown key | did you mean `route`?",
        ),
        (
            format!("{endpoint}[route]\npath = '/'\nupstream = 'a'\n"),
            &format!(":3:1: route: {one_table}"),
        ),
        (
            format!("{endpoint}[[route]]\npath = '/'\nupstream = '${{NOWHERE}}'\n"),
            ":5:12: route[0].upstream: the environment variable NOWHERE is not set | set it, or give it a default: `${NOWHERE:-…}`",
        ),
        (
            format!("{endpoint}[[route]]\nmethod = ['get']\npath = '/'\nupstream = 'a'\n"),
            ":4:11: route[0].method[0]: methods are written in capitals, such as \"POST\"",
        ),
        (
            format!("{endpoint}credential = {{ header = 5, value = 'x' }}\n{route}"),
            ":3:25: upstream.a.endpoint[0].credential.header: expected a header's name, found a whole number",
        ),
    ] {
        assert_eq!(reject(&text), [expected], "{text}");
    }
}

#[test]
fn of_numbers_that_mean_nothing() {
    let endpoints = |keys: &str| {
        format!("upstream.b.endpoint = [{{ url = 'http://h' }}, {{ url = 'http://i', {keys} }}]")
    };
    let alone = "means nothing: no other endpoint has the same `priority`, which is an endpoint's place in the list where nothing is said";
    each(&[
        (&endpoints("weight = 3"), &format!(":1:75: upstream.b.endpoint[1].weight: {alone}")),
        (
            "upstream.b.endpoint = [{ url = 'http://h', weight = 0 }, { url = 'http://i', weight = 0, priority = 1 }]",
            ":1:53: upstream.b.endpoint[0].weight: nobody of this `priority` has a share",
        ),
        (
            "upstream.b = { backoff = '6s', endpoint = [{ url = 'http://h' }] }",
            ":1:26: upstream.b.backoff: more than `max_backoff`",
        ),
        (
            "upstream.b = { ejection.base = '6m', endpoint = [{ url = 'http://h' }] }",
            ":1:32: upstream.b.ejection.base: more than `longest`",
        ),
        (
            "upstream.b = { deadline_header = 'content-length', endpoint = [{ url = 'http://h' }] }",
            ":1:34: upstream.b.deadline_header: this header has a meaning of its own and cannot carry anything of ours",
        ),
        (
            "profile.mine.idempotency_header = 'host'",
            ":1:35: profile.mine.idempotency_header: this header has a meaning of its own and cannot carry anything of ours",
        ),
    ]);
}

#[test]
fn of_what_endpoints_want_otherwise() {
    let adapt = |tables: &str| {
        format!("upstream.b.endpoint = [{{ url = 'http://h', adapt = [{tables}] }}]")
    };
    let place = ":1:53: upstream.b.endpoint[0].adapt[0]";
    each(&[
        (
            &adapt("{ path = '/x' }"),
            &format!("{place}: changes nothing: write a `rewrite` or an `edit`"),
        ),
        (
            &adapt("{ path = '/x/{id}', rewrite = '/{i}' }"),
            ":1:83: upstream.b.endpoint[0].adapt[0].rewrite: a parameter that `path` does not have | did you mean `{id}`?",
        ),
        (
            &adapt("{ path = '/x/{id}', rewrite = '/' }, { path = '/x/{i}', rewrite = '/' }"),
            ":1:99: upstream.b.endpoint[0].adapt[1].path: cannot be told apart from the path of an earlier `adapt`",
        ),
        (
            &adapt("{ path = '/x', edit = [{ set = '/a' }] }"),
            ":1:76: upstream.b.endpoint[0].adapt[0].edit[0]: expected `set` and `value`, `rename` and `to`, `remove` alone, or `map` and `values`",
        ),
    ]);
}

#[test]
fn of_routes_whose_bodies_an_endpoint_changes() {
    let unread = ":3:1: route[0]: endpoint 1 of this upstream changes its bodies, and they are not read | give the route a `schema`, or a `method` that has no body";
    let twice = ":3:1: route[0]: a body in which names are there twice cannot be edited, as endpoint 1 of this upstream does; `duplicates` has to be `refuse`";
    for (route, expected) in [
        ("path = '/draw/x'; upstream = 'a'", Some(unread)),
        ("path = '/draw/x'; upstream = 'a'; method = ['GET', 'POST']", Some(unread)),
        ("path = '/v1/{m}'; rewrite = '/draw/{m}'; upstream = 'a'", Some(unread)),
        ("path = '/draw/x'; upstream = 'a'; schema = '{}'; body.duplicates = 'last'", Some(twice)),
        ("path = '/draw/x'; upstream = 'a'; schema = '{}'", None),
        ("path = '/draw/x'; upstream = 'a'; method = 'GET'", None),
        ("path = '/draw/x'; upstream = 'a'; rewrite = '/other'", None),
        ("path = '/other'; upstream = 'a'", None),
    ] {
        let text = format!(
            "[[upstream.a.endpoint]]\nurl = 'http://h'\n[[route]]\n{}\n[[upstream.a.endpoint.adapt]]\npath = '/draw/{{m}}'\nedit = [{{ remove = '/a' }}]\n",
            route.replace("; ", "\n")
        );
        match expected {
            Some(expected) => assert_eq!(reject(&text), [expected], "{text}"),
            None => assert_eq!(accept(&text).warnings, [], "{text}"),
        }
    }
}

fn route(method: &str, path: &str, more: &str) -> String {
    let method = if method.is_empty() { String::new() } else { format!("method = {method}, ") };
    format!("{{ {more}{method}path = '{path}', upstream = 'a' }}")
}

#[test]
fn of_routes_among_each_other() {
    for (one, two, expected) in [
        (route("'GET'", "/x", ""), route("'POST'", "/x", ""), None),
        (route("'GET'", "/x", ""), route("", "/x", ""), None),
        (route("", "/x/{id}", ""), route("", "/x/new", ""), None),
        (
            route("", "/{*rest}", "rewrite = '/v1/{*rest}', "),
            route("", "/a/{id}", "rewrite = '/{id}/{id}', "),
            None,
        ),
        (
            route("", "/x", ""),
            route("", "/x", ""),
            Some(":4:10: route[1].path: the same method and path as route[0] `* /x` in line 3"),
        ),
        (
            route("['GET', 'PUT']", "/x", "name = 'one', "),
            route("'PUT'", "/x", "name = 'two', "),
            Some(
                ":4:40: route[1].path: the same method and path as route[0] `GET,PUT /x` in line 3",
            ),
        ),
        (
            route("'GET'", "/${NUMBER}", ""),
            route("'GET'", "/3", ""),
            Some(":4:26: route[1].path: the same method and path as route[0] in line 3"),
        ),
        (
            route("'GET'", "/x/{id}", ""),
            route("'POST'", "/x/{name}", ""),
            Some(
                ":4:27: route[1].path: cannot be told apart from the path of route[0] `GET /x/{id}` in line 3 | a parameter has the same name in every route, and `{*rest}` no other beside it",
            ),
        ),
        (
            route("", "/x", "name = 'n', "),
            route("", "/y", "name = 'n', "),
            Some(":4:10: route[1].name: the same name as that of route[0] in line 3"),
        ),
        (
            route("'GET'", "/x", ""),
            route("", "/y", "name = 'GET /x', "),
            Some(":4:10: route[1].name: the same name as that of route[0] in line 3"),
        ),
    ] {
        let text = format!(
            "upstream.a.endpoint = [{{ url = 'http://h' }}]\nroute = [\n{one},\n{two},\n]\n"
        );
        match expected {
            Some(expected) => assert_eq!(reject(&text), [expected], "{text}"),
            None => assert_eq!(accept(&text).warnings, []),
        }
    }
}

#[test]
fn nothing_to_route() {
    let nothing =
        "route: there is no route | write a table [[route]] with a `path` and an `upstream`";
    for text in ["", "\u{feff}", "# nothing\n", "\n\n"] {
        assert_eq!(reject(text), [format!(": {nothing}")], "{text:?}");
    }
    assert_eq!(reject("route = []"), [format!(":1:9: {nothing}")]);
    assert_eq!(
        reject("[[route]]\npath = '/'\nupstream = 'a'\n"),
        [
            ":3:12: route[0].upstream: there is no upstream of this name | write a table [upstream.NAME]"
        ]
    );
}

#[test]
fn more_than_anybody_reads() {
    let text: String = (0..1000).map(|i| format!("unknown{i} = {i}\n")).collect();
    let found = reject(&text);
    assert_eq!(found.len(), 101);
    assert_eq!(found[0], ": more than 100 mistakes; the others are not shown");
}

#[test]
fn columns_are_characters() {
    let text = format!("catalog.entries = {{ 'é' = {{ code = 'ü', status = 'x' }} }}{REST}");
    assert_eq!(
        reject(&text),
        [
            ":1:50: catalog.entries.\"é\".status: expected a whole number from 0 to 65535, found a string"
        ]
    );
}

#[test]
fn who_speaks_the_proxy_protocol() {
    let table = [
        ("proxy_protocol = 'off'", None),
        ("proxy_protocol = 'listed'\nproxy_protocol_from = ['10.0.0.1', 'fd00::/8']", None),
        (
            "proxy_protocol = 'listed'",
            Some(
                ":2:18: server.proxy_protocol: nobody's header is believed | name the networks of load balancers in `proxy_protocol_from`",
            ),
        ),
        (
            "proxy_protocol = 'required'\nproxy_protocol_from = []",
            Some(
                ":2:18: server.proxy_protocol: nobody's header is believed | name the networks of load balancers in `proxy_protocol_from`",
            ),
        ),
        (
            "proxy_protocol_from = ['10.0.0.0/8']",
            Some(
                ":2:23: server.proxy_protocol_from: means nothing unless `proxy_protocol` is `listed` or `required`",
            ),
        ),
        (
            "proxy_protocol = 'on'\nproxy_protocol_from = ['10.0.0.0/8']",
            Some(":2:18: server.proxy_protocol: expected `off`, `listed` or `required`"),
        ),
        (
            "proxy_protocol = 'required'\nproxy_protocol_form = ['10.0.0.0/8']",
            Some(
                ":3:1: server.proxy_protocol_form: unknown key | did you mean `proxy_protocol_from`?",
            ),
        ),
        (
            "proxy_protokol = 'required'\nproxy_protocol_from = ['10.0.0.0/8']",
            Some(":2:1: server.proxy_protokol: unknown key | did you mean `proxy_protocol`?"),
        ),
        (
            "proxy_protocol = 'required'\nproxy_protocol_from = ['lb.internal']",
            Some(
                ":3:24: server.proxy_protocol_from[0]: expected an address or a network, such as \"10.0.0.0/8\", \"192.0.2.1\" or \"fd00::/8\"",
            ),
        ),
    ];
    for (lines, want) in table {
        let text = format!("[server]\n{lines}\n{REST}");
        match want {
            None => drop(accept(&text)),
            Some(want) => assert_eq!(reject(&text), [want], "{lines}"),
        }
    }
}
