//! "Did you mean".

/// The known name that was probably meant, unless nothing comes near.
pub(crate) fn closest<'a>(
    found: &str,
    known: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    // Nobody mistypes that much, and distances are quadratic.
    if found.len() > 64 {
        return None;
    }
    let plain = |name: &str| name.to_ascii_lowercase().replace('-', "_");
    let found = plain(found);
    known
        .into_iter()
        .map(|name| (strsim::damerau_levenshtein(&found, &plain(name)), name))
        // Of a name of one letter nothing would be left.
        .filter(|(distance, name)| match name.chars().count() {
            0 | 1 => *distance == 0,
            letters => *distance <= (letters / 3).max(1),
        })
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::closest;

    #[test]
    fn suggestions() {
        let known = ["listen", "header_timeout", "via", "as-is", "POST"];
        for (found, expected) in [
            ("lisen", Some("listen")),
            ("lsiten", Some("listen")),
            ("header-timeout", Some("header_timeout")),
            ("headertimeout", Some("header_timeout")),
            ("vai", Some("via")),
            ("as_is", Some("as-is")),
            ("post", Some("POST")),
            ("x", None),
            ("completely_different", None),
            ("", None),
        ] {
            assert_eq!(closest(found, known), expected, "{found}");
        }
        assert_eq!(closest(&"l".repeat(1 << 20), known), None);
    }
}
