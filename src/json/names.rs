//! Names of members that are the same.

/// As many names are compared each with each.
const FEW: usize = 12;

/// Whether two of the names are the same.
pub(super) fn has_duplicates<'a>(
    names: impl Iterator<Item = (usize, &'a str)>,
    count: usize,
) -> bool {
    if count <= FEW {
        let mut seen = [""; FEW];
        for (i, (_, name)) in names.enumerate().take(FEW) {
            if seen[..i].contains(&name) {
                return true;
            }
            seen[i] = name;
        }
        return false;
    }
    let mut sorted: Vec<&str> = names.map(|(_, name)| name).collect();
    sorted.sort_unstable();
    sorted.windows(2).any(|pair| pair[0] == pair[1])
}

/// Where the last one of each name stands, in that order.
pub(super) fn last_of_each<'a>(names: impl Iterator<Item = (usize, &'a str)>) -> Vec<usize> {
    let mut sorted: Vec<(&str, usize)> = names.map(|(at, name)| (name, at)).collect();
    sorted.sort_unstable();
    let is_last = |i: usize| sorted.get(i + 1).is_none_or(|next| next.0 != sorted[i].0);
    let mut last: Vec<usize> =
        (0..sorted.len()).filter(|&i| is_last(i)).map(|i| sorted[i].1).collect();
    last.sort_unstable();
    last
}
