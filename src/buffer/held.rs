use super::Reservation;
use bytes::Bytes;

/// Bytes whose reservation ends with the last clone or slice of them.
pub(crate) fn hold(bytes: Bytes, reservation: Reservation) -> Bytes {
    struct Held {
        bytes: Bytes,
        _reservation: Reservation,
    }

    impl AsRef<[u8]> for Held {
        fn as_ref(&self) -> &[u8] {
            &self.bytes
        }
    }

    Bytes::from_owner(Held { bytes, _reservation: reservation })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::buffer::Budget;

    #[test]
    fn until_the_last_slice_is_gone() {
        let budget = Budget::new(10);
        let bytes = hold(Bytes::from("0123456789"), budget.reserve(10).unwrap());
        let slice = bytes.slice(2..4);
        drop(bytes);
        assert_eq!((&*slice, budget.reserved()), (&b"23"[..], 10));
        drop(slice);
        assert_eq!(budget.reserved(), 0);
    }
}
