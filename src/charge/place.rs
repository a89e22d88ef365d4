//! Places in a body on which money or ownership depends.

use crate::{
    Fault,
    json::{Document, Pointer, Value},
};

/// What stands there, if nothing stands beside it that a provider which does not mind the case of names could read instead.
///
/// # Errors
///
/// A violation if there is.
pub(crate) fn only<'a>(
    body: Option<&'a Document>,
    at: &Pointer,
) -> Result<Option<Value<'a>>, Fault> {
    let Some(body) = body else { return Ok(None) };
    let mut value = body.root();
    for step in at.steps() {
        let mut there = 0;
        for (name, _) in value.members().into_iter().flatten() {
            if name == step.as_str() {
                there += 1;
            } else if is_same_but_for_case(name, step.as_str()) {
                there += 2;
            }
        }
        if there > 1 {
            return Err(refused(at, "must be there once, and in these letters"));
        }
        match value.step(step) {
            Some(next) => value = next,
            None => return Ok(None),
        }
    }
    Ok(Some(value))
}

/// As Unicode folds case simply (and so what reads `ſ` as `s`).
fn is_same_but_for_case(one: &str, other: &str) -> bool {
    let fold = |text: &str| {
        text.chars().flat_map(char::to_uppercase).flat_map(char::to_lowercase).collect::<String>()
    };
    // Most names are something else, and need no memory to say so.
    one.chars().count() == other.chars().count() && fold(one) == fold(other)
}

/// What is wrong with what stands at a place.
pub(crate) fn refused(at: &Pointer, what: &str) -> Fault {
    let field = at.to_string().trim_start_matches('/').replace('/', ".");
    let detail = format!("{field} {what}");
    Fault::violation(field, detail)
}
