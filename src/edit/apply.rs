use super::{
    NotEditable,
    edits::{Edit, Edits, Name},
    object::Object,
    rope::Rope,
};
use bytes::Bytes;

/// The text with these edits.
pub(super) fn apply(edits: &[&Edits], text: &Bytes) -> Result<Vec<Bytes>, NotEditable> {
    let whole = std::str::from_utf8(text).map_err(|_| NotEditable::NotAnObject)?;
    let mut root = Object::read(whole, edits)?;
    for edit in edits.iter().flat_map(|edits| &edits.edits) {
        edit.apply(&mut root)?;
    }
    let mut rope = Rope::new(text);
    root.write(&mut rope);
    Ok(rope.finish())
}

impl Edit {
    fn apply<'a>(&'a self, root: &mut Object<'a>) -> Result<(), NotEditable> {
        match self {
            Self::Set { at, value } => {
                if let Some(object) = make(root, &at.parents)? {
                    object.set(&at.name, &value.0)?;
                }
            }
            Self::Rename { from, to } => {
                if let Some(object) = find(root, &from.parents)? {
                    object.rename(&from.name, to)?;
                }
            }
            Self::Remove { at } => {
                if let Some(object) = find(root, &at.parents)? {
                    object.remove(&at.name)?;
                }
            }
            Self::Map { at, table } => {
                let Some(object) = find(root, &at.parents)? else {
                    return Ok(());
                };
                let value = object.string(&at.name)?;
                for (name, value) in
                    value.and_then(|value| table.get(&*value)).into_iter().flatten()
                {
                    object.set(name, &value.0)?;
                }
            }
        }
        Ok(())
    }
}

/// The object that these steps lead to.
fn find<'o, 'a>(
    root: &'o mut Object<'a>,
    steps: &[Name],
) -> Result<Option<&'o mut Object<'a>>, NotEditable> {
    let mut object = root;
    for step in steps {
        match object.enter(step)? {
            Some(inner) => object = inner,
            None => return Ok(None),
        }
    }
    Ok(Some(object))
}

/// The same; where there is no object, one is made, in the place of whatever else is there.
fn make<'o, 'a>(
    root: &'o mut Object<'a>,
    steps: &'a [Name],
) -> Result<Option<&'o mut Object<'a>>, NotEditable> {
    let mut object = root;
    for step in steps {
        if !object.has_object(step)? {
            object.set(step, "{}")?;
        }
        match object.enter(step)? {
            Some(inner) => object = inner,
            None => return Ok(None),
        }
    }
    Ok(Some(object))
}
