//! Feature tokens: values that only CPU detection can make.
//!
//! Whoever holds an [`Ifma`] has the proof that the instructions exist, so a kernel built from
//! one needs no further check. Detection runs once, where a worker chooses its [`Backend`].

use core::fmt;
use core::str::FromStr;

/// Proof that the CPU and the operating system grant AVX-512 F, DQ, VL, BW and IFMA.
#[derive(Clone, Copy, Debug)]
pub struct Ifma(());

impl Ifma {
    /// Asks the CPU.
    #[must_use]
    pub fn detect() -> Option<Self> {
        #[cfg(target_arch = "x86_64")]
        {
            let granted = std::arch::is_x86_feature_detected!("avx512f")
                && std::arch::is_x86_feature_detected!("avx512dq")
                && std::arch::is_x86_feature_detected!("avx512vl")
                && std::arch::is_x86_feature_detected!("avx512bw")
                && std::arch::is_x86_feature_detected!("avx512ifma");
            granted.then_some(Self(()))
        }
        #[cfg(not(target_arch = "x86_64"))]
        None
    }
}

/// Proof that the CPU and the operating system grant carry-less multiplication in 512-bit
/// registers (VPCLMULQDQ) and AVX-512 F, BW, DQ and VL.
#[derive(Clone, Copy, Debug)]
pub struct WideClmul(());

impl WideClmul {
    /// Asks the CPU.
    #[must_use]
    pub fn detect() -> Option<Self> {
        #[cfg(target_arch = "x86_64")]
        {
            let granted = std::arch::is_x86_feature_detected!("avx512f")
                && std::arch::is_x86_feature_detected!("avx512bw")
                && std::arch::is_x86_feature_detected!("avx512dq")
                && std::arch::is_x86_feature_detected!("avx512vl")
                && std::arch::is_x86_feature_detected!("pclmulqdq")
                && std::arch::is_x86_feature_detected!("vpclmulqdq");
            granted.then_some(Self(()))
        }
        #[cfg(not(target_arch = "x86_64"))]
        None
    }
}

/// Whether the CPU has every instruction that the graviola crate takes for granted.
#[must_use]
pub fn has_graviola_instructions() -> bool {
    #[cfg(target_arch = "x86_64")]
    {
        std::arch::is_x86_feature_detected!("aes")
            && std::arch::is_x86_feature_detected!("pclmulqdq")
            && std::arch::is_x86_feature_detected!("bmi1")
            && std::arch::is_x86_feature_detected!("bmi2")
            && std::arch::is_x86_feature_detected!("adx")
            && std::arch::is_x86_feature_detected!("avx")
            && std::arch::is_x86_feature_detected!("avx2")
            && std::arch::is_x86_feature_detected!("sse4.1")
            && std::arch::is_x86_feature_detected!("ssse3")
    }
    #[cfg(not(target_arch = "x86_64"))]
    false
}

/// The instructions an engine is built on.
#[derive(Clone, Copy, Debug)]
pub enum Backend {
    /// Plain Rust: runs everywhere, and defines what the others must compute.
    Portable,
    /// Eight lanes of AVX-512 IFMA.
    Ifma(Ifma),
}

impl Backend {
    /// `portable` or `ifma`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Portable => "portable",
            Self::Ifma(_) => "ifma",
        }
    }
}

impl fmt::Display for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What was asked for on the command line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BackendChoice {
    /// The fastest the CPU has.
    #[default]
    Auto,
    /// [`Backend::Portable`], whatever the CPU has.
    Portable,
    /// [`Backend::Ifma`], or an error.
    Ifma,
}

impl BackendChoice {
    /// Turns the choice into a backend.
    ///
    /// # Errors
    ///
    /// [`BackendMissing`] if IFMA is forced on a CPU without it.
    pub fn select(self) -> Result<Backend, BackendMissing> {
        match (self, Ifma::detect()) {
            (Self::Portable, _) | (Self::Auto, None) => Ok(Backend::Portable),
            (Self::Auto | Self::Ifma, Some(token)) => Ok(Backend::Ifma(token)),
            (Self::Ifma, None) => Err(BackendMissing),
        }
    }
}

impl FromStr for BackendChoice {
    type Err = UnknownBackend;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "auto" => Ok(Self::Auto),
            "portable" => Ok(Self::Portable),
            "ifma" => Ok(Self::Ifma),
            _ => Err(UnknownBackend),
        }
    }
}

/// IFMA was forced on a CPU that lacks it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BackendMissing;

impl fmt::Display for BackendMissing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("this CPU has no AVX-512 IFMA")
    }
}

impl core::error::Error for BackendMissing {}

/// The text names no backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownBackend;

impl fmt::Display for UnknownBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a backend is one of auto, portable, ifma")
    }
}

impl core::error::Error for UnknownBackend {}
