//! `[server.tls]`.
use super::Checker;
use crate::{
    config::{ClientAuth, Config, tree::KeyPath},
    server::tls::{self, Files},
};
use std::{path::Path, time::SystemTime};

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
            Ok(pair) => {
                let now = SystemTime::now();
                if let Some(warning) = pair.not_after.and_then(|end| tls::expiry_warning(end, now))
                {
                    self.warning(&path.key("cert_file"), warning);
                }
            }
            Err(mistakes) => {
                // Good ones are taken up by themselves when they change; these stand in the way of all the rest.
                files.paths().for_each(|file| self.report.reads(file));
                for mistake in &mistakes {
                    self.error(&path.key(mistake.file.key()), mistake.to_string(), None);
                }
            }
        }
    }

    fn no_certificates(&mut self, key: &str) {
        let path = KeyPath::default().key("auth").key("certificate");
        let help = format!("`{key}` has to be `optional` or `required`");
        self.error(&path, "no client is asked for a certificate", Some(help));
    }
}
