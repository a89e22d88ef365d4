use crate::server::tls::{ClientCa, Files};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// TLS towards clients: 1.2 and 1.3, with HTTP/2 and HTTP/1.1 to choose from. The files are looked at every second; what changes is used for new connections.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ServerTls {
    /// A PEM file with the certificate, and after it those between it and an authority, in this order. Relative to the configuration file.
    pub cert_file: PathBuf,
    /// A PEM file with the certificate's private key: PKCS#8, PKCS#1 or SEC1, not encrypted. Relative to the configuration file.
    pub key_file: PathBuf,
    /// A PEM file of the authorities whose certificates clients have. Relative to the configuration file. Default: none.
    #[serde(default)]
    pub client_ca_file: Option<PathBuf>,
    /// Whether clients are asked for a certificate. Default: `none`.
    #[serde(default)]
    pub client_auth: ClientAuth,
}

/// Whether clients are asked for a certificate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ClientAuth {
    /// They are not.
    #[default]
    None,
    /// Who has none is served all the same; one that is not good ends the connection.
    Optional,
    /// Without a good one there is no connection.
    Required,
}

impl From<&ServerTls> for Files {
    fn from(tls: &ServerTls) -> Self {
        let required = match tls.client_auth {
            ClientAuth::None => None,
            ClientAuth::Optional => Some(false),
            ClientAuth::Required => Some(true),
        };
        let ca = tls.client_ca_file.clone().zip(required);
        Self {
            certificate: tls.cert_file.clone(),
            key: tls.key_file.clone(),
            client_ca: ca.map(|(file, required)| ClientCa { file, required }),
        }
    }
}
