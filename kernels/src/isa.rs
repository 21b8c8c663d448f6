//! Instruction sets, and which of them may be used.

use core::fmt;

/// An instruction set that kernels are written for. Those of one architecture are ordered: a later one is wider.
///
/// With the `std` feature, availability is detected at run time, and the environment variable `LACEWING_ISA` names the
/// widest set to use: `scalar`, `avx2`, `avx512`, `avx512vnni`, `neon`, `neondot`. Naming one that this machine lacks is an error,
/// never a silent fallback, so that a test forced onto a set really ran on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Isa {
    /// Plain Rust, on every target: the specification.
    Scalar,
    /// The DSP extension of Armv7E-M (Cortex-M4, M7) and of Armv8-M cores that have it, where `-C target-cpu` says so.
    Dsp,
    /// The single-precision floating-point unit of Cortex-M4F, M7 and M33.
    Fpu,
    /// aarch64 Advanced SIMD.
    Neon,
    /// The same with the dot product extension: for int8.
    NeonDot,
    /// x86-64 AVX2 with FMA.
    Avx2,
    /// x86-64 AVX-512 F, BW and VL, with AVX2 and FMA.
    Avx512,
    /// The same with VNNI and VBMI: for int8. Ice Lake, Sapphire Rapids, Zen 4 and later have it.
    Avx512Vnni,
}

impl Isa {
    /// The name that `LACEWING_ISA` and kernel names use.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Scalar => "scalar",
            Self::Dsp => "dsp",
            Self::Fpu => "fpu",
            Self::Neon => "neon",
            Self::NeonDot => "neondot",
            Self::Avx2 => "avx2",
            Self::Avx512 => "avx512",
            Self::Avx512Vnni => "avx512vnni",
        }
    }

    /// Whether the compiler was told that the target has it: true means that no detection is needed.
    #[must_use]
    pub const fn at_compile_time(self) -> bool {
        match self {
            Self::Scalar => true,
            Self::Dsp => cfg!(cortex_m_dsp),
            Self::Fpu => cfg!(cortex_m_fpu),
            Self::Neon => cfg!(all(target_arch = "aarch64", target_feature = "neon")),
            Self::NeonDot => cfg!(all(target_arch = "aarch64", target_feature = "neon", target_feature = "dotprod")),
            Self::Avx2 => cfg!(all(target_feature = "avx2", target_feature = "fma")),
            Self::Avx512 => cfg!(all(
                target_feature = "avx512f",
                target_feature = "avx512bw",
                target_feature = "avx512vl",
                target_feature = "avx2",
                target_feature = "fma"
            )),
            Self::Avx512Vnni => {
                Self::Avx512.at_compile_time()
                    && cfg!(all(target_feature = "avx512vnni", target_feature = "avx512vbmi"))
            }
        }
    }

    /// Whether this processor can run it: known at compile time, or detected where `std` is on.
    #[must_use]
    pub fn is_available(self) -> bool {
        self.at_compile_time() || self.detected()
    }

    #[cfg(all(feature = "std", target_arch = "x86_64"))]
    fn detected(self) -> bool {
        use std::is_x86_feature_detected as has;
        match self {
            Self::Avx2 => has!("avx2") && has!("fma"),
            Self::Avx512 => has!("avx512f") && has!("avx512bw") && has!("avx512vl") && has!("avx2") && has!("fma"),
            Self::Avx512Vnni => Self::Avx512.is_available() && has!("avx512vnni") && has!("avx512vbmi"),
            Self::Scalar | Self::Dsp | Self::Fpu | Self::Neon | Self::NeonDot => false,
        }
    }

    #[cfg(all(feature = "std", target_arch = "aarch64"))]
    fn detected(self) -> bool {
        matches!(self, Self::NeonDot) && std::arch::is_aarch64_feature_detected!("dotprod")
    }

    #[cfg(not(all(feature = "std", any(target_arch = "x86_64", target_arch = "aarch64"))))]
    fn detected(self) -> bool {
        false
    }

    /// The widest set that may be used: what `LACEWING_ISA` names, else the widest there is.
    ///
    /// # Errors
    /// `LACEWING_ISA` holds an unknown name, or names a set that this processor lacks.
    pub fn widest() -> Result<Self, IsaError> {
        match Self::asked_for()? {
            Some(isa) if isa.is_available() => Ok(isa),
            Some(isa) => Err(IsaError::Missing(isa)),
            None => Ok(Self::Avx512Vnni),
        }
    }

    /// What the environment names; read once, so that making an engine costs no allocation after the first.
    #[cfg(feature = "std")]
    fn asked_for() -> Result<Option<Self>, IsaError> {
        static ASKED: std::sync::OnceLock<Result<Option<Isa>, IsaError>> = std::sync::OnceLock::new();
        *ASKED.get_or_init(|| match std::env::var("LACEWING_ISA") {
            Err(std::env::VarError::NotPresent) => Ok(None),
            Err(std::env::VarError::NotUnicode(_)) => Err(IsaError::Unknown),
            Ok(name) => [Self::Scalar, Self::Neon, Self::NeonDot, Self::Avx2, Self::Avx512, Self::Avx512Vnni]
                .into_iter()
                .find(|isa| isa.name() == name)
                .map(Some)
                .ok_or(IsaError::Unknown),
        })
    }

    #[cfg(not(feature = "std"))]
    const fn asked_for() -> Result<Option<Self>, IsaError> {
        Ok(None)
    }
}

impl fmt::Display for Isa {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// `LACEWING_ISA` asks for what cannot be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IsaError {
    /// The name is none of the known ones.
    Unknown,
    /// The processor lacks the instruction set named.
    Missing(Isa),
}

impl fmt::Display for IsaError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown => f.write_str(
                "LACEWING_ISA names no known instruction set: use scalar, neon, neondot, avx2, avx512 or avx512vnni",
            ),
            Self::Missing(isa) => {
                write!(f, "LACEWING_ISA asks for {isa}, which this processor lacks: unset it or name a smaller one")
            }
        }
    }
}

impl core::error::Error for IsaError {}
