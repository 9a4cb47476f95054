//! The one type that holds a secret.

use core::fmt;

use zeroize::Zeroize;

/// A value that is zeroed when dropped and can be neither printed nor cloned.
///
/// Reading it takes a call to [`expose`](Self::expose) or [`expose_mut`](Self::expose_mut), so
/// that every place where a secret is touched can be found by its name.
///
/// ```
/// use keymill::secret::Secret;
///
/// let key = Secret::new([7_u8; 32]);
/// assert_eq!(key.expose()[0], 7);
/// assert_eq!(format!("{key:?}"), "Secret(..)");
/// ```
pub struct Secret<T: Zeroize>(T);

impl<T: Zeroize> Secret<T> {
    /// Takes `value` into keeping. The caller's copy, if any is left, is not zeroed.
    pub const fn new(value: T) -> Self {
        Self(value)
    }

    /// The secret, for reading.
    pub const fn expose(&self) -> &T {
        &self.0
    }

    /// The secret, for writing.
    pub const fn expose_mut(&mut self) -> &mut T {
        &mut self.0
    }
}

impl<T: Zeroize> Drop for Secret<T> {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl<T: Zeroize> fmt::Debug for Secret<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}
