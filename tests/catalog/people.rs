//! The page as people see it.

use super::{browser::Browser, catalog_of, page_of};
use serde_json::{Value, json};
use tollgate::Catalog;

const DESKTOP: (u32, u32) = (1280, 800);
const PHONE: (u32, u32) = (320, 640);
const SCHEMES: [&str; 2] = ["light", "dark"];

/// Asks the page with the functions in `page.js`.
fn ask(browser: &mut Browser, question: &str) -> Value {
    browser.evaluate(&format!("(() => {{ {}\nreturn {question}; }})()", include_str!("page.js")))
}

fn assert_quiet(browser: &mut Browser, origin: &str) {
    assert_eq!(browser.complaints(origin), Vec::<Value>::new());
}

#[tokio::test]
async fn every_address_shows_its_entry() {
    let mut browser = Browser::start();
    for preset in Catalog::presets() {
        let gateway = page_of(preset).start().await;
        let origin = format!("http://{}", gateway.address);
        // Opened as from an answer, and followed as from another entry.
        for (size, scheme, opened) in [
            (DESKTOP, "light", true),
            (DESKTOP, "dark", false),
            (PHONE, "light", false),
            (PHONE, "dark", true),
        ] {
            browser.view(size, scheme);
            for entry in catalog_of(preset).entries() {
                let url = format!("{origin}{}", entry.docs_url().unwrap());
                if opened {
                    browser.open(&url);
                } else {
                    browser.navigate(&url);
                }
                let unseen = ask(&mut browser, &format!("unseen({:?})", entry.code()));
                assert_eq!(unseen, json!([]), "{preset} {} {size:?} {scheme}", entry.code());
            }
            assert_quiet(&mut browser, &origin);
        }
    }
}

#[tokio::test]
async fn search_and_filter() {
    let mut browser = Browser::start();
    for preset in Catalog::presets() {
        let gateway = page_of(preset).start().await;
        let catalog = catalog_of(preset);
        let origin = format!("http://{}", gateway.address);
        let codes = |status: &str| -> Vec<&str> {
            let entries = catalog.entries().iter();
            let entries = entries.filter(|entry| entry.status().as_str().starts_with(status));
            entries.map(|entry| entry.code()).collect()
        };
        let all = codes("");
        for size in [DESKTOP, PHONE] {
            browser.view(size, "light");
            browser.open(&format!("{origin}/errors"));
            let count = |browser: &mut Browser, want: &str| {
                browser.until("document.getElementById('page:count').textContent", &json!(want));
            };
            let choose = |browser: &mut Browser, status: &str| {
                browser.evaluate(&format!(
                    "{{ const s = document.getElementById('page:status'); s.value = '{status}';
                     s.dispatchEvent(new Event('input', {{ bubbles: true }})) }}"
                ));
            };
            assert_eq!(ask(&mut browser, "shown()"), json!(all));
            // Every status on its own, and the classes.
            for entry in catalog.entries() {
                let status = entry.status();
                choose(&mut browser, status.as_str());
                assert_eq!(ask(&mut browser, "shown()"), json!(codes(status.as_str())));
            }
            for class in ["4", "5"] {
                choose(&mut browser, class);
                assert_eq!(ask(&mut browser, "shown()"), json!(codes(class)));
                let hidden = "document.querySelectorAll('nav li[hidden]').length";
                assert_eq!(browser.evaluate(hidden), all.len() - codes(class).len());
            }
            choose(&mut browser, "429");
            let limited = codes("429");
            count(&mut browser, &format!("{} of {} codes", limited.len(), all.len()));

            // Whoever follows an address sees its entry, whatever the filter says.
            let named = catalog.entries().iter().find(|entry| entry.status() == 404).unwrap();
            browser.navigate(&format!("{origin}{}", named.docs_url().unwrap()));
            let unseen = format!("unseen({:?})", named.code());
            assert_eq!(ask(&mut browser, &unseen), json!([]));
            let said = format!(
                "{} of {} codes; {} is in the address",
                limited.len(),
                all.len(),
                named.code()
            );
            count(&mut browser, &said);
            assert_eq!(ask(&mut browser, "shown()").as_array().unwrap().len(), limited.len() + 1);
            let current = "document.querySelector('nav [aria-current]').getAttribute('href')";
            assert_eq!(browser.evaluate(current), format!("#{}", named.code()));

            // Words in any order and in any case, with the filter and without.
            browser.open(&format!("{origin}/errors"));
            browser.evaluate("document.getElementById('page:search').focus()");
            browser.write(&format!("  {}  404", named.title().to_uppercase()));
            assert_eq!(ask(&mut browser, "shown()[0]"), named.code());
            choose(&mut browser, "5");
            assert_eq!(ask(&mut browser, "shown()"), json!([]));
            count(&mut browser, &format!("None of {} codes", all.len()));
            browser.evaluate("document.querySelector('button[type=reset]').click()");
            browser.until("document.querySelectorAll('article[hidden]').length", &json!(0));
            count(&mut browser, &format!("{} codes", all.len()));
            assert_eq!(browser.evaluate("document.activeElement.id"), "page:search");
            assert_eq!(
                browser.evaluate("document.querySelector('button').checkVisibility()"),
                false
            );
            // Enter goes to the first that is found.
            let last = all[all.len() - 1];
            browser.write(last);
            browser.press("Enter", 13);
            assert_eq!(
                ask(&mut browser, "focus()[0]"),
                format!("#{}", ask(&mut browser, "shown()[0]").as_str().unwrap())
            );
            assert_quiet(&mut browser, &origin);
        }
    }
}

