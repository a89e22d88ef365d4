use crate::Fault;
use std::error::Error;

/// The one table from errors of other crates to faults.
///
/// Goes along the [`source`](Error::source) chain and takes the first error that it knows: a [`Fault`], tower's
/// timeout, load shedding and closed buffer, a body over the limit of `http_body_util::Limited`, and, with the
/// feature `forward`, tokio's timeout. Whatever it does not know is a defect: [`Fault::Internal`].
pub fn rescue(error: &(dyn Error + 'static)) -> Fault {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(fault) = known(error) {
            return fault;
        }
        next = error.source();
    }
    Fault::Internal
}

/// The same, where whoever asks knows what an error means that nothing else does.
#[cfg(any(feature = "forward", feature = "profile", feature = "validate", feature = "wrap"))]
pub(crate) fn rescue_or(error: &(dyn Error + 'static), unknown: impl Into<Fault>) -> Fault {
    match rescue(error) {
        Fault::Internal => unknown.into(),
        fault => fault,
    }
}

fn known(error: &(dyn Error + 'static)) -> Option<Fault> {
    if let Some(fault) = error.downcast_ref::<Fault>() {
        return Some(fault.clone());
    }
    if error.is::<tower::timeout::error::Elapsed>() {
        return Some(Fault::DeadlineExceeded);
    }
    if error.is::<tower::load_shed::error::Overloaded>() {
        return Some(Fault::Overloaded);
    }
    if error.is::<tower::buffer::error::Closed>() {
        return Some(Fault::ShuttingDown);
    }
    if error.is::<http_body_util::LengthLimitError>() {
        return Some(Fault::BodyTooLarge { limit: None });
    }
    #[cfg(feature = "forward")]
    if error.is::<tokio::time::error::Elapsed>() {
        return Some(Fault::DeadlineExceeded);
    }
    // An I/O error does not show the error inside it as its source, but that one's own source.
    let inner = error.downcast_ref::<std::io::Error>()?.get_ref()?;
    known(inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{fmt, io};

    #[derive(Debug)]
    struct Outer(Box<dyn Error + Send + Sync>);

    impl fmt::Display for Outer {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("outer")
        }
    }

    impl Error for Outer {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            Some(&*self.0)
        }
    }

    #[test]
    fn known_errors_at_any_depth() {
        type Make = fn() -> Box<dyn Error + Send + Sync>;
        let table: &[(Make, Fault)] = &[
            (|| Fault::NoRoute.into(), Fault::NoRoute),
            (|| tower::timeout::error::Elapsed::new().into(), Fault::DeadlineExceeded),
            (|| tower::load_shed::error::Overloaded::new().into(), Fault::Overloaded),
            (|| io::Error::other(Fault::Overloaded).into(), Fault::Overloaded),
            (|| io::Error::from(io::ErrorKind::BrokenPipe).into(), Fault::Internal),
            (|| "just text".into(), Fault::Internal),
        ];
        for (make, want) in table {
            assert_eq!(rescue(&*make()), *want);
            assert_eq!(rescue(&Outer(make())), *want);
            assert_eq!(rescue(&Outer(Outer(make()).into())), *want);
        }
    }

    #[tokio::test]
    async fn a_body_over_its_limit() {
        use http_body_util::{BodyExt, Full, Limited};
        let body = Limited::new(Full::new(bytes::Bytes::from_static(b"12345")), 4);
        let error = body.collect().await.unwrap_err();
        assert_eq!(rescue(&*error), Fault::BodyTooLarge { limit: None });
    }
}
