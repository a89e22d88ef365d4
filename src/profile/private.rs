//! What in a text looks like a place or a key.

/// What is put in the place of it.
const REMOVED: &str = "[…]";

/// Last parts of the names of hosts that services have. Others, such as those of files, are none.
const DOMAINS: [&str; 42] = [
    "ai",
    "app",
    "art",
    "biz",
    "cc",
    "cloud",
    "cluster",
    "cn",
    "co",
    "com",
    "corp",
    "de",
    "dev",
    "eu",
    "info",
    "internal",
    "io",
    "lan",
    "local",
    "localhost",
    "me",
    "net",
    "online",
    "org",
    "run",
    "sh",
    "site",
    "so",
    "studio",
    "svc",
    "tech",
    "tv",
    "uk",
    "us",
    "xyz",
    "example",
    "invalid",
    "test",
    "host",
    "delivery",
    "media",
    "ml",
];

/// With what keys and ids begin, in front of `-` or `_`.
const PREFIXES: [&str; 16] = [
    "sk", "pk", "rk", "ak", "api", "key", "org", "proj", "req", "acct", "cus", "user", "usr",
    "ghp", "xoxb", "xoxp",
];

/// A text of single blanks without URLs, hosts, addresses, keys and ids.
pub(super) fn without_places_and_keys(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut after_scheme = false;
    let ends_word = |c: char| {
        matches!(c, ' ' | '"' | '\'' | '`' | '<' | '>' | '(' | ')' | '[' | ']' | '{' | '}')
    };
    for piece in text.split_inclusive(ends_word) {
        let word = piece.trim_end_matches(|c: char| {
            !c.is_alphanumeric() && !matches!(c, '/' | '*' | '=' | '\u{1}')
        });
        let behind = &piece[word.len()..];
        // `Bearer` and what comes behind it.
        let is_credential = after_scheme && word.len() >= 8;
        if !is_credential && is_plain_word(word) {
            out.push_str(word);
        } else if is_credential || is_private(word) {
            out.push_str(REMOVED);
        } else {
            push_parts(word, &mut out);
        }
        out.push_str(behind);
        after_scheme = word.eq_ignore_ascii_case("bearer") || word.eq_ignore_ascii_case("basic");
    }
    out
}

/// A word, of which a part may be private: `key=…`.
fn push_parts(word: &str, out: &mut String) {
    for part in word.split_inclusive(['=', ':', ',', ';', '|']) {
        let end = part.trim_end_matches(['=', ':', ',', ';', '|']);
        out.push_str(if is_private(end) { REMOVED } else { end });
        out.push_str(&part[end.len()..]);
    }
}

/// Short, and nothing in it but letters, as most words.
fn is_plain_word(word: &str) -> bool {
    word.len() < 24 && word.bytes().all(|byte| byte.is_ascii_alphabetic())
}

fn is_private(word: &str) -> bool {
    if is_plain_word(word) || word.len() < 4 && word != "::1" {
        return false;
    }
    word.contains("://")
        || word.starts_with("//")
        || is_path(word)
        || starts_with_scheme(word)
        || word.contains("***")
        || is_mail(word)
        || is_address(word)
        || is_host(word)
        || is_key(word)
}

/// Of a file or a resource, from its root: at least two steps.
fn is_path(word: &str) -> bool {
    let is_step = |step: &str| step.bytes().any(|byte| byte.is_ascii_alphanumeric());
    word.starts_with('/') && word.split('/').filter(|step| is_step(step)).count() >= 2
}

/// Of URLs without a host (RFC 2397), and a host that everybody has.
fn starts_with_scheme(word: &str) -> bool {
    ["data:", "javascript:", "localhost:", "localhost/"].iter().any(|scheme| {
        word.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme))
    })
}

fn is_mail(word: &str) -> bool {
    word.split_once('@').is_some_and(|(name, host)| !name.is_empty() && host.contains('.'))
}

/// IPv4, or IPv6, with a port or without.
fn is_address(word: &str) -> bool {
    let word = word.split(['/', '?', '#']).next().unwrap_or_default();
    let (host, port) = word.split_once(':').unwrap_or((word, ""));
    let numbers = host.split('.').filter(|part| part.parse::<u8>().is_ok()).count();
    let is_v4 = numbers == 4
        && host.split('.').count() == 4
        && port.bytes().all(|byte| byte.is_ascii_digit());
    let is_v6 = (word.contains("::") || word.bytes().filter(|byte| *byte == b':').count() >= 3)
        && word.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b':');
    is_v4 || is_v6
}

