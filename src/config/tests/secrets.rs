//! A secret in every place, as a variable and as it is, with everything broken around it: it is never repeated.
use super::*;

const PLACES: [&str; 32] = [
    "server.unknown = VALUE",
    "server.store = VALUE",
    "server = VALUE",
    "server = { listen = VALUE, admin = VALUE, workers = VALUE, via = VALUE, trusted_proxies = [VALUE], \
     idle_timeout = VALUE, drain_timeout = VALUE, max_uri_bytes = VALUE, access_log = VALUE }",
    "server.trusted_proxies = VALUE",
    "server = { proxy_protocol = VALUE, proxy_protocol_from = [VALUE] }",
    "catalog = VALUE",
    "catalog = { preset = [VALUE], fields = [VALUE], entries = VALUE }",
    "catalog.entries.x = { status = VALUE, code = [VALUE] }",
    "upstream.b = VALUE",
    "upstream.b = { profile = VALUE, timeout = VALUE, http2 = VALUE, max_idle = VALUE, preserve_host = VALUE, \
     ca_file = VALUE, endpoint = VALUE }",
    "upstream.b.endpoint = [VALUE]",
    "upstream.b.endpoint = [{ url = VALUE, credential = VALUE }]",
    "upstream.b.endpoint = [{ url = 5, credential = { bearer = VALUE, value = VALUE } }]",
    "upstream.b.endpoint = [{ urk = VALUE, credential = { baerer = VALUE } }]",
    "upstream.b.endpoint = [{ url = 'http://h', credential = { header = VALUE, value = 5 } }]",
    "upstream.b.endpoint = [{ url = 'http://h', credential = { bearer = [VALUE] } }]",
    "upstream.b.endpoint = [{ url = 'http://h', credential = { bearer = { x = VALUE } } }]",
    "upstream.b.endpoint = [{ url = VALUE }, { url = VALUE }]",
    "upstream.b = { client_cert_file = VALUE, client_key_file = VALUE, endpoint = [{ url = 'https://h' }] }",
    "upstream.b.endpoint = [{ url = 'https://h', server_name = [VALUE], client_cert_file = VALUE, client_key_file = VALUE }]",
    "route = VALUE",
    "route = [VALUE]",
    "route = [{ path = VALUE, method = VALUE, upstream = VALUE, rewrite = VALUE, success = VALUE, name = [VALUE] }]",
    "route = [{ path = '/', method = [VALUE], upstream = VALUE, rewrite = VALUE }]",
    "route = [{ path = '/a', name = VALUE, upstream = 5 }, { path = '/a', name = VALUE, upstream = 'a' }]",
    // Not TOML
    "upstream.b.endpoint = [{ credential = { bearer = VALUE",
    "upstream.b.endpoint = [{ credential = { bearer = VALUE VALUE } }]",
    "server.via = VALUE VALUE",
    "server.via = VALUE\nserver.via = VALUE",
    "server.via = VALUE\nVALUE = 1 2",
    "[server\nvia = VALUE",
];

#[test]
fn in_every_place() {
    let secrets = [
        "sk-5ecret",
        "sk-5ecret\n",
        " sk-5ecret\u{7f}",
        "http://sk-5ecret@h",
        "http://sk-5ecret:x@h/?q",
        "Bearer sk-5ecret",
        "/sk-5ecret/{",
        "/{sk5ecret",
        "sk-5ecret ünïcode",
    ];
    let mut refused = 0;
    for place in PLACES {
        for secret in secrets {
            let env = |name: &str| (name == "KEY").then(|| secret.to_owned());
            for value in [
                "\"${KEY}\"",
                "'x${KEY}'",
                "'/${KEY}'",
                "'${NOWHERE:-sk-5ecret}'",
                "'sk-5ecret'",
                "'''sk-5ecret'''",
            ] {
                let text = place.replace("VALUE = 1", "via = 1").replace("VALUE", value);
                match parse(&text, Path::new(FILE), env) {
                    Ok(loaded) => panic!("{text}\n{loaded:?}"),
                    Err(errors) => {
                        refused += 1;
                        assert!(
                            !format!("{errors} {errors:?}").contains("5ecret"),
                            "{text}\n{errors}"
                        );
                    }
                }
            }
        }
    }
    assert_eq!(refused, PLACES.len() * secrets.len() * 6);
}

/// Where a name is worth naming, it is not if it comes from a variable.
#[test]
fn in_names_and_parameters() {
    let text = "upstream.a.endpoint = [{ url = 'http://h' }]\nroute = [\n\
        { upstream = 'a', path = '/${KEY}', name = '${KEY}' },\n\
        { upstream = 'a', path = '/${KEY}', name = '${KEY}', rewrite = '/{${PARAMETER}}' },\n\
        { upstream = 'a', path = '/{a}/{${PARAMETER}}/{${PARAMETER}}' },\n]";
    let env = |name: &str| match name {
        "KEY" => Some(MARKER.to_owned()),
        "PARAMETER" => Some("sk5ecret".to_owned()),
        _ => None,
    };
    let errors = parse(text, Path::new(FILE), env).unwrap_err();
    assert_eq!(errors.0.len(), 4, "{errors}");
    assert!(!errors.to_string().contains("5ecret"), "{errors}");
}

#[test]
fn in_what_was_loaded() {
    let text = REST
        .replace("url = \"http://h\"", "url = \"http://h\"\ncredential = { bearer = \"${KEY}\" }");
    let loaded = accept(&text);
    assert!(!format!("{loaded:?}").contains(MARKER));
}
