use super::*;
use crate::Catalog;
use http::{Method, header};
use proptest::prelude::*;

fn challenge(answer: &Answer) -> Option<&str> {
    answer.headers().get(header::WWW_AUTHENTICATE).map(|value| value.to_str().unwrap())
}

#[tokio::test]
async fn every_fault() {
    const KEY: &str = r#"ApiKey realm="api", header="x-api-key""#;
    let at_expiry = layer().clock(|| SystemTime::UNIX_EPOCH + EXPIRY);
    let scoped = layer().scopes(["images:write", "admin"]);
    let bearer_error = |error: &str| Some(format!(r#"Bearer realm="api", error="{error}""#));
    let both = |error: &str| bearer_error(error).map(|text| format!("{text}, {KEY}"));
    let table = [
        (
            layer(),
            Request::new(()),
            (Fault::MissingCredential, 401, Some(format!(r#"Bearer realm="api", {KEY}"#))),
        ),
        (layer(), bearer(""), (Fault::MalformedCredential, 401, both("invalid_request"))),
        (layer(), bearer("nobody"), (Fault::UnknownCredential, 401, both("invalid_token"))),
        (layer(), bearer("revoked-5ecret"), (Fault::RevokedCredential, 401, both("invalid_token"))),
        (at_expiry, bearer(GOOD), (Fault::ExpiredCredential, 401, both("invalid_token"))),
        (layer(), bearer("suspended-5ecret"), (Fault::AccountSuspended, 403, None)),
        (
            scoped,
            bearer(GOOD),
            (
                Fault::Forbidden,
                403,
                bearer_error(r#"insufficient_scope", scope="images:write admin"#),
            ),
        ),
    ];
    for (layer, request, want) in table {
        let (answer, sent) = ask(&layer, request).await;
        let fault = answer.extensions().get::<Fault>().unwrap().clone();
        let got = (fault, answer.status().as_u16(), challenge(&answer).map(str::to_owned));
        assert_eq!(got, want);
        assert!(sent.is_none(), "{got:?}");
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
        assert!(body["error"]["code"].is_string(), "{body}");
    }
    let (answer, sent) = ask(&AuthLayer::new(Away), bearer(GOOD)).await;
    assert_eq!(answer.extensions().get(), Some(&Fault::StoreUnavailable));
    assert_eq!((answer.status().as_u16(), challenge(&answer), sent.is_none()), (503, None, true));
}

#[tokio::test]
async fn good_keys_get_on_and_stay_behind() {
    let both = request(&[("authorization", "bearer  good-5ecret "), ("x-api-key", GOOD)]);
    for sent in [bearer(GOOD), request(&[("x-api-key", GOOD)]), both] {
        let (answer, sent) = ask(&layer(), sent).await;
        let sent = sent.unwrap();
        assert!(sent.headers().is_empty(), "{:?}", sent.headers());
        assert_eq!(sent.extensions().get(), Some(&record("good").principal));
        assert_eq!(answer.status(), 200);
        assert_eq!(answer.into_body().collect().await.unwrap().to_bytes(), "inner");
    }
}

#[tokio::test]
async fn modes() {
    let modes = [Mode::Required, Mode::Optional, Mode::None];
    let bad = |fault: Fault| Err(fault);
    let table = [
        (Request::new(()), [bad(Fault::MissingCredential), Ok(None), Ok(None)]),
        (bearer(GOOD), [good(), good(), Ok(None)]),
        (
            bearer("nobody"),
            [bad(Fault::UnknownCredential), bad(Fault::UnknownCredential), Ok(None)],
        ),
        (
            request(&[("x-api-key", "")]),
            [bad(Fault::MalformedCredential), bad(Fault::MalformedCredential), Ok(None)],
        ),
    ];
    for (sent, want) in table {
        for (mode, want) in modes.into_iter().zip(want) {
            let got = outcome(&layer().mode(mode), sent.clone()).await;
            assert_eq!(got, want, "{mode:?} {sent:?}");
        }
    }
    // Nobody is asked, whatever is sent, and what is sent stays behind.
    let sent = request(&[("authorization", "Basic eDp5"), ("x-api-key", "a"), ("x-api-key", "b")]);
    let (_, sent) = ask(&AuthLayer::new(Untouchable).mode(Mode::None).scopes(["a"]), sent).await;
    assert!(sent.unwrap().headers().is_empty());
    // A damaged key is nobody's without asking.
    let generated = AuthLayer::new(Untouchable).key_prefix("tg".parse().unwrap());
    assert_eq!(outcome(&generated, bearer("tg_typo")).await, bad(Fault::UnknownCredential));
    // An intact one and a foreign one are for the store to say.
    let generated = layer().key_prefix("tg".parse().unwrap());
    assert_eq!(outcome(&generated, bearer(GOOD)).await, good());
    let intact = "tg_0123456789ABCDEFGHIJKLMNOPQRST2CWoW0";
    keys_with(&generated, intact).await;
}

async fn keys_with(layer: &AuthLayer<KeyTable>, key: &str) {
    assert_eq!(outcome(layer, bearer(key)).await, Err(Fault::UnknownCredential));
    let keys = keys();
    keys.apply([(KeyDigest::of_token(key), record("good"))]);
    let layer = AuthLayer::new(keys).key_prefix("tg".parse().unwrap());
    assert_eq!(outcome(&layer.clock(|| SystemTime::UNIX_EPOCH), bearer(key)).await, good());
}

#[tokio::test]
async fn fields_that_are_not_accepted_are_none_of_its_business() {
    let sent = || request(&[("authorization", "Basic eDp5"), ("x-api-key", GOOD)]);
    let (answer, passed) = ask(&layer().accept(Accept::ApiKey).realm("a \"b\""), sent()).await;
    assert_eq!(answer.status(), 200);
    assert_eq!(passed.unwrap().headers(), request(&[("authorization", "Basic eDp5")]).headers());
    assert_eq!(
        outcome(&layer().accept(Accept::Bearer), sent()).await,
        Err(Fault::MalformedCredential)
    );
    let (answer, _) = ask(&layer().accept(Accept::ApiKey).realm("a \"b\""), Request::new(())).await;
    assert_eq!(challenge(&answer), Some(r#"ApiKey realm="a \"b\"", header="x-api-key""#));
    let (answer, _) = ask(&layer().accept(Accept::Bearer).realm("shop"), Request::new(())).await;
    assert_eq!(challenge(&answer), Some(r#"Bearer realm="shop""#));
}

#[tokio::test]
async fn scopes_of_the_layer_and_of_the_request() {
    let needing = |mut request: Request<()>, scopes: &[&str]| {
        let scopes = scopes.iter().map(|scope| Box::from(*scope)).collect();
        request.extensions_mut().insert(NeededScopes(scopes));
        request
    };
    let scoped = layer().scopes(["images:read"]);
    let table = [
        (bearer(GOOD), good()),
        (needing(bearer(GOOD), &[]), good()),
        (needing(bearer(GOOD), &["images:write", "images:x"]), good()),
        (needing(bearer(GOOD), &["images:write", "model:x"]), Err(Fault::Forbidden)),
    ];
    for (request, want) in table {
        assert_eq!(outcome(&scoped, request).await, want);
    }
    let (answer, _) = ask(&scoped, needing(bearer(GOOD), &["model:x", "model:\"y"])).await;
    let want = r#"Bearer realm="api", error="insufficient_scope", scope="images:read model:x""#;
    assert_eq!(challenge(&answer), Some(want));

    // Nobody holds no scope: where one is needed, a key is.
    let optional = layer().mode(Mode::Optional);
    let missing = Err(Fault::MissingCredential);
    assert_eq!(outcome(&optional, needing(Request::new(()), &["a"])).await, missing);
    assert_eq!(outcome(&optional.clone().scopes(["a"]), Request::new(())).await, missing);
    assert_eq!(outcome(&optional, needing(Request::new(()), &[])).await, Ok(None));
    let none = layer().mode(Mode::None).scopes(["a"]);
    assert_eq!(outcome(&none, needing(Request::new(()), &["a"])).await, Ok(None));
}

#[tokio::test]
async fn a_principal_is_never_taken_from_outside() {
    let forged = || {
        let mut request = request(&[
            ("x-tollgate-account", "root"),
            ("X_Tollgate_Account", "root"),
            ("x-tollgate-scopes", "*"),
            ("x-tollgate-plan", "a"),
            ("x-tollgate-plan", "b"),
            ("connection", "x-tollgate-account"),
        ]);
        let root = Principal::new(Arc::new(Account::new("root")), "root");
        request.extensions_mut().insert(root);
        request
    };
    let layer = layer().forward(IdentityHeaders::tollgate());
    for mode in [Mode::Optional, Mode::None] {
        let (_, sent) = ask(&layer.clone().mode(mode), forged()).await;
        let sent = sent.unwrap();
        assert!(sent.headers().is_empty(), "{mode:?} {:?}", sent.headers());
        assert!(sent.extensions().get::<Principal>().is_none(), "{mode:?}");
    }
    let mut request = forged();
    request.headers_mut().insert("x-api-key", HeaderValue::from_static(GOOD));
    let (_, sent) = ask(&layer, request).await;
    let sent = sent.unwrap();
    assert_eq!(sent.extensions().get(), Some(&record("good").principal));
    let want = [
        ("x-tollgate-account", "good-account"),
        ("x-tollgate-key-id", "good-id"),
        ("x-tollgate-plan", "pro"),
        ("x-tollgate-scopes", "images:*"),
    ];
    assert_eq!(*sent.headers(), *super::request(&want).headers());
}

#[tokio::test]
async fn in_the_words_of_a_catalog_and_to_head() {
    let catalog = Arc::new(Catalog::preset("eggapi").unwrap());
    let layer = layer().catalog(catalog.clone());
    let (get, _) = ask(&layer, Request::new(())).await;
    let mut request = Request::new(());
    *request.method_mut() = Method::HEAD;
    let (head, _) = ask(&layer, request).await;
    assert_eq!((get.status(), get.headers()), (head.status(), head.headers()));
    assert!(head.into_body().collect().await.unwrap().to_bytes().is_empty());
    let body = get.into_body().collect().await.unwrap().to_bytes();
    let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(body["error"]["code"], catalog.entry_for(&Fault::MissingCredential).code());
}

#[tokio::test]
async fn what_changes_in_the_store_counts_at_once() {
    let keys = keys();
    let layer = AuthLayer::new(keys.clone()).clock(|| SystemTime::UNIX_EPOCH);
    assert_eq!(outcome(&layer, bearer(GOOD)).await, good());
    keys.apply([(KeyDigest::of_token(GOOD), KeyRecord { revoked: true, ..record("good") })]);
    assert_eq!(outcome(&layer, bearer(GOOD)).await, Err(Fault::RevokedCredential));
    keys.replace_all([]);
    assert_eq!(outcome(&layer, bearer(GOOD)).await, Err(Fault::UnknownCredential));
}

/// Pieces of which credentials are made, and anything else.
fn value() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        4 => Just(GOOD.as_bytes().to_vec()),
        2 => Just(b"Bearer ".to_vec()),
        1 => Just(b"bEARER   ".to_vec()),
        1 => Just(b"revoked-5ecret".to_vec()),
        1 => prop::sample::select(vec![&b" "[..], b"\t", b",", b"=", b"Bearer", b"\xff"])
            .prop_map(<[u8]>::to_vec),
        1 => prop::collection::vec(any::<u8>(), 0..6),
    ];
    prop::collection::vec(piece, 0..4).prop_map(|pieces| pieces.concat())
}

/// The value is the key, or the scheme, spaces and the key: told in another way than the layer does.
fn is_the_key(name: &str, value: &[u8]) -> bool {
    let text = String::from_utf8_lossy(value);
    let words: Vec<&str> = text.trim().split(' ').filter(|word| !word.is_empty()).collect();
    match (name, words.as_slice()) {
        ("x-api-key", [key]) => *key == GOOD,
        ("authorization", [scheme, key]) => scheme.eq_ignore_ascii_case("bearer") && *key == GOOD,
        _ => false,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn only_the_exact_key_gets_in(
        lines in prop::collection::vec((prop::sample::select(vec!["authorization", "x-api-key"]), value()), 0..3),
    ) {
        let mut request = Request::new(());
        let mut sent = Vec::new();
        for (name, value) in &lines {
            // What no field value can hold is not sent.
            if let Ok(field) = HeaderValue::from_bytes(value) {
                request.headers_mut().append(*name, field);
                sent.push((*name, value));
            }
        }
        let alone = sent.len() == 1 || sent.len() == 2 && sent[0].0 != sent[1].0;
        let exact = alone && sent.iter().all(|(name, value)| is_the_key(name, value));
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let got = runtime.block_on(outcome(&layer(), request));
        prop_assert_eq!(got.is_ok(), exact, "{:?} {:?}", lines, got);
    }
}
