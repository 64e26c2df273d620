//! AES-GCM around a message.
//!
//! ```text
//!   version: 0 or 1 │ nonce: 12 bytes │ ciphertext │ tag: 16 bytes
//! ```
//!
//! Version 0 pads the message to whole blocks of 16 bytes, with as many bytes as are missing, each holding that number
//! (PKCS7); version 1 does not. Source: memberlist's `security.go`.

use super::error::{Error, malformed};
use super::keyring::Keyring;
use super::{EncryptionVersion, Nonce};

const BLOCK: usize = 16;
const HEAD: usize = 1 + 12;
const TAG: usize = 16;

/// How many bytes encryption may add.
pub(crate) const fn overhead(version: EncryptionVersion) -> usize {
    match version {
        EncryptionVersion::Padded => HEAD + BLOCK + TAG,
        EncryptionVersion::Unpadded => HEAD + TAG,
    }
}

/// How long a message of this length is when it is sealed.
pub(crate) const fn sealed_length(version: EncryptionVersion, plain: usize) -> usize {
    match version {
        EncryptionVersion::Padded => HEAD + plain + padding(plain) + TAG,
        EncryptionVersion::Unpadded => HEAD + plain + TAG,
    }
}

/// Encrypts a message; `associated` is authenticated with it and not sent. Whoever carries something else than the
/// gossip under the same keys says in it what, so that nothing sealed for one purpose opens for another.
pub fn seal(
    keyring: &Keyring,
    version: EncryptionVersion,
    nonce: Nonce,
    plain: &[u8],
    associated: &[u8],
) -> Result<Vec<u8>, Error> {
    let sealed = match version {
        EncryptionVersion::Unpadded => keyring.seal(nonce, plain, associated),
        EncryptionVersion::Padded => {
            let missing = padding(plain.len());
            let mut padded = plain.to_vec();
            padded.resize(plain.len() + missing, u8::try_from(missing).unwrap_or_default());
            keyring.seal(nonce, &padded, associated)
        }
    };
    // AES-GCM takes 64 GiB.
    let sealed = sealed.ok_or(Error::TooLarge { what: "what is to be encrypted", limit: usize::MAX })?;
    Ok([&[version as u8], &nonce.0[..], &sealed].concat())
}

/// Decrypts a message, with whichever key fits.
pub fn open(keyring: &Keyring, bytes: &[u8], associated: &[u8]) -> Result<Vec<u8>, Error> {
    const CUT: Error = Error::Truncated("what is encrypted");
    let (version, rest) = bytes.split_first().ok_or(CUT)?;
    let version = match version {
        0 => EncryptionVersion::Padded,
        1 => EncryptionVersion::Unpadded,
        // What is not encrypted begins with the kind of a message.
        _ => return Err(Error::NotEncrypted),
    };
    let (nonce, sealed) = rest.split_first_chunk().ok_or(CUT)?;
    if sealed.len() < TAG {
        return Err(CUT);
    }
    let mut plain = keyring.open(Nonce(*nonce), sealed, associated).ok_or(Error::NoKeyFits)?;
    if version == EncryptionVersion::Padded {
        unpad(&mut plain)?;
    }
    Ok(plain)
}

const fn padding(length: usize) -> usize {
    BLOCK - length % BLOCK
}

fn unpad(plain: &mut Vec<u8>) -> Result<(), Error> {
    let missing = plain.last().copied().map_or(0, usize::from);
    match plain.len().checked_sub(missing) {
        Some(length) if (1..=BLOCK).contains(&missing) => {
            plain.truncate(length);
            Ok(())
        }
        _ => Err(malformed("the padding", "1 to 16 bytes")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::keyring::Key;

    const NONCE: Nonce = Nonce([9; 12]);

    fn keyring() -> Keyring {
        Keyring::new(Key::from_bytes(&[1; 16]).unwrap())
    }

    #[test]
    fn both_versions_come_back_at_the_lengths_that_are_announced() {
        for version in [EncryptionVersion::Padded, EncryptionVersion::Unpadded] {
            for length in 1..40 {
                let plain = vec![7; length];
                let sealed = seal(&keyring(), version, NONCE, &plain, b"label").unwrap();
                assert_eq!(sealed.len(), sealed_length(version, length));
                assert!(sealed.len() <= length + overhead(version));
                assert_eq!(open(&keyring(), &sealed, b"label").unwrap(), plain);
                assert_eq!(open(&keyring(), &sealed, b"another"), Err(Error::NoKeyFits));
            }
        }
    }

    #[test]
    fn padding_that_lies_is_refused() {
        for (length, padding) in [(16, 17), (16, 0), (3, 16)] {
            assert!(unpad(&mut vec![padding; length]).is_err());
        }
        assert!(unpad(&mut Vec::new()).is_err());
    }

    #[test]
    fn a_changed_or_cut_message_is_refused() {
        let sealed = seal(&keyring(), EncryptionVersion::Unpadded, NONCE, b"message", b"").unwrap();
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 0x80;
            assert!(open(&keyring(), &changed, b"").is_err());
            assert!(open(&keyring(), &sealed[..at], b"").is_err());
        }
    }
}
