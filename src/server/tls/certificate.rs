use rustls::pki_types::CertificateDer;
use x509_cert::{
    Certificate,
    der::{
        Decode,
        asn1::{ObjectIdentifier, PrintableStringRef, TeletexStringRef, Utf8StringRef},
    },
    ext::pkix::{SubjectAltName, name::GeneralName},
};

/// `commonName` (X.520).
const COMMON_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.3");

/// The names that a verified certificate is about: DNS names and URIs of its subject's alternative names, then its
/// common name. None of them if any of it is not legible.
pub(super) fn names(der: &CertificateDer<'_>) -> Vec<String> {
    try_names(der).unwrap_or_default()
}

fn try_names(der: &CertificateDer<'_>) -> Option<Vec<String>> {
    let certificate = Certificate::from_der(der).ok()?.tbs_certificate;
    let mut names = Vec::new();
    if let Some((_, alternative)) = certificate.get::<SubjectAltName>().ok()? {
        names.extend(alternative.0.iter().filter_map(|name| match name {
            GeneralName::DnsName(name) | GeneralName::UniformResourceIdentifier(name) => {
                Some(name.as_str().to_owned())
            }
            _ => None,
        }));
    }
    let attributes = certificate.subject.0.iter().flat_map(|set| set.0.iter());
    for attribute in attributes.filter(|attribute| attribute.oid == COMMON_NAME) {
        let value = &attribute.value;
        let name = (value.decode_as::<Utf8StringRef<'_>>().map(|text| text.as_str()))
            .or_else(|_| value.decode_as::<PrintableStringRef<'_>>().map(|text| text.as_str()))
            .or_else(|_| value.decode_as::<TeletexStringRef<'_>>().map(|text| text.as_str()));
        names.push(name.ok()?.to_owned());
    }
    Some(names)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{CertificateParams, DistinguishedName, DnType, DnValue, KeyPair, SanType};

    fn made(change: impl FnOnce(&mut CertificateParams)) -> CertificateDer<'static> {
        let mut params = CertificateParams::new([]).unwrap();
        params.distinguished_name = DistinguishedName::new();
        change(&mut params);
        params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().clone()
    }

    #[test]
    fn whom_it_is_about() {
        let all = made(|params| {
            params.subject_alt_names = vec![
                SanType::DnsName("a.test".try_into().unwrap()),
                SanType::Rfc822Name("root@a.test".try_into().unwrap()),
                SanType::URI("spiffe://a/b".try_into().unwrap()),
                SanType::IpAddress([127, 0, 0, 1].into()),
            ];
            params.distinguished_name.push(DnType::OrganizationName, "no name");
            params.distinguished_name.push(DnType::CommonName, "Müller");
        });
        assert_eq!(names(&all), ["a.test", "spiffe://a/b", "Müller"]);
        let name = DnValue::PrintableString("x".try_into().unwrap());
        let printable = made(|params| params.distinguished_name.push(DnType::CommonName, name));
        assert_eq!(names(&printable), ["x"]);
        assert_eq!(names(&made(|_| {})), [""; 0]);
        // In an encoding that nobody uses: better none of its names than a part of them.
        let name = DnValue::BmpString("x".try_into().unwrap());
        let wide = made(|params| {
            params.subject_alt_names = vec![SanType::DnsName("a.test".try_into().unwrap())];
            params.distinguished_name.push(DnType::CommonName, name);
        });
        assert_eq!(names(&wide), [""; 0]);
        assert_eq!(names(&CertificateDer::from(vec![0x30, 0])), [""; 0]);
    }
}