/// Names with dots between them, of which the last is a domain, or anything that has a path behind it; with port and path or without.
fn is_host(word: &str) -> bool {
    let host = word.split(['/', ':', '?', '#']).next().unwrap_or_default();
    let has_path = word[host.len()..].starts_with('/');
    let host = host.trim_end_matches('.');
    let Some((names, domain)) = host.rsplit_once('.') else { return false };
    let is_domain =
        |domain: &str| domain.len() >= 2 && domain.bytes().all(|byte| byte.is_ascii_alphabetic());
    let is_name = |name: &str| {
        !name.is_empty()
            && name
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | 1))
    };
    let is_known = DOMAINS.iter().any(|known| known.eq_ignore_ascii_case(domain));
    (is_known || has_path && is_domain(domain)) && names.split('.').all(is_name)
}

fn is_key(word: &str) -> bool {
    let is_legal = |byte: u8| {
        byte.is_ascii_alphanumeric()
            || matches!(byte, b'-' | b'_' | b'.' | b'+' | b'/' | b'=' | b'~')
    };
    if !word.bytes().all(is_legal) {
        return false;
    }
    let mut parts = word.split(['-', '_', '.', '+', '/', '=', '~']);
    let prefix = parts.next().unwrap_or_default();
    let rest = word.get(prefix.len() + 1..).unwrap_or_default();
    let is_prefixed = matches!(word.as_bytes().get(prefix.len()), Some(b'-' | b'_'))
        && PREFIXES.iter().any(|known| known.eq_ignore_ascii_case(prefix))
        // `api-key` and `user_id` are words.
        && (rest.len() >= 16 || rest.bytes().any(|byte| byte.is_ascii_digit()) || matches!(prefix, "org" | "sk" | "proj" | "req" | "acct" | "cus"));
    is_prefixed || is_uuid(word) || word.split(['-', '_', '.', '+', '/', '=', '~']).any(is_random)
}

fn is_uuid(word: &str) -> bool {
    let lengths = word.split('-').map(str::len);
    lengths.eq([8, 4, 4, 4, 12])
        && word.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-')
}

/// Letters and digits mixed, or more of them than a word has.
fn is_random(part: &str) -> bool {
    let has = |is: fn(&u8) -> bool| part.as_bytes().iter().any(is);
    let mixed = has(u8::is_ascii_alphabetic) && has(u8::is_ascii_digit);
    let turns = part
        .as_bytes()
        .windows(2)
        .filter(|two| two[0].is_ascii_digit() != two[1].is_ascii_digit())
        .count();
    let is_capital = |byte: &u8| byte.is_ascii_uppercase() || byte.is_ascii_digit();
    // `1024x1024` is a size, `sha256` a word, `RESOURCE` another one.
    part.len() >= 24
        || (part.len() >= 16 && mixed && part.bytes().all(|byte| is_capital(&byte)))
        || (part.len() >= 10 && mixed && turns >= 3)
        || (part.len() >= 12 && !has(u8::is_ascii_alphabetic))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_private() {
        let private = [
            "https://a.example/x",
            "HTTP://a",
            "www.provider.com",
            "help.provider.com/errors?x=1",
            "a.b.svc:80",
            "me@a.example",
            "10.0.0.7",
            "10.0.0.7:80",
            "10.0.0.7/health",
            "::1",
            "localhost:8080",
            "//a.example/x",
            "/srv/app/server.py",
            "data:image/png;base64,AAAA",
            "v3.fal.media/files/a.png",
            "api.bfl.ml",
            "replicate.delivery/x",
            "files.example-cdn.zone/a",
            "AKIAIOSFODNN7EXAMPLE",
            "2001:db8::1:2",
            "sk-proj-abc123def456",
            "sk-***abcd",
            "org-abc",
            "req_011CSHoEeqs5C35K2UUqR7Fy",
            "AIzaSyA1b2C3d4E5f6",
            "0c0ffee0-c0ff-4e0c-8ffe-e0c0ffee0c0f",
            "a1b2c3d4e5f6a7b8",
            "eyJhbGciOi.J9eyJzdWIi.x1y2z3a4b5c6",
            "abcdefghijklmnopqrstuvwxyz",
            "123456789012",
            "user-4711",
        ];
        for word in private {
            assert!(is_private(word), "{word}");
        }
        let public = [
            "prompt",
            "512x512",
            "1024x1024",
            "gpt-image-1",
            "nano-banana-2-4k-cl",
            "gemini-2.5-flash-image-preview",
            "dall-e-3",
            "stable-diffusion-xl-base-v1-refiner",
            "image.png",
            "3.5",
            "10.5",
            "1.2.3",
            "api_key",
            "user_id",
            "key-value",
            "16:9",
            "e.g",
            "and/or",
            "/prompt",
            "localhost",
            "e.g./i.e.",
            "IMAGE_OTHER_2",
            "aspect_ratio",
            "2026-11-25",
            "12:30:05",
            "urls[3]",
            "sha256",
            "width/height",
            "模型不存在",
            "negative_prompt",
            "v1.2.0",
        ];
        for word in public {
            assert!(!is_private(word), "{word}");
        }
    }
}
