//! What routes say of bodies and parameters: schemas, edits, `[body]`.
use super::Checker;
use crate::{
    Catalog,
    config::{
        Body, Config, Duplicates, Edit, Route, SchemaSource, source,
        tree::{KeyPath, printable},
    },
    edit::{Edits, InvalidEdit},
    schema::{InvalidSchema, Mistake, Schema},
    validate::{ContentEncoding, HEADROOM, MAX_BYTES, most_memory},
};
use std::{collections::HashMap, path::Path, sync::Arc};

/// A body is addressed by 32 bits.
const LARGEST_BODY: usize = u32::MAX as usize;

/// The schemas that were read; none for one that is wrong, which is said once.
type Schemas = HashMap<SchemaSource, Option<Arc<Schema>>>;

impl Checker<'_, '_> {
    pub(super) fn bodies(&mut self, config: &mut Config, directory: &Path) {
        // What is wrong with it is said elsewhere.
        let catalog = Catalog::from_settings(&config.catalog).ok();
        let mut schemas = Schemas::new();
        let path = KeyPath::default().key("route");
        let buffered = config.server.max_buffered_bytes.get();
        let common = config.body;
        let body = KeyPath::default().key("body");
        self.sizes(&common, Body::default(), buffered, &body);
        let mut by_default = false;
        for (route, index) in config.route.iter_mut().zip(self.live(&path)) {
            let place = path.index(index);
            for (key, source) in
                [("schema", &mut route.schema), ("parameters", &mut route.parameters)]
            {
                let Some(source) = source else { continue };
                let schema =
                    self.schema(source, directory, catalog.as_ref(), &place.key(key), &mut schemas);
                if let SchemaSource::File(file) = source {
                    *file = directory.join(&*file);
                }
                match key {
                    "schema" => route.rules.schema = schema,
                    _ => route.rules.parameters = schema,
                }
            }
            route.rules.edits = Arc::new(self.edits(&route.edit, &place.key("edit")));
            self.sizes(&route.body, common, buffered, &place.key("body"));
            self.body_of(route, common, &place);
            by_default |= reads_bodies(route)
                && route.body.or(common).max_bytes.is_none()
                && self.is_readable(&place.key("body"));
        }
        if by_default && self.is_readable(&body) && MAX_BYTES + HEADROOM > buffered {
            let message = "less than 4KiB more than `max_bytes`, which is 1MiB where nothing else is said: such a body would always be refused";
            let path = KeyPath::default().key("server").key("max_buffered_bytes");
            self.error(&path, message, None);
        }
    }

    fn body_of(&mut self, route: &Route, common: Body, place: &KeyPath) {
        let written = self.root.at(&place.key("body")).is_some();
        let is_read = reads_bodies(route);
        let Body { violations, .. } = route.body;
        let of_parameters =
            route.parameters.is_some() && route.body == Body { violations, ..Body::default() };
        if written && !is_read && !of_parameters && self.is_readable(place) {
            let message = match route.parameters {
                Some(_) => {
                    "means nothing without a `schema` or an `edit`, except `violations`: the bodies of this route are not read"
                }
                None => {
                    "means nothing without a `schema` or an `edit`: the bodies of this route are not read"
                }
            };
            self.error(&place.key("body"), message, None);
        }
        if !route.edit.is_empty() && route.body.or(common).duplicates == Some(Duplicates::Last) {
            let message = "a body in which names are there twice cannot be edited; `duplicates` has to be `refuse`";
            self.error(&place.key("edit"), message, None);
        }
    }

    fn sizes(&mut self, body: &Body, default: Body, buffered: usize, place: &KeyPath) {
        let whole = body.or(default);
        for (key, size) in
            [("max_bytes", body.max_bytes), ("max_decoded_bytes", body.max_decoded_bytes)]
        {
            match size {
                Some(size) if size.get() > LARGEST_BODY => {
                    self.error(&place.key(key), "4GiB or more", None);
                }
                Some(size) if size.get() + HEADROOM > buffered => {
                    let message = "more than `server.max_buffered_bytes` less 4KiB: such a body would always be refused";
                    self.error(&place.key(key), message, None);
                }
                _ => {}
            }
        }
        self.both_sizes(body, whole, buffered, place);
        if body.max_decoded_bytes.is_some() && whole.content_encoding() == ContentEncoding::Refuse {
            let message = "means nothing unless `content_encoding` is `decode`";
            self.error(&place.key("max_decoded_bytes"), message, None);
        }
        if body.max_depth.is_some_and(|depth| depth.get() > 127) {
            self.error(&place.key("max_depth"), "more than 127", None);
        }
    }

