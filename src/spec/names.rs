//! Enums whose values have names in the KMS service model.

use core::fmt;

/// The text names no value of the enum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownName;

impl fmt::Display for UnknownName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a name of the KMS service model")
    }
}

impl core::error::Error for UnknownName {}

/// Declares an enum, and everything that follows from its names.
macro_rules! names {
    ($(#[$about:meta])* $kind:ident { $($(#[$what:meta])* $value:ident = $name:literal,)+ }) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $kind { $($(#[$what])* $value,)+ }

        impl $kind {
            /// Every value, in the order of the service model.
            pub const ALL: &[Self] = &[$(Self::$value),+];

            /// The name of every value, in the same order.
            pub const NAMES: &[&'static str] = &[$($name),+];

            /// The name on the wire.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$value => $name,)+ }
            }
        }

        impl core::fmt::Display for $kind {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                f.pad(self.name())
            }
        }

        impl core::str::FromStr for $kind {
            type Err = $crate::spec::UnknownName;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                match text {
                    $($name => Ok(Self::$value),)+
                    _ => Err($crate::spec::UnknownName),
                }
            }
        }
    };
}

pub(super) use names;
