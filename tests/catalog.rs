//! The catalog as a page: over sockets, and in a browser.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

mod support;

#[path = "catalog/browser.rs"]
mod browser;
#[path = "catalog/people.rs"]
mod people;

use support::{
    Answer, Gateway, Setup, Version, assert_fault,
    client::Ask,
    gateway::{Directory, run},
};
use tollgate::{
    Catalog, Kind,
    catalog::{Entry, EntryPatch, Settings},
};

/// A gateway that serves the page of this preset, where its `docs_url` points.
fn page_of(preset: &'static str) -> Setup {
    Gateway::setup().preset(preset).tables(
        "docs_url = \"/errors\"\n[[route]]\npath = \"/errors\"\nserve = \"catalog\"\nauth = \"none\"",
    )
}

/// The same catalog.
fn catalog_of(preset: &str) -> Catalog {
    Catalog::from_settings(&Settings::new(preset).with_docs_url("/errors")).unwrap()
}

fn assert_page(answer: &Answer, html: &str) {
    let field = |name: &str| answer.fields.one(name);
    assert_eq!((answer.status, field("content-type")), (200, Some("text/html; charset=utf-8")));
    assert_eq!(field("content-length"), Some(&*html.len().to_string()));
    assert_eq!(
        (field("cache-control"), field("x-content-type-options")),
        (Some("no-cache"), Some("nosniff"))
    );
    let policy = field("content-security-policy").unwrap();
    assert!(policy.starts_with("default-src 'none';"), "{policy}");
    assert!(policy.ends_with("frame-ancestors 'none'") && !policy.contains("unsafe"), "{policy}");
    assert!(field("x-request-id").is_some() && field("etag").is_some(), "{:?}", answer.fields);
}

#[tokio::test]
async fn a_route_serves_the_page() {
    for preset in Catalog::presets() {
        let gateway = page_of(preset).start().await;
        let html = catalog_of(preset).to_html();
        for version in Version::BOTH {
            let ask = |method: &str| Ask::new(version, method, "/errors");
            let get = gateway.ask(ask("GET").field("accept", "application/json")).await;
            assert_page(&get, &html);
            assert_eq!(get.text(), html);
            let head = gateway.ask(ask("HEAD")).await;
            assert_page(&head, &html);
            assert!(head.body.is_empty());

            let etag = get.fields.one("etag").unwrap();
            let weak = format!("\"other\", W/{etag}");
            for (known, status) in [(etag, 304), (&weak, 304), ("*", 304), ("\"other\"", 200)] {
                for method in ["GET", "HEAD"] {
                    let answer = gateway.ask(ask(method).field("if-none-match", known)).await;
                    assert_eq!((answer.status, answer.fields.one("etag")), (status, Some(etag)));
                    let has_body = status == 200 && method == "GET";
                    assert_eq!(answer.body.is_empty(), !has_body, "{method} {known}");
                    assert_eq!(answer.fields.has("content-type"), status == 200);
                    assert_eq!(answer.fields.one("cache-control"), Some("no-cache"));
                }
            }
            for method in ["POST", "PUT", "DELETE", "OPTIONS", "PATCH"] {
                let answer = gateway.ask(ask(method)).await;
                assert_fault(&answer, &gateway.catalog, Kind::MethodNotAllowed);
                assert_eq!(answer.fields.one("allow"), Some("GET, HEAD"), "{method}");
            }
        }
        assert_page(&gateway.get("/errors?lang=en").await, &html);
        let below = gateway.get("/errors/not_found").await;
        assert_fault(&below, &gateway.catalog, Kind::NoRoute);
    }
}

/// What an answer says leads to the entry about it.
#[tokio::test]
async fn an_answer_leads_to_its_entry() {
    let gateway = page_of("default").start().await;
    let answer = gateway.get("/nowhere").await;
    let body: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
    let docs_url = body["error"]["docs_url"].as_str().unwrap();
    let (path, fragment) = docs_url.split_once('#').unwrap();
    let page = gateway.get(path).await;
    let code = body["error"]["code"].as_str().unwrap();
    assert_eq!(fragment, code);
    assert!(page.text().contains(&format!("<article id=\"{code}\" data-status=\"404\"")));
}

#[tokio::test]
async fn the_examples_serve_their_page() {
    for name in ["apistor", "eggapi"] {
        let file = format!("{name}.toml");
        let gateway = Gateway::example(&file, Directory::default(), &[], &[]).await;
        let page = gateway.get("/errors").await;
        assert_page(&page, page.text());
        for entry in gateway.catalog.entries() {
            assert!(page.text().contains(&format!("<article id=\"{}\"", entry.code())));
        }
        // Whatever else there is wants a key.
        let other =
            gateway.raw("POST /errors HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n").await;
        assert_fault(&other, &gateway.catalog, Kind::MethodNotAllowed);
    }
}

/// What is printed is what is served.
#[tokio::test]
async fn the_command_prints_the_page_and_the_openapi_document() {
    let setup = page_of("eggapi").tables(
        "[catalog.entries.NAME_TAKEN]\nstatus = 409\nmessage = \"Taken\"\ntitle = \"A <b>name</b>\"",
    );
    let file = setup.write();
    let file = file.to_str().unwrap();
    let mut patch = EntryPatch::message("Taken").with_status(409);
    patch.title = Some("A <b>name</b>".to_owned());
    let settings = Settings::new("eggapi").with_docs_url("/errors").with_entry("NAME_TAKEN", patch);
    let catalog = Catalog::from_settings(&settings).unwrap();
    let (code, html, error) = run(&["catalog", "--config", file, "--format", "html"], &[]);
    assert_eq!((code, html, error), (0, catalog.to_html(), String::new()));
    let (code, printed, _) = run(&["catalog", "--config", file, "--format", "openapi"], &[]);
    let printed: serde_json::Value = serde_json::from_str(&printed).unwrap();
    assert_eq!((code, printed), (0, catalog.to_openapi()));
    let gateway = setup.start().await;
    assert_eq!(gateway.get("/errors").await.text(), catalog.to_html());
}

/// The README has the table of the catalog, without its links.
#[test]
fn the_readme_lists_the_codes() {
    let table = |text: &str| {
        let lines = text.lines().skip_while(|line| !line.starts_with("| code | status |"));
        lines.take_while(|line| line.starts_with('|')).map(str::to_owned).collect::<Vec<_>>()
    };
    let catalog = Catalog::preset("default").unwrap();
    let mut wanted = table(&catalog.to_markdown());
    for code in catalog.entries().iter().map(Entry::code) {
        let link = format!("[`{code}`](#{code})");
        wanted.iter_mut().for_each(|line| *line = line.replace(&link, &format!("`{code}`")));
    }
    let readme = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let written = table(&std::fs::read_to_string(readme).unwrap());
    assert!(written.len() > 40);
    assert_eq!(written, wanted, "README.md should have:\n{}", wanted.join("\n"));
}