    /// A body that is decoded is in memory as it came and as what it means.
    fn both_sizes(&mut self, body: &Body, whole: Body, buffered: usize, place: &KeyPath) {
        let ContentEncoding::Decode { max_bytes: decoded } = whole.content_encoding() else {
            return;
        };
        let room = buffered.saturating_sub(HEADROOM);
        // Either one alone is too much: that is said already.
        let sent = whole.max_bytes();
        if sent > room || decoded > room || sent.saturating_add(most_memory(decoded)) <= room {
            return;
        }
        // Said where somebody can change it; what is as it is for all routes is wrong there.
        let keys = [
            ("max_decoded_bytes", body.max_decoded_bytes.is_some()),
            ("max_bytes", body.max_bytes.is_some()),
            ("content_encoding", body.content_encoding.is_some()),
        ];
        if let Some((key, _)) = keys.iter().find(|(_, written)| *written) {
            let message = "more than `server.max_buffered_bytes` has room for: `max_bytes`, `max_decoded_bytes`, a decoder's window (as much again, 16MiB at most) and 68KiB";
            self.error(&place.key(key), message, None);
        }
    }

    fn schema(
        &mut self,
        source: &SchemaSource,
        directory: &Path,
        catalog: Option<&Catalog>,
        place: &KeyPath,
        known: &mut Schemas,
    ) -> Option<Arc<Schema>> {
        if let Some(known) = known.get(source) {
            return known.clone();
        }
        let schema = match source {
            SchemaSource::Text { schema, .. } => self.parse_schema(schema, None, catalog, place),
            SchemaSource::File(file) => {
                let path = directory.join(file);
                self.report.reads(&path);
                match source::read_text(&path) {
                    Ok(text) => self.parse_schema(&text, Some(file), catalog, place),
                    Err(message) => {
                        self.error(place, format!("{}: {message}", printable_path(file)), None);
                        None
                    }
                }
            }
        };
        known.insert(source.clone(), schema.clone());
        schema
    }

    fn parse_schema(
        &mut self,
        text: &str,
        file: Option<&Path>,
        catalog: Option<&Catalog>,
        place: &KeyPath,
    ) -> Option<Arc<Schema>> {
        let checked = text.parse().and_then(|schema: Schema| {
            catalog.map_or(Ok(()), |catalog| schema.check(catalog)).map(|()| schema)
        });
        let mistakes = match checked {
            Ok(schema) => return Some(Arc::new(schema)),
            Err(InvalidSchema { mistakes, .. }) => mistakes,
        };
        for mistake in mistakes {
            let message = match (file, mistake.line) {
                (Some(file), Some(line)) => {
                    format!(
                        "{}:{line}: {}",
                        printable_path(file),
                        Mistake { line: None, ..mistake }
                    )
                }
                _ => mistake.to_string(),
            };
            self.error(place, message, None);
        }
        None
    }

    pub(super) fn edits(&mut self, edits: &[Edit], path: &KeyPath) -> Edits {
        let mut made = Edits::new();
        for (edit, index) in edits.iter().zip(self.live(path)) {
            let place = path.index(index);
            if !self.is_readable(&place) {
                continue;
            }
            match add(made.clone(), edit) {
                Some(Ok(more)) => made = more,
                Some(Err(error)) => self.error(&place, error.to_string(), None),
                None => {
                    let message = "expected `set` and `value`, `rename` and `to`, `remove` alone, or `map` and `values`";
                    self.error(&place, message, None);
                }
            }
        }
        made
    }
}

/// Whether the bodies of this route are read, and not only passed on.
pub(in crate::config) fn reads_bodies(route: &Route) -> bool {
    route.schema.is_some() || !route.edit.is_empty()
}

/// One edit more; `None` for keys that do not go together.
fn add(edits: Edits, edit: &Edit) -> Option<Result<Edits, InvalidEdit>> {
    Some(match edit {
        Edit {
            set: Some(at),
            value: Some(value),
            rename: None,
            to: None,
            remove: None,
            map: None,
            values: None,
        } => edits.set(at.get().clone(), value.get().clone()),
        Edit {
            rename: Some(from),
            to: Some(to),
            set: None,
            value: None,
            remove: None,
            map: None,
            values: None,
        } => edits.rename(from.get().clone(), to.as_str()),
        Edit {
            remove: Some(at),
            set: None,
            value: None,
            rename: None,
            to: None,
            map: None,
            values: None,
        } => edits.remove(at.get().clone()),
        Edit {
            map: Some(at),
            values: Some(values),
            set: None,
            value: None,
            rename: None,
            to: None,
            remove: None,
        } => {
            let table = values.iter().map(|(text, members)| {
                let members =
                    members.iter().map(|(name, value)| (name.clone(), value.get().clone()));
                (text.clone(), members.collect())
            });
            edits.map(at.get().clone(), table)
        }
        _ => return None,
    })
}

/// A file's name as it was written, without what could not be seen.
fn printable_path(file: &Path) -> String {
    let text = file.to_string_lossy();
    let plain = |c: char| c.is_ascii_graphic() && c != '"';
    if text.chars().all(plain) { text.into_owned() } else { printable(&text).into_owned() }
}
