use crate::config::Part;
use matchit::Params;

/// Puts a text together. The parameters are known to be the path's: the configuration has been checked. Their values go
/// over as they came, with their percent-encoding.
pub(super) fn render(parts: &[Part], params: &Params<'_, '_>, text: &mut String) {
    for part in parts {
        text.push_str(match part {
            Part::Literal(literal) => literal,
            Part::Parameter(name) => params.get(name).unwrap_or_default(),
        });
    }
}
