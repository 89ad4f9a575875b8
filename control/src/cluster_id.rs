//! A cluster id as Kafka makes them: 16 random bytes in URL-safe base64, 22 characters.

use uuid::Uuid;

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// A new id. Never begins with a dash, which command lines would take for an option.
pub(crate) fn random() -> String {
    loop {
        let id = encode(Uuid::new_v4());
        if !id.starts_with('-') {
            return id;
        }
    }
}

fn encode(id: Uuid) -> String {
    let bits = id.as_u128();
    let sextet = |index: u32| {
        // 128 bits are 21 sextets and two bits, which base64 pads with zeros on the right.
        let sextet = if index == 21 { bits << 4 } else { bits >> (122 - 6 * index) };
        char::from(ALPHABET[usize::try_from(sextet & 63).expect("below 64")])
    };
    (0..22).map(sextet).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_base64() {
        assert_eq!(encode(Uuid::nil()), "A".repeat(22));
        assert_eq!(encode(Uuid::max()), format!("{}w", "_".repeat(21)));
        // Python: base64.urlsafe_b64encode(bytes(range(16)))
        let bytes = Uuid::from_bytes(std::array::from_fn(|i| u8::try_from(i).unwrap()));
        assert_eq!(encode(bytes), "AAECAwQFBgcICQoLDA0ODw");
    }

    #[test]
    fn ids_differ_and_do_not_look_like_options() {
        let ids: std::collections::HashSet<_> = (0..100).map(|_| random()).collect();
        assert_eq!(ids.len(), 100);
        assert!(ids.iter().all(|id| id.len() == 22 && !id.starts_with('-')));
    }
}
