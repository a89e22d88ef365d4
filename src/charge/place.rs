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
        let same = |(name, _): &(&str, Value<'_>)| name.eq_ignore_ascii_case(step.as_str());
        if value.members().is_some_and(|members| members.filter(same).count() > 1) {
            return Err(refused(at, "must be there once, whatever the case of its letters"));
        }
        match value.step(step) {
            Some(next) => value = next,
            None => return Ok(None),
        }
    }
    Ok(Some(value))
}

/// What is wrong with what stands at a place.
pub(crate) fn refused(at: &Pointer, what: &str) -> Fault {
    let field = at.to_string().trim_start_matches('/').replace('/', ".");
    let detail = format!("{field} {what}");
    Fault::violation(field, detail)
}