#[tokio::test]
async fn everybody_can_read_it() {
    let mut browser = Browser::start();
    for preset in Catalog::presets() {
        let gateway = page_of(preset).start().await;
        let origin = format!("http://{}", gateway.address);
        let number = gateway.catalog.entries().len();
        let named = gateway.catalog.entries()[number / 2].code();
        for size in [DESKTOP, PHONE] {
            for scheme in SCHEMES {
                browser.view(size, scheme);
                browser.open(&format!("{origin}/errors#{named}"));
                assert_eq!(ask(&mut browser, "faint()"), json!([]), "{size:?} {scheme}");
                assert_eq!(ask(&mut browser, "unreadable()"), json!([]));
            }
        }
        // With the keyboard.
        browser.open(&format!("{origin}/errors"));
        for want in ["#page:codes", "page:search", "page:status"] {
            browser.press("Tab", 9);
            assert_eq!(ask(&mut browser, "focus()"), json!([want, true]));
        }
        // On paper there is nothing to be pressed.
        browser.call("Emulation.setEmulatedMedia", json!({ "media": "print" }));
        assert_eq!(browser.evaluate("document.querySelector('.side').checkVisibility()"), false);
        browser.call("Emulation.setEmulatedMedia", json!({ "media": "" }));
        // Without the script nothing is missing but the search.
        browser.call("Emulation.setScriptExecutionDisabled", json!({ "value": true }));
        browser.open(&format!("{origin}/errors#{named}"));
        assert_eq!(ask(&mut browser, &format!("unseen({named:?})")), json!([]));
        assert_eq!(ask(&mut browser, "shown().length"), number);
        assert_eq!(browser.evaluate("document.querySelector('form').checkVisibility()"), false);
        assert_eq!(browser.evaluate("document.querySelector('nav a').checkVisibility()"), true);
        browser.call("Emulation.setScriptExecutionDisabled", json!({ "value": false }));
        assert_quiet(&mut browser, &origin);
    }
}

/// Texts come from a configuration. What is in them is read, and does nothing.
#[tokio::test]
async fn texts_do_nothing() {
    const EVIL: &str = "</title></style></script><script>document.title='run'</script><img src=/x onerror=\\\"document.title='run'\\\">&lt;";
    let text = format!(
        "message = \"{EVIL}\"\ntitle = \"{EVIL}\"\nproblem = \"`{EVIL}`\"\nsolution = \"{EVIL}\""
    );
    let entries = format!(
        "[catalog.entries.not_found]\n{text}\n[catalog.entries.\"constructor\"]\nstatus = 409\n{text}"
    );
    let gateway = page_of("default").tables(&entries).start().await;
    let origin = format!("http://{}", gateway.address);
    let mut browser = Browser::start();
    browser.view(PHONE, "light");
    for code in ["not_found", "constructor"] {
        browser.open(&format!("{origin}/errors#{code}"));
        assert_eq!(ask(&mut browser, &format!("unseen({code:?})")), json!([]));
        let title = browser.evaluate(&format!(
            "document.getElementById({code:?}).querySelector('h3 span').textContent"
        ));
        assert_eq!(title, EVIL.replace("\\\"", "\""));
    }
    assert_eq!(browser.evaluate("document.title"), "Error codes: default");
    assert_eq!(browser.evaluate("document.images.length + document.scripts.length"), 1);
    assert_quiet(&mut browser, &origin);
    // If something had been asked for or run, it would have been seen.
    for attempt in [
        "void document.body.append(Object.assign(new Image(), { src: 'http://127.0.0.1:9/x' }))",
        "void document.body.setAttribute('onclick', '1')",
        "void document.body.append(Object.assign(document.createElement('script'), { text: '1' }))",
        "void setTimeout(() => { throw 1 })",
    ] {
        browser.open(&format!("{origin}/errors"));
        assert_quiet(&mut browser, &origin);
        browser.evaluate(attempt);
        assert!(!browser.complaints(&origin).is_empty(), "{attempt}");
    }
}
