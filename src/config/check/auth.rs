//! `[auth]`.
use super::{Checker, known_names};
use crate::config::{Auth, Config, Label, keys_file, tree::KeyPath};
use std::{
    collections::{BTreeSet, HashMap},
    path::Path,
    time::SystemTime,
};

impl Checker<'_, '_> {
    pub(super) fn auth(&mut self, config: &mut Config, directory: &Path) {
        let path = KeyPath::default().key("auth");
        let plans = self.plans(config);
        let has_store = config.server.store.is_some();
        let Some(auth) = &mut config.auth else {
            return;
        };
        if auth.accept.is_empty() {
            let help = "name `bearer`, `x-api-key` or both".to_owned();
            self.error(&path.key("accept"), "nobody could send a key", Some(help));
        }
        if let Some(file) = &mut auth.keys_file {
            *file = directory.join(&*file);
            self.report.reads(file);
            match keys_file::read(file) {
                Ok(digests) => auth.file_digests = digests,
                Err(mistakes) => mistakes
                    .into_iter()
                    .for_each(|mistake| self.error(&path.key("keys_file"), mistake, None)),
            }
        }
        self.static_keys(auth, &path.key("key"), plans.as_ref());
        self.certificates(auth, &path.key("certificate"), plans.as_ref());
        self.forwarded(auth, &path.key("forward"));
        // Written, be it wrongly: that is reported already.
        let store = KeyPath::default().key("server").key("store");
        let written = auth.keys_file.is_some()
            || [store, path.key("key"), path.key("keys_file"), path.key("certificate")]
                .iter()
                .any(|p| self.root.at(p).is_some());
        if !has_store && !written && !self.damaged && self.is_readable(&path) {
            let help = "name a store in `server.store`, digests in [[auth.key]], a `keys_file` or [[auth.certificate]]";
            self.error(&path, "there are no keys: nobody could call", Some(help.to_owned()));
        }
    }

    /// Every plan that a limit knows, if there are any and all of them could be read.
    fn plans(&self, config: &Config) -> Option<BTreeSet<String>> {
        let plans: BTreeSet<_> =
            config.limit.iter().flat_map(|limit| limit.plans.keys().cloned()).collect();
        let readable = self.is_readable(&KeyPath::default().key("limit"));
        (readable && !self.damaged && !plans.is_empty()).then_some(plans)
    }

    fn static_keys(&mut self, auth: &Auth, path: &KeyPath, plans: Option<&BTreeSet<String>>) {
        let mut digests: HashMap<_, KeyPath> = HashMap::new();
        let mut ids: HashMap<&str, KeyPath> = HashMap::new();
        for (key, index) in auth.key.iter().zip(self.live(path)) {
            let place = path.index(index);
            if let Some(other) = digests.insert(key.digest, place.clone()) {
                self.error(&place.key("digest"), format!("the same digest as {other}"), None);
            } else if auth.file_digests.contains(&key.digest.get()) {
                self.error(&place.key("digest"), "this digest is in `keys_file` too", None);
            }
            if let Some(id) = &key.id
                && let Some(other) = ids.insert(id.as_str(), place.clone())
            {
                self.error(&place.key("id"), format!("the same id as {other}"), None);
            }
            self.plan(key.plan.as_ref(), &place, plans);
            if key.expires.is_some_and(|end| end.get() <= SystemTime::now()) {
                self.warning(&place.key("expires"), "this key has expired");
            }
        }
    }

    fn certificates(&mut self, auth: &Auth, path: &KeyPath, plans: Option<&BTreeSet<String>>) {
        let mut subjects: HashMap<&str, KeyPath> = HashMap::new();
        for (known, index) in auth.certificate.iter().zip(self.live(path)) {
            let place = path.index(index);
            if let Some(other) = subjects.insert(known.subject.as_str(), place.clone()) {
                self.error(&place.key("subject"), format!("the same subject as {other}"), None);
            }
            self.plan(known.plan.as_ref(), &place, plans);
        }
    }

    fn plan(&mut self, plan: Option<&Label>, place: &KeyPath, plans: Option<&BTreeSet<String>>) {
        if let (Some(plan), Some(plans)) = (plan, plans)
            && !plans.contains(plan.as_str())
        {
            let names: Vec<&str> = plans.iter().map(String::as_str).collect();
            let help = known_names(plan.as_str(), &names, "give a limit this plan");
            self.error(&place.key("plan"), "no limit knows this plan", Some(help));
        }
    }

    fn forwarded(&mut self, auth: &Auth, path: &KeyPath) {
        let forward = &auth.forward;
        let fields = [
            ("account", &forward.account),
            ("key_id", &forward.key_id),
            ("plan", &forward.plan),
            ("scopes", &forward.scopes),
        ];
        let mut seen = HashMap::new();
        for (key, name) in fields {
            if let Some(name) = name
                && let Some(other) = seen.insert(name.get(), key)
            {
                self.error(&path.key(key), format!("the same header as `{other}`"), None);
            }
        }
    }
}
