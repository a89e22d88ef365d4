//! `[server.tls]`, and TLS to providers.
use super::Checker;
use crate::{
    certificate::{File, expiry_warning, read_pair},
    config::{ClientAuth, Config, Endpoint, Upstream, tree::KeyPath},
    server::tls::{self, Files},
};
use rustls::crypto::ring;
use std::{
    path::{Path, PathBuf},
    time::SystemTime,
};

impl Checker<'_, '_> {
    pub(super) fn tls(&mut self, config: &mut Config, directory: &Path) {
        let path = KeyPath::default().key("server").key("tls");
        let certificates = config.auth.iter().any(|auth| !auth.certificate.is_empty());
        let Some(tls) = &mut config.server.tls else {
            if certificates && self.root.at(&path).is_none() {
                self.no_certificates("server.tls.client_auth");
            }
            return;
        };
        let ca = tls.client_ca_file.iter_mut();
        for file in [&mut tls.cert_file, &mut tls.key_file].into_iter().chain(ca) {
            *file = directory.join(&*file);
        }
        if !self.is_readable(&path) {
            return;
        }
        let auth = path.key("client_auth");
        match (tls.client_auth, &tls.client_ca_file) {
            (ClientAuth::None, Some(_)) => {
                let message = "means nothing unless `client_auth` is `optional` or `required`";
                self.error(&path.key("client_ca_file"), message, None);
            }
            (ClientAuth::Optional | ClientAuth::Required, None) => {
                let help = "name the authorities of clients' certificates in `client_ca_file`";
                self.error(&auth, "nobody's certificates are trusted", Some(help.to_owned()));
            }
            _ => {}
        }
        if certificates && tls.client_auth == ClientAuth::None {
            self.no_certificates("client_auth");
        }
        let files = Files::from(&*tls);
        match tls::read(&files) {
            Ok(pair) => self.expiry(pair.not_after, &path.key("cert_file")),
            Err(mistakes) => {
                // Good ones are taken up by themselves when they change; these stand in the way of all the rest.
                files.paths().for_each(|file| self.report.reads(file));
                for mistake in &mistakes {
                    self.error(&path.key(mistake.file.key()), mistake.to_string(), None);
                }
            }
        }
    }

    fn expiry(&mut self, not_after: Option<SystemTime>, path: &KeyPath) {
        let warning = not_after.and_then(|end| expiry_warning(end, SystemTime::now()));
        if let Some(warning) = warning {
            self.warning(path, warning);
        }
    }

    /// What providers are shown, and whom they have to be.
    pub(super) fn upstream_tls(
        &mut self,
        upstream: &mut Upstream,
        path: &KeyPath,
        directory: &Path,
    ) {
        let is_http = |endpoint: &Endpoint| endpoint.url.get().is_some_and(|url| !url.is_https());
        let Upstream { client_cert_file, client_key_file, endpoint, .. } = upstream;
        self.client_pair([client_cert_file, client_key_file], path, directory);
        let nobody = !endpoint.is_empty() && endpoint.iter().all(is_http);
        if nobody && client_cert_file.is_some() {
            let message = "means nothing: no endpoint has an https:// URL";
            self.error(&path.key("client_cert_file"), message, None);
        }
        let places = self.live(&path.key("endpoint"));
        for (endpoint, place) in endpoint.iter_mut().zip(places) {
            let (is_http, place) = (is_http(endpoint), path.key("endpoint").index(place));
            let Endpoint { server_name, client_cert_file, client_key_file, .. } = endpoint;
            self.client_pair([client_cert_file, client_key_file], &place, directory);
            for (key, is_set) in [
                ("server_name", server_name.is_some()),
                ("client_cert_file", client_cert_file.is_some()),
            ] {
                if is_set && is_http {
                    self.error(&place.key(key), "means nothing without an https:// URL", None);
                }
            }
        }
    }

    /// A certificate for providers and its key, in the table at this place.
    fn client_pair(
        &mut self,
        [certificate, key]: [&mut Option<PathBuf>; 2],
        path: &KeyPath,
        directory: &Path,
    ) {
        const KEYS: [&str; 2] = ["client_cert_file", "client_key_file"];
        for file in [&mut *certificate, &mut *key].into_iter().flatten() {
            *file = directory.join(&*file);
        }
        let (certificate, key) = match (certificate, key) {
            (Some(certificate), Some(key)) => (certificate, key),
            (None, None) => return,
            (certificate, _) => {
                let [found, missing] =
                    if certificate.is_some() { KEYS } else { [KEYS[1], KEYS[0]] };
                // What is written and unreadable has its own mistake.
                if !self.root.at(path).is_some_and(|table| table.mentions(missing)) {
                    let message = format!("means nothing without `{missing}`");
                    self.error(&path.key(found), message, None);
                }
                return;
            }
        };
        for file in [&*certificate, &*key] {
            self.report.reads(file);
        }
        match read_pair(certificate, key, &ring::default_provider()) {
            Ok(pair) => self.expiry(pair.not_after, &path.key(KEYS[0])),
            Err(mistakes) => mistakes.iter().for_each(|mistake| {
                let key = if mistake.file == File::Key { KEYS[1] } else { KEYS[0] };
                self.error(&path.key(key), mistake.to_string(), None);
            }),
        }
    }

    fn no_certificates(&mut self, key: &str) {
        let path = KeyPath::default().key("auth").key("certificate");
        let help = format!("`{key}` has to be `optional` or `required`");
        self.error(&path, "no client is asked for a certificate", Some(help));
    }
}
