use rustls::pki_types::CertificateDer;
use std::time::{Duration, SystemTime};
use x509_cert::{Certificate, der::Decode};

/// How long before its end a certificate is worth a warning.
const SOON: Duration = Duration::from_secs(14 * 24 * 60 * 60);

/// Until when a certificate is good; `None` if that is not legible.
pub(super) fn not_after(der: &CertificateDer<'_>) -> Option<SystemTime> {
    let certificate = Certificate::from_der(der).ok()?;
    Some(certificate.tbs_certificate.validity.not_after.to_system_time())
}

/// What to say of a certificate that is good until then, if anything.
pub(crate) fn expiry_warning(not_after: SystemTime, now: SystemTime) -> Option<&'static str> {
    match not_after.duration_since(now) {
        Ok(left) if left > SOON => None,
        Ok(_) => Some("the certificate expires within 14 days"),
        Err(_) => Some("the certificate has expired"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{CertificateParams, KeyPair, date_time_ymd};

    fn made(until: i32) -> CertificateDer<'static> {
        let mut params = CertificateParams::new([]).unwrap();
        params.not_after = date_time_ymd(until, 1, 1);
        params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().clone()
    }

    #[test]
    fn until_when() {
        let day = Duration::from_secs(24 * 60 * 60);
        let end = not_after(&made(2030)).unwrap();
        assert_eq!(end, SystemTime::UNIX_EPOCH + day * 21_915);
        assert_eq!(not_after(&CertificateDer::from(vec![0x30, 0])), None);
        assert_eq!(expiry_warning(end, end - day * 15), None);
        let soon = Some("the certificate expires within 14 days");
        assert_eq!(expiry_warning(end, end - day * 14), soon);
        assert_eq!(expiry_warning(end, end + day), Some("the certificate has expired"));
    }
}
