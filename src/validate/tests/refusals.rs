use super::*;

#[tokio::test]
async fn media_types() {
    let json = Some("application/json");
    let once = Some("application/json in UTF-8, once");
    let plain = Some("application/json without a Content-Encoding");
    let table: &[(Fields<'_>, Option<&str>)] = &[
        (&[], json),
        (&[("content-type", "")], json),
        (&[("content-type", "text/plain")], json),
        (&[("content-type", "application/x-www-form-urlencoded")], json),
        (&[("content-type", "multipart/form-data; boundary=x")], json),
        (&[("content-type", "application/x-ndjson")], json),
        (&[("content-type", "text/plain; charset=utf-16"), ("content-type", "text/html")], json),
        (&[("content-type", "application/json; charset=latin1")], once),
        (&[("content-type", "application/problem+json; charset=utf-16")], once),
        (&[JSON, JSON], once),
        (&[JSON, ("content-type", "text/plain")], once),
        (&[("content-type", "text/plain"), JSON], once),
        (&[JSON], None),
        (&[("content-type", "application/json; charset=utf-8")], None),
        (&[("content-type", "APPLICATION/JSON;charset=\"UTF-8\"")], None),
        (&[("content-type", "application/problem+json")], None),
        (&[JSON, ("content-encoding", "identity")], None),
        (&[JSON, ("content-encoding", "")], None),
        (&[JSON, ("content-encoding", "gzip")], plain),
        (&[JSON, ("content-encoding", "identity, br")], plain),
        (&[JSON, ("content-encoding", "identity"), ("content-encoding", "zstd")], plain),
        (&[JSON, ("content-encoding", "rot13")], plain),
    ];
    // What is said of the type is first.
    let neither = [("content-type", "text/plain"), ("content-encoding", "gzip")];
    let (answer, _) = ask(&layer(), request(&neither, Script::whole(GOOD))).await;
    assert!(!answer.headers().contains_key(header::ACCEPT_ENCODING));

    for (fields, want) in table {
        let body = Script::whole(GOOD);
        let polls = body.polls.clone();
        let (answer, _) = ask(&layer(), request(fields, body)).await;
        let fault = want
            .map(|expected| Fault::UnsupportedMediaType { expected: expected.to_owned().into() });
        assert_eq!(answer.extensions().get::<Fault>(), fault.as_ref(), "{fields:?}");
        if let Some(expected) = want {
            assert_eq!(answer.status(), 415, "{fields:?}");
            let said = error(&answer)["message"].to_string();
            assert!(said.contains(&format!("Send it as {expected}.")), "{fields:?}: {said}");
            assert_eq!(polls.load(Ordering::Relaxed), 0, "{fields:?}");
            let coded = fields.iter().any(|(name, _)| *name == "content-encoding");
            let (said, other, want) = if coded {
                (header::ACCEPT_ENCODING, header::ACCEPT, "identity")
            } else {
                (header::ACCEPT, header::ACCEPT_ENCODING, "application/json")
            };
            assert_eq!(answer.headers()[said], want, "{fields:?}");
            assert!(!answer.headers().contains_key(other), "{fields:?}");
        }
    }
}

#[tokio::test]
async fn bodies() {
    let open: Arc<Schema> = Arc::new("{}".parse().unwrap());
    let list: Arc<Schema> = Arc::new(r#"{"type": "array", "maxItems": 1}"#.parse().unwrap());
    let strict = schema();
    let deep = format!("{}{}", "[".repeat(64), "]".repeat(64));
    let too_deep = format!(r#"{{"prompt":{deep}}}"#);
    let invalid = Some(Kind::InvalidJson);
    let table: &[(&[u8], &Arc<Schema>, Option<Kind>)] = &[
        (GOOD.as_bytes(), &strict, None),
        (b" \r\n\t{\"prompt\":\"x\"}\n ", &strict, None),
        (br#"{"n":2}"#, &strict, Some(Kind::Violation)),
        (br#"{"prompt":""}"#, &strict, Some(Kind::Violation)),
        (br#"{"prompt":"x","n":5}"#, &strict, Some(Kind::Violation)),
        (br#"{"prompt":"x","x":5}"#, &strict, Some(Kind::Violation)),
        (b"{}", &strict, Some(Kind::EmptyObject)),
        (b" { } ", &strict, Some(Kind::EmptyObject)),
        (b"{}", &open, None),
        (b"[]", &strict, Some(Kind::NotAnObject)),
        (b"[]", &open, Some(Kind::NotAnObject)),
        (br#""x""#, &strict, Some(Kind::NotAnObject)),
        (b"null", &strict, Some(Kind::NotAnObject)),
        (b"true", &strict, Some(Kind::NotAnObject)),
        (b"5", &strict, Some(Kind::NotAnObject)),
        (b"[]", &list, None),
        (b"[1]", &list, None),
        (b"[1,2]", &list, Some(Kind::Violation)),
        (b"{}", &list, Some(Kind::EmptyObject)),
        (br#"{"a":1}"#, &list, Some(Kind::Violation)),
        (b"", &open, invalid),
        (b" \n", &open, invalid),
        (b"prompt=x", &open, invalid),
        (b"{", &open, invalid),
        (br#"{"a":1,}"#, &open, invalid),
        (br#"{"a":1} x"#, &open, invalid),
        (b"{}{}", &open, invalid),
        (b"{}\0", &open, invalid),
        (b"\xef\xbb\xbf{}", &open, invalid),
        (b"{\"a\":\"\xff\"}", &open, invalid),
        (b"{\"a\":\"\xed\xa0\x80\"}", &open, invalid),
        (br#"{"a":"\ud800"}"#, &open, invalid),
        (br#"{"a":1,"a":1}"#, &open, invalid),
        (br#"{"a":{"b":1,"\u0062":2}}"#, &open, invalid),
        (br#"{"a":1e400}"#, &open, invalid),
        (br#"{"a":NaN}"#, &open, invalid),
        (too_deep.as_bytes(), &open, invalid),
    ];
    for (body, schema, want) in table {
        let layer = ValidateLayer::new().schema(Arc::clone(schema));
        let text = String::from_utf8_lossy(body);
        let declared = post(body.to_vec());
        let unknown = request(&[JSON], Script::new([data(body.to_vec())]));
        for request in [declared, unknown] {
            let (answer, passed) = ask(&layer, request).await;
            let got = answer.extensions().get::<Fault>().and_then(Fault::kind);
            assert_eq!(got, *want, "{text}");
            assert_eq!(answer.status(), if want.is_some() { 400 } else { 200 }, "{text}");
            if let Some(passed) = passed {
                assert_eq!(passed.bytes(), *body, "{text}");
            }
        }
    }
    let relaxed = ValidateLayer::new().schema(open).syntax(Syntax::default().max_depth(66));
    assert_eq!(kind(&relaxed, post(too_deep)).await, None);
}

#[tokio::test]
async fn in_the_words_of_presets() {
    let table = [
        ("apistor", "not json", "invalid_json"),
        ("apistor", "", "invalid_json"),
        ("apistor", "{}", "invalid_json_body"),
        ("apistor", "[]", "invalid_body"),
        ("apistor", "null", "invalid_body"),
        ("eggapi", "not json", "VALIDATION_ERROR"),
        ("eggapi", "{}", "VALIDATION_ERROR"),
        ("eggapi", "[]", "VALIDATION_ERROR"),
        ("eggapi", r#"{"prompt":5}"#, "VALIDATION_ERROR"),
    ];
    for (preset, body, want) in table {
        let layer = layer().catalog(Arc::new(Catalog::preset(preset).unwrap()));
        let (answer, _) = ask(&layer, post(body)).await;
        assert_eq!(
            (&error(&answer)["code"], answer.status().as_u16()),
            (&json!(want), 400),
            "{body}"
        );
    }
}

#[tokio::test]
async fn the_code_of_the_field() {
    let (answer, _) = ask(&layer(), post(r#"{"prompt":"x","n":5}"#)).await;
    let said = error(&answer);
    assert_eq!((&said["code"], &said["field"]), (&json!("invalid_json"), &json!("n")));
    assert_eq!(said["message"], "The request body is not valid JSON: n must be between 1 and 4.");
    assert!(said.get("details").is_none());
}

#[tokio::test]
async fn to_head_without_a_body() {
    let get = |method| {
        let mut request = post("[]");
        *request.method_mut() = method;
        request
    };
    let (post, _) = ask(&layer(), get(Method::POST)).await;
    let (head, passed) = ask(&layer(), get(Method::HEAD)).await;
    assert_eq!((post.status(), post.headers()), (head.status(), head.headers()));
    assert!(head.body().is_empty() && !post.body().is_empty() && passed.is_none());
}

#[tokio::test]
async fn all_violations() {
    let bad = r#"{"n":9,"x":1}"#;
    let (answer, _) = ask(&layer().report(Report::All), post(bad)).await;
    let said = error(&answer);
    let want =
        json!([["prompt", "invalid_parameter"], ["n", "invalid_json"], ["x", "invalid_parameter"]]);
    let details = said["details"].as_array().unwrap();
    let got: Vec<_> = details.iter().map(|one| json!([one["field"], one["code"]])).collect();
    assert_eq!(json!(got), want, "{said}");
    assert!(details.iter().all(|one| !one["message"].as_str().unwrap().is_empty()));
    assert_eq!(details[0]["message"], said["message"]);
    assert_eq!(said["field"], "prompt");

    // Also if there is one alone.
    let (answer, _) = ask(&layer().report(Report::All), post(r#"{"prompt":5}"#)).await;
    assert_eq!(error(&answer)["details"].as_array().unwrap().len(), 1);

    let many: Vec<_> = (0..50).map(|i| format!(r#""x{i}":1"#)).collect();
    let many = format!("{{{}}}", many.join(","));
    let (answer, _) = ask(&layer().report(Report::All), post(many)).await;
    assert_eq!(error(&answer)["details"].as_array().unwrap().len(), 20);
}

#[tokio::test]
async fn all_violations_on_request() {
    let layer = layer().report(Report::OnRequest);
    let table = [
        ("/p", "/p", false),
        ("/p?all", "/p", true),
        ("/p?all&all", "/p", true),
        ("/p?a=1&all&b=%20", "/p?a=1&b=%20", true),
        ("/p?all&a=1", "/p?a=1", true),
        ("http://host:1/p?a&all", "http://host:1/p?a", true),
        ("/p?all=1", "/p?all=1", false),
        ("/p?all=", "/p?all=", false),
        ("/p?ALL", "/p?ALL", false),
        ("/p?x=all", "/p?x=all", false),
        ("/p?%61ll", "/p?%61ll", false),
        ("/p?small&allx", "/p?small&allx", false),
    ];
    for (target, goes_on, all) in table {
        let to = |body: &'static str| {
            let mut request = post(body);
            *request.uri_mut() = target.parse().unwrap();
            request
        };
        let (answer, _) = ask(&layer, to(r#"{"n":9}"#)).await;
        assert_eq!(error(&answer).get("details").is_some(), all, "{target}");
        assert_eq!(passed(&layer, to(GOOD)).await.parts.uri, goes_on, "{target}");
    }
    // Otherwise it is a parameter like any other.
    for report in [Report::First, Report::All] {
        let mut request = post(GOOD);
        *request.uri_mut() = "/p?all".parse().unwrap();
        assert_eq!(passed(&layer.clone().report(report), request).await.parts.uri, "/p?all");
    }
}

/// It is taken from nobody whose request cannot break a rule.
#[tokio::test]
async fn all_is_theirs_where_nothing_is_checked() {
    let rules: Schema = r#"{"properties": {"q": {"type": "string"}}}"#.parse().unwrap();
    let edits = Edits::new().remove("/n".parse().unwrap()).unwrap();
    let table = [
        (ValidateLayer::new(), "/p?all&a=1"),
        (ValidateLayer::new().edits(edits), "/p?all&a=1"),
        (ValidateLayer::new().parameters(rules), "/p?a=1"),
        (layer(), "/p?a=1"),
    ];
    for (layer, want) in table {
        let mut request = post(GOOD);
        *request.uri_mut() = "/p?all&a=1".parse().unwrap();
        assert_eq!(passed(&layer.report(Report::OnRequest), request).await.parts.uri, want);
    }
}

#[tokio::test]
async fn parameters_before_the_body() {
    let rules = r#"{
        "properties": {
            "id": { "type": "string", "pattern": "^[a-z]+$" },
            "page": { "type": "integer", "minimum": 1 }
        },
        "additionalProperties": false
    }"#;
    let checked = layer().parameters(rules.parse::<Schema>().unwrap()).report(Report::OnRequest);
    let table = [
        ("/x", Some("abc"), None),
        ("/x?page=1", None, None),
        ("/x?page=1&all", Some("abc"), None),
        ("/x?page=0", Some("abc"), Some("page")),
        ("/x?page=one", None, Some("page")),
        ("/x?page=1&page=2", None, Some("page")),
        ("/x?other=1", None, Some("other")),
        ("/x?all=1", None, Some("all")),
        ("/x", Some("a%2Fb"), Some("id")),
        ("/x?id=abc", Some("abc"), Some("id")),
    ];
    for (target, id, want) in table {
        let body = Script::whole(GOOD);
        let polls = body.polls.clone();
        // The media type comes later.
        let fields: Fields<'_> = if want.is_some() { &[] } else { &[JSON] };
        let mut request = request(fields, body);
        *request.uri_mut() = target.parse().unwrap();
        if let Some(id) = id {
            request.extensions_mut().insert(PathParameters::new([("id", id)]));
        }
        let got = fault(&checked, request).await;
        assert_eq!(got.as_ref().and_then(Fault::field), want, "{target} {got:?}");
        assert_eq!(got.and_then(|fault| fault.kind()), want.map(|_| Kind::Violation), "{target}");
        if want.is_some() {
            assert_eq!(polls.load(Ordering::Relaxed), 0, "{target}");
        }
    }
    // Without rules for the body it goes by.
    let alone = ValidateLayer::new().parameters(rules.parse::<Schema>().unwrap());
    assert_eq!(passed(&alone, request(&[], Script::whole("any"))).await.bytes(), "any");
}
