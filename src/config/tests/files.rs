//! What is no configuration, or no TOML, or no text.
use super::*;

#[test]
fn not_toml() {
    for (text, expected) in [
        // The other lines are still looked at, where it is clear what they belong to.
        (
            "server.via = \nserver.lisen = 1\n[[route]]\npath = /x\nupstrem = \"a\"\n",
            &[
                ":1:14: invalid TOML: ",
                ":2:8: server.lisen: unknown key | did you mean `listen`?",
                ":4:8: invalid TOML: ",
                ":5:1: route[0].upstrem: unknown key | did you mean `upstream`?",
            ][..],
        ),
        (
            "[server]\nvia = \"a\"\nvia = \"b\"\nx = 1\n",
            &[
                ":3:1: invalid TOML: duplicate key",
                ":4:1: server.x: unknown key | known here: listen",
            ],
        ),
        ("[server\nx = 1\n", &[":1:8: invalid TOML: "]),
        ("[server]\n[server]\n", &[":2:2: invalid TOML: duplicate key"]),
        ("[server]\nvia = \"\"\"\nx = 1\n", &[":4:1: invalid TOML: "]),
        ("é = 1\n", &[":1:1: invalid TOML: "]),
    ] {
        let found = reject(text);
        assert_eq!(found.len(), expected.len(), "{text}\n{found:#?}");
        for (found, expected) in found.iter().zip(expected) {
            assert!(found.starts_with(expected), "{text}\n{found}\n{expected}");
        }
    }
}

#[test]
fn not_readable() {
    let directory = Directory::new("files");
    let refuse = |path: &Path| {
        let errors = load(path, env).unwrap_err();
        assert_eq!(errors.0.len(), 1, "{errors}");
        errors.to_string().replace(directory.0.to_str().unwrap(), "D")
    };
    assert_eq!(
        refuse(&directory.0.join("none.toml")),
        "error: D/none.toml: the file cannot be read: there is no such file"
    );
    assert_eq!(refuse(&directory.0), "error: D: the file cannot be read: is a directory");
    assert_eq!(
        refuse(&directory.file("latin1.toml", b"# \n# caf\xe9\n")),
        "error: D/latin1.toml:2: the file is not UTF-8"
    );
    assert_eq!(
        refuse(&directory.file("utf16.toml", b"\xff\xfe[\0s\0")),
        "error: D/utf16.toml:1: the file is not UTF-8"
    );
    assert_eq!(
        refuse(&directory.file("huge.toml", vec![b'\n'; (1 << 20) + 1])),
        "error: D/huge.toml: the file cannot be read: it is larger than 1 MiB"
    );
}

#[test]
fn with_other_line_ends_and_a_mark() {
    let directory = Directory::new("marks");
    let path = directory.file("bom.toml", format!("\u{feff}x = 1{REST}"));
    let errors = load(&path, env).unwrap_err();
    assert_eq!((errors.0.len(), errors.0[0].line, errors.0[0].column), (1, Some(1), Some(1)));
    assert!(load(&directory.file("crlf.toml", REST.replace('\n', "\r\n")), env).is_ok());
}

/// Anything else: some errors, not thousands, no panic, and not for ever.
#[test]
fn binary() {
    let directory = Directory::new("binary");
    for bytes in [
        vec![0; 1 << 16],
        (0..1 << 16).map(|i| (i % 127) as u8).collect(),
        b"[".repeat(1 << 18),
        b"a.".repeat(1 << 18),
        b"a = {".repeat(1 << 12),
        b"a = 1\n".repeat(1 << 12),
    ] {
        let errors = load(&directory.file("binary.toml", &bytes), env).unwrap_err();
        assert!((1..=25).contains(&errors.0.len()), "{} of {:?}", errors.0.len(), &bytes[..8]);
    }
}
