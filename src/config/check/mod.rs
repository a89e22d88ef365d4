//! What no single value can know: names that have to exist, be unique or fit together.

mod auth;
mod bodies;
mod callbacks;
mod catalog;
mod charge;
mod idempotency;
mod limits;
mod pages;
mod routes;
mod tasks;
mod tls;
mod traces;
mod upstreams;

pub(super) use self::{bodies::reads_bodies, pages::mean_nothing};

use self::upstreams::check_ca_file;
use super::{
    Config, ProxyProtocol,
    decode::origin,
    diagnostic::{Report, Severity},
    tree::{KeyPath, Node, printable},
    values::{Invalid, parse_socket_address},
};
use crate::suggest::closest;
use std::path::Path;

/// Checks a configuration against itself, and completes it.
pub(super) struct Checker<'a, 'r> {
    /// The tree that the configuration was read from.
    pub(super) root: &'a Node,
    pub(super) report: &'a mut Report<'r>,
    /// Parts of the text are not in the tree: then nothing is called missing.
    pub(super) damaged: bool,
}

impl Checker<'_, '_> {
    pub(super) fn check(
        &mut self,
        config: &mut Config,
        directory: &Path,
        env: &dyn Fn(&str) -> Option<String>,
    ) {
        self.server(config, directory, env);
        self.proxy_protocol(config);
        self.believes_everybody(config);
        self.tls(config, directory);
        self.traces(config, env);
        self.catalog(config);
        self.auth(config, directory);
        self.limits(config);
        self.upstreams(config, directory);
        self.routes(config);
        self.bodies(config, directory);
        self.edited_bodies(config);
        self.pages(config);
        self.charges(config);
        self.tasks(config);
        self.callbacks(config);
        self.idempotency(config);
    }

    /// Something that works and will not do what it looks like.
    fn warning(&mut self, path: &KeyPath, message: impl Into<String>) {
        let offset = self.root.nearest(path).span.start;
        self.report.add(Severity::Warning, Some(offset), &path.to_string(), message.into(), None);
    }

    /// Whether nothing in here was reported as unreadable.
    fn is_readable(&self, path: &KeyPath) -> bool {
        self.root.at(path).is_none_or(|node| node.is_whole())
    }

    fn error(&mut self, path: &KeyPath, message: impl Into<String>, help: Option<String>) {
        let node = self.root.nearest(path);
        let message = message.into() + &origin(node.variables());
        // What is nowhere in the document has no line.
        let offset = (!std::ptr::eq(node, self.root)).then_some(node.span.start);
        self.report.add(Severity::Error, offset, &path.to_string(), message, help);
    }

    fn server(
        &mut self,
        config: &mut Config,
        directory: &Path,
        env: &dyn Fn(&str) -> Option<String>,
    ) {
        let listen = self.variable("TOLLGATE_LISTEN", env, parse_socket_address);
        let admin = self.variable("TOLLGATE_ADMIN", env, parse_socket_address);
        let store = self.variable("TOLLGATE_STORE", env, str::parse);
        let server = &mut config.server;
        server.listen = listen.unwrap_or(server.listen);
        server.admin = admin.or(server.admin);
        server.store = store.or(server.store.take());
        if let Some(file) = &mut server.limits_ca_file {
            *file = directory.join(&*file);
            let (path, is_tls) = (KeyPath::default().key("server"), server.limits.is_tls());
            self.report.reads(file);
            if let Err(message) = check_ca_file(file) {
                self.error(&path.key("limits_ca_file"), message, None);
            } else if !is_tls && self.is_readable(&path.key("limits")) {
                let message =
                    "means nothing unless `limits` is a URL with `rediss://` or `valkeys://`";
                self.error(&path.key("limits_ca_file"), message, None);
            }
        }
        let server = &config.server;
        if server.admin == Some(server.listen) && server.listen.port() != 0 {
            let path = KeyPath::default().key("server").key("admin");
            self.error(&path, "the same address as `listen`", None);
        }
        if let Some(admin) = config.server.admin
            && !admin.ip().is_loopback()
            && config.server.admin_token.is_none()
        {
            let path = KeyPath::default().key("server").key("admin");
            self.warning(&path, "not on the loopback, and there is no `admin_token`: only /livez and /readyz are served");
        }
        if config.server.admin_token.as_ref().is_some_and(|token| token.expose().len() < 16) {
            let path = KeyPath::default().key("server").key("admin_token");
            self.error(&path, "shorter than 16 characters", None);
        }
        if config.server.workers.is_some_and(|workers| workers.get() > 1024) {
            let path = KeyPath::default().key("server").key("workers");
            self.error(&path, "more than 1024 workers", None);
        }
    }

    /// Headers that nobody is believed, and peers that nobody asks for one.
    fn proxy_protocol(&mut self, config: &Config) {
        let server = KeyPath::default().key("server");
        let (mode, from) = (server.key("proxy_protocol"), server.key("proxy_protocol_from"));
        if !self.is_readable(&mode) || !self.is_readable(&from) {
            return;
        }
        // Another mistake if it is not written as it has to be.
        let meant = |key: &str| {
            let server = self.root.at(&server);
            server.is_some_and(|table| table.entry(key).is_none() && table.mentions(key))
        };
        let is_off = config.server.proxy_protocol == ProxyProtocol::Off;
        if !is_off && config.server.proxy_protocol_from.is_empty() && !meant("proxy_protocol_from")
        {
            let help = "name the networks of load balancers in `proxy_protocol_from`";
            self.error(&mode, "nobody's header is believed", Some(help.to_owned()));
        } else if is_off
            && !config.server.proxy_protocol_from.is_empty()
            && !meant("proxy_protocol")
        {
            let message = "means nothing unless `proxy_protocol` is `listed` or `required`";
            self.error(&from, message, None);
        }
    }

    /// Lists of whom is believed that hold everybody.
    fn believes_everybody(&mut self, config: &Config) {
        let server = KeyPath::default().key("server");
        let lists = [
            ("trusted_proxies", &config.server.trusted_proxies),
            ("proxy_protocol_from", &config.server.proxy_protocol_from),
        ];
        for (key, networks) in lists {
            if networks.iter().any(|network| network.get().prefix_len() == 0) {
                let message =
                    "holds everybody: whoever connects says which address it has, for limits too";
                self.warning(&server.key(key), message);
            }
        }
    }

    /// What an environment variable says instead of the file; empty is as good as not set.
    fn variable<T>(
        &mut self,
        name: &str,
        env: &dyn Fn(&str) -> Option<String>,
        parse: impl Fn(&str) -> Result<T, Invalid>,
    ) -> Option<T> {
        let text = env(name).filter(|text| !text.is_empty())?;
        parse(&text)
            .map_err(|error| {
                let message = format!("{error} in this environment variable");
                self.report.add(Severity::Error, None, name, message, None);
            })
            .ok()
    }

    fn live(&self, path: &KeyPath) -> Vec<usize> {
        self.root.at(path).map(Node::live_elements).unwrap_or_default()
    }
}

/// What to do about a name that nothing has; `none` is for where there are no names at all.
fn known_names(found: &str, names: &[&str], none: &str) -> String {
    match (closest(found, names.iter().copied()), names) {
        (Some(name), _) => format!("did you mean `{}`?", printable(name)),
        (None, []) => none.to_owned(),
        (None, names) => {
            let names: Vec<_> = names.iter().map(|name| printable(name)).collect();
            format!("known here: {}", names.join(", "))
        }
    }
}
