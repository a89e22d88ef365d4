//! A file of digests of API keys, one a line.
use super::source;
use crate::{auth::KeyDigest, regular_file};
use std::{collections::HashMap, path::Path};

/// The largest file to read: four million digests.
const LARGEST: u64 = 256 << 20;
/// The most mistakes to report.
const MOST: usize = 10;

/// Reads the digests. `#` begins a comment; empty lines are skipped, and so is what follows a digest.
///
/// # Errors
///
/// What is wrong, each with its line if it has one; the line itself is not repeated, since it could be a key.
pub(super) fn read(path: &Path) -> Result<Vec<KeyDigest>, Vec<String>> {
    let bytes =
        regular_file::read(path, LARGEST).map_err(|error| vec![source::unreadable(&error)])?;
    let text = String::from_utf8(bytes).map_err(|_| vec!["the file is not UTF-8".to_owned()])?;
    parse(text.strip_prefix('\u{feff}').unwrap_or(&text))
}

fn parse(text: &str) -> Result<Vec<KeyDigest>, Vec<String>> {
    let mut lines: HashMap<KeyDigest, usize> = HashMap::new();
    let mut digests = Vec::new();
    let mut mistakes = Vec::new();
    for (i, line) in text.lines().enumerate() {
        let line = line.split('#').next().unwrap_or_default();
        // What `sha256sum` writes behind it is the name of a file.
        let Some(line) = line.split_whitespace().next() else { continue };
        match line.parse::<KeyDigest>() {
            Err(error) => mistakes.push(format!("line {}: {error}", i + 1)),
            Ok(digest) => match lines.insert(digest, i + 1) {
                Some(first) => {
                    mistakes.push(format!("line {}: the same digest as in line {first}", i + 1));
                }
                None => digests.push(digest),
            },
        }
    }
    if digests.is_empty() && mistakes.is_empty() {
        mistakes.push("the file holds no digest".to_owned());
    }
    if mistakes.len() > MOST {
        let others = mistakes.len() - MOST;
        mistakes.truncate(MOST);
        mistakes.push(format!("and {others} mistakes more"));
    }
    if mistakes.is_empty() { Ok(digests) } else { Err(mistakes) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_a_line() {
        let (a, b) = ("a".repeat(64), "B".repeat(64));
        let text = format!("# keys\n\n{a}  -\r\n  {b}  # of b\n");
        assert_eq!(parse(&text), Ok(vec![a.parse().unwrap(), b.parse().unwrap()]));
        let text = format!("{a}\nsk-5ecret\n{}\n", a.to_uppercase());
        assert_eq!(
            parse(&text),
            Err(vec![
                "line 2: expected a SHA-256 digest: 64 hexadecimal digits".to_owned(),
                "line 3: the same digest as in line 1".to_owned()
            ])
        );
        assert_eq!(parse("# nothing\n"), Err(vec!["the file holds no digest".to_owned()]));
        let mistakes = parse(&"x\n".repeat(1000)).unwrap_err();
        assert_eq!((mistakes.len(), &*mistakes[10]), (11, "and 990 mistakes more"));
    }
}
