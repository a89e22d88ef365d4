//! What requests cost, whose tasks are whose, and which requests have a key of their own.
use super::*;
use crate::{
    charge::{Amount, AtLimit, Disconnect},
    idempotency::Policy,
    json::{Document, Syntax},
};
use std::time::Duration;

fn amount(text: &str) -> Amount {
    text.parse().unwrap()
}

#[test]
fn prices_and_tasks() {
    let directory = Directory::new("money");
    let config = load(&directory.file(FILE, EVERYTHING), env).unwrap().config;
    let route = &config.route[1];
    let price = route.price.as_ref().unwrap().get();
    let body = Document::parse(r#"{"model":"large","n":2}"#, &Syntax::default()).unwrap();
    assert_eq!(price.of(Some(&body)).unwrap().amount, amount("0.09"));
    let charge = route.charge.or(config.charge);
    assert_eq!(charge.on_disconnect, Some(Disconnect::OnAccept));
    assert_eq!(charge.time_limit.unwrap().get(), Duration::from_secs(20 * 60));
    assert_eq!(charge.at_time_limit, Some(AtLimit::Release));
    let charge = config.route[2].charge.or(config.charge);
    assert_eq!(charge.on_disconnect, Some(Disconnect::Cancel));
    assert_eq!(charge.at_time_limit, Some(AtLimit::Settle));
    assert_eq!(
        config.route[2].price.as_ref().unwrap().get().of(None).unwrap().amount,
        amount("0.5")
    );
    assert_eq!((route.idempotency, config.route[2].idempotency), (Policy::Required, Policy::Off));
    let places: Vec<_> = config.route[3..]
        .iter()
        .filter(|route| route.serve.is_none())
        .map(|route| route.task.as_ref().unwrap().places().next().unwrap().0)
        .collect();
    assert_eq!(places, ["id_in_answer", "id_in_path", "id_in_query", "id_in_body"]);
    assert!(config.keeps_books());
    assert!(!accept(REST).config.keeps_books());
    assert!(!accept(&REST.replace("path", "price = '0'\npath")).config.keeps_books());
}

/// A route with these lines, where keys are asked for and there is a store.
fn route(lines: &str) -> String {
    format!(
        "[server]\nstore = 'sqlite://t.db'\n[auth]\n[upstream.a]\n[[upstream.a.endpoint]]\nurl = 'http://h'\n\
         [[route]]\npath = '/{{id}}'\nupstream = 'a'\n{lines}\n"
    )
}

#[test]
fn mistakes_about_money() {
    const MODELS: &str = r#"schema = '{"properties":{"model":{"enum":["small","large"]}}}'"#;
    let by_model =
        |table: &str| format!("{MODELS}\nprice = {{ by = '/model', table = {{ {table} }} }}");
    let amount = "expected an amount in decimals, such as \"0.010\" or \"25\", with at most six digits behind the point";
    let either = "a price by name needs both `by` and `table` | write `by = \"/model\"` and a `table` of prices, or `amount`";
    let table: [(String, String); 16] = [
        ("price = 0.5".into(), "route[0].price: expected a price such as \"0.010\", or a table with `by` and `table`, found a decimal number".into()),
        ("price = 'cheap'".into(), format!("route[0].price: {amount}")),
        ("price = '-1'".into(), "route[0].price: a price is not less than nothing".into()),
        ("price = { by = '/model' }".into(), format!("route[0].price: {either}")),
        ("price = { }".into(), format!("route[0].price: {either}")),
        (format!("{MODELS}\nprice = {{ amount = '1', by = '/model', table = {{ small = '1', large = '1' }} }}"), "route[0].price.amount: cannot go with `by` and `table`".into()),
        ("price = { amount = '1', tmies = '/n' }".into(), "route[0].price.tmies: unknown key | did you mean `times`?".into()),
        (by_model("small = '1'"), "route[0].price.table: has no price for what the schema accepts: large; what costs nothing is \"0\"".into()),
        ("price = { by = '/model', table = { small = '1' } }".into(), "route[0].price: depends on the body, which is not read without a `schema` | give the route a `schema`".into()),
        ("price = { amount = '1', times = '/n' }".into(), "route[0].price: depends on the body, which is not read without a `schema` | give the route a `schema`".into()),
        ("price = '1'\nauth = 'optional'".into(), "route[0].price: nobody pays where no API key is `required` | write `auth = \"required\"`".into()),
        ("charge = { on_disconnect = 'cancel' }".into(), "route[0].charge: means nothing without a `price`".into()),
        ("price = '1'\ncharge = { on_disconnect = 'never' }".into(), "route[0].charge.on_disconnect: expected `finish`, `cancel` or `on-accept`".into()),
        ("price = '1'\ncharge = { time_limit = '2m' }".into(), "route[0].charge.time_limit: not longer than the `timeout` of upstream.a: money would go back while the work goes on".into()),
        ("idempotency = 'optional'".into(), "route[0].idempotency: bodies are not read without a `schema`, and so could not be compared | give the route a `schema`".into()),
        (format!("{MODELS}\nauth = 'none'\nidempotency = 'required'"), "route[0].idempotency: whose key it is nobody knows where no API key is `required` | write `auth = \"required\"`".into()),
    ];
    for (lines, want) in table {
        let found: Vec<_> = reject(&route(&lines))
            .iter()
            .map(|line| line.splitn(4, ':').nth(3).unwrap().trim().to_owned())
            .collect();
        assert_eq!(found, [want], "{lines}");
    }
    let free = by_model("small = '0', large = '0'");
    assert!(parse(&route(&free), Path::new(FILE), env).is_ok());
    let without_store = route("price = '1'").replace("store = 'sqlite://t.db'", "");
    let found = reject(&without_store);
    assert!(found[1].contains("needs a store, where balances are"), "{found:?}");
}

#[test]
fn mistakes_about_pages() {
    let page = |lines: &str| route(lines).replace("upstream = 'a'", "serve = 'usage'");
    assert!(parse(&page(""), Path::new(FILE), env).is_ok());
    let table = [
        (page("price = '1'"), "price: means nothing with `serve`"),
        (page("schema = '{}'"), "schema: means nothing with `serve`"),
        (
            page("auth = 'none'"),
            "serve: whose it is nobody knows where no API key is `required` | write `auth = \"required\"`",
        ),
        (
            route("serve = 'usage'"),
            "serve: cannot go with `upstream`: the gateway answers by itself",
        ),
        (
            page("").replace("'usage'", "'usages'"),
            "serve: expected `usage`, `usage-summary`, `tasks`, `callback` or `catalog` | did you mean `usage`?",
        ),
        (
            page("").replace("serve = 'usage'", ""),
            "upstream: this key is missing | write `upstream`, or `serve` where the gateway answers by itself",
        ),
    ];
    for (text, want) in table {
        let found = reject(&text);
        assert!(found.len() == 1 && found[0].ends_with(&format!("route[0].{want}")), "{found:#?}");
    }
}

#[test]
fn the_page_about_the_codes() {
    let keyed = |lines: &str| {
        let text = route(lines);
        text.replace("path = '/{id}'\nupstream = 'a'", "path = '/v1/x'\nserve = 'catalog'")
    };
    // It needs neither a store nor keys.
    let page = |lines: &str| keyed(lines).replace("store = 'sqlite://t.db'\n[auth]", "");
    let loaded = parse(&page("auth = 'none'"), Path::new(FILE), env).unwrap();
    assert!(loaded.warnings.is_empty(), "{:?}", loaded.warnings);
    let made = &loaded.config.route[0];
    assert_eq!(made.method.as_ref().unwrap().to_string(), "GET");
    assert_eq!(made.name.as_str(), "GET /v1/x");
    let wants_a_key = parse(&keyed(""), Path::new(FILE), env).unwrap().warnings;
    assert!(wants_a_key[0].to_string().contains("no browser sends"), "{wants_a_key:?}");
    let other = "auth = 'none'\n[[route]]\npath = '/v1/x'\nmethod = 'GET'\nupstream = 'a'";
    let table = [
        ("schema = '{}'", "schema: means nothing with `serve`"),
        ("parameters = '{}'", "parameters: means nothing with `serve`"),
        ("success = 'wrap'", "success: means nothing with `serve`"),
        ("repeat = 'never'", "repeat: means nothing with `serve`"),
        ("rewrite = '/'", "rewrite: means nothing with `serve`"),
        ("upstream = 'a'", "serve: cannot go with `upstream`: the gateway answers by itself"),
        ("method = 'POST'", "method: a page is read, with GET and HEAD | leave `method` out"),
        (
            "method = ['GET', 'PUT']",
            "method: a page is read, with GET and HEAD | leave `method` out",
        ),
    ];
    for (lines, want) in table {
        let found = reject(&page(&format!("auth = 'none'\n{lines}")));
        assert!(found.len() == 1 && found[0].ends_with(&format!("route[0].{want}")), "{found:#?}");
    }
    let found = reject(&page(other));
    assert!(
        found.len() == 1 && found[0].contains("the same method and path as route[0]"),
        "{found:#?}"
    );
}

#[test]
fn mistakes_about_tasks() {
    let one = "expected one of `id_in_answer`, `id_in_path`, `id_in_query` and `id_in_body`";
    let nobody = "no route of upstream `a` makes tasks, so that there are none to ask about | write `task = { id_in_answer = \"/id\" }` in the route that does";
    let table: [(&str, &[&str]); 8] = [
        ("task = { }", &[one, nobody]),
        ("task = { id_in_answer = '/id', id_in_path = 'id' }", &[one]),
        ("task = { id_in_path = 'id' }", &[nobody]),
        (
            "task = { id_in_path = 'di' }",
            &["a parameter that `path` does not have | did you mean `id`?", nobody],
        ),
        (
            "task = { id_in_answer = '/id', sealed = true }",
            &[
                "needs secrets in `tasks.seal_keys` | write `[tasks] seal_keys = [\"${TASK_SECRET}\"]`",
            ],
        ),
        (
            "task = { id_in_body = '/id' }",
            &["bodies are not read without a `schema` | give the route a `schema`", nobody],
        ),
        (
            "task = { id_in_answer = '/id' }\nauth = 'none'",
            &["nobody has tasks where no API key is `required` | write `auth = \"required\"`"],
        ),
        (
            "task = { id_in_answer = '/id' }\nprice = '1'",
            &[
                "the profile `generic` does not say how far a task is, and so nobody would know who pays | give it `work = { at = \"/status\", succeeded = \"completed\", failed = \"failed\" }`",
            ],
        ),
    ];
    for (lines, want) in table {
        let mut found = reject(&route(lines));
        found.sort_by_key(|line| !want.is_empty() && !line.contains(want[0]));
        assert_eq!(found.len(), want.len(), "{lines}: {found:#?}");
        for (found, want) in found.iter().zip(want) {
            assert!(found.ends_with(want), "{lines}: {found}");
        }
    }
}

#[test]
fn mistakes_about_callbacks() {
    const SECRET: &str = "0123456789abcdef0123456789abcdef";
    let text = |table: &str, maker: &str, result: &str, receiver: &str| {
        format!(
            "[server]\nstore = 'sqlite://t.db'\n[auth]\n[callbacks]\n{table}\n[upstream.a]\n[[upstream.a.endpoint]]\nurl = 'http://h'\n\
             [[route]]\npath = '/g'\nupstream = 'a'\n{maker}\n\
             [[route]]\nname = 'result'\npath = '/r/{{id}}'\nupstream = 'a'\n{result}\n\
             [[route]]\nserve = 'callback'\n{receiver}\n"
        )
    };
    let table = format!("url = 'https://a/c'\nsecrets = ['{SECRET}']");
    let maker = "schema = '{}'\ntask = { id_in_answer = '/id' }\ncallback = { url_in_body = '/hook', result = 'result' }";
    let (result, receiver) = ("task = { id_in_path = 'id' }", "path = '/c/{token}'\nauth = 'none'");
    accept(&text(&table, maker, result, receiver));
    let cases: Vec<(String, &str)> = vec![
        (
            text(&table.replace(SECRET, "short"), maker, result, receiver),
            "callbacks.secrets[0]: shorter than 32 characters",
        ),
        (
            text(&table.replace("secrets", "# "), maker, result, receiver),
            "route[0].callback: needs secrets in `callbacks.secrets` | write `[callbacks] secrets = [\"${CALLBACK_SECRET}\"]`",
        ),
        (
            text(&table.replace("url", "# "), maker, result, receiver),
            "route[0].callback: needs `callbacks.url`, where providers reach this gateway | write `[callbacks] url = \"https://…/callbacks\"`",
        ),
        (
            text(&table, &maker.replace("'result'", "'resul'"), result, receiver),
            "route[0].callback.result: no route of upstream `a` with this name is about a task | did you mean `result`?",
        ),
        (
            text(&table, &maker.replace("schema = '{}'", ""), result, receiver),
            "route[0].callback.url_in_body: bodies are not read without a `schema` | give the route a `schema`",
        ),
        (
            text(&table, &format!("{maker}\nbody = {{ duplicates = 'last' }}"), result, receiver),
            "route[0].callback: a body in which names are there twice cannot be edited; `duplicates` has to be `refuse`",
        ),
        (
            text(&table, maker, result, "path = '/c/{token}'\nauth = 'required'"),
            "route[2].serve: providers have no API key: their token says what they speak of | write `auth = \"none\"`",
        ),
        (
            text(&table, maker, result, "path = '/{token}/c'\nauth = 'none'"),
            "route[2].path: expected a path with one parameter, at its end, for the token | such as \"/callbacks/{token}\"",
        ),
        (
            text(&table, maker, result, &format!("{receiver}\nschema = '{{}}'")),
            "route[2].schema: means nothing with `serve`",
        ),
        (
            text(&table, maker, result, receiver).replace("'callback'", "'usage'"),
            "there is no route with `serve = \"callback\"`, where providers call",
        ),
        (
            text(
                &table,
                maker,
                &result.replace("id_in_path = 'id'", "id_in_query = 'id'"),
                receiver,
            ),
            "route[0].callback.result: cannot be asked with the task's id alone: the path of route `result` has other parameters",
        ),
    ];
    for (text, want) in cases {
        let found = reject(&text);
        let (place, message) = want.split_once(": ").unwrap_or(("", want));
        let is_it = |line: &String| line.contains(place) && line.contains(message);
        assert!(found.iter().any(is_it), "{want}: {found:#?}");
    }
}

/// What a variable is missing for is left to the provider, and said.
#[test]
fn nobody_is_told_without_the_variables() {
    let text = std::fs::read_to_string("examples/apistor.toml").unwrap();
    let env = |name: &str| match name {
        "GRSAI_BASE_URL" | "TOLLGATE_CALLBACK_URL" => Some("http://h".to_owned()),
        "GRSAI_API_KEY" => Some("k".to_owned()),
        _ => None,
    };
    let loaded = parse(&text, Path::new("examples/apistor.toml"), env);
    let warnings = loaded.unwrap().warnings;
    let warning = "callbacks.secrets[0]: TOLLGATE_CALLBACK_SECRET is not set: until it is, callers' URLs go on to the provider as they are";
    assert!(warnings.iter().any(|found| found.to_string().ends_with(warning)), "{warnings:#?}");
}
