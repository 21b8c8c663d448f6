//! The one list of kernels: a kernel that is not on it does not exist, one that is on it cannot go untested.

use crate::kernel::Kernel;
use crate::{portable, portable_i8, scalar, scalar_i8};

/// The scalar reference of every packing.
pub(crate) const SCALAR: &[&Kernel] = &[
    &scalar::DENSE,
    &scalar::ROWS8,
    &scalar::ROWS16,
    &scalar::CSR8,
    &scalar::CSR16,
    &scalar::BLOCK,
    &scalar::NM,
    &scalar::NM_LANES,
    &scalar::WINDOWS,
    &scalar::DENSE_INPUT_MAJOR,
    &scalar::INPUT_MAJOR8,
    &scalar::INPUT_MAJOR16,
    &scalar_i8::DENSE,
    &scalar_i8::ROWS8,
    &scalar_i8::ROWS16,
    &scalar_i8::CSR8,
    &scalar_i8::CSR16,
    &scalar_i8::BLOCK,
    &scalar_i8::CODED4,
    &scalar_i8::RICE,
    &scalar_i8::NM,
    &scalar_i8::NM_LANES,
    &scalar_i8::WINDOWS,
    &scalar_i8::DENSE_INPUT_MAJOR,
    &scalar_i8::INPUT_MAJOR8,
    &scalar_i8::INPUT_MAJOR16,
    // Microcontrollers run one sample at a time.
    #[cfg(any(feature = "std", target_arch = "x86_64", target_arch = "aarch64"))]
    &crate::batch::SCALAR,
];

/// Faster ones for targets without vector units.
const SCALAR_REGISTERS: &[&Kernel] = &[
    &portable::DENSE,
    &portable::BLOCK_4,
    &portable::BLOCK_8,
    &portable::BLOCK_16,
    &portable_i8::CODED4,
    &portable_i8::RICE,
    &portable_i8::INPUT_MAJOR8,
    &portable_i8::INPUT_MAJOR16,
];

/// The vector units' own.
#[cfg(target_arch = "x86_64")]
const VECTOR: &[&Kernel] = &[
    &crate::x86_64::avx512::DENSE,
    &crate::x86_64::avx512::BLOCK_16,
    &crate::x86_64::avx512::BLOCK_32,
    &crate::x86_64::avx512::BLOCK_1X16,
    &crate::x86_64::avx512::NM_LANES4,
    &crate::x86_64::avx512::NM_LANES8,
    &crate::x86_64::avx512::NM_LANES16,
    &crate::x86_64::avx512::NM_LANES32,
    &crate::x86_64::avx512::WINDOWS2OF32,
    &crate::x86_64::avx512::DENSE_INPUT_MAJOR,
    &crate::x86_64::avx512::BATCHED,
    &crate::x86_64::avx2::BATCHED,
    &crate::x86_64::avx2::DENSE,
    &crate::x86_64::avx2::BLOCK_8,
    &crate::x86_64::avx2::BLOCK_16,
    &crate::x86_64::avx2::BLOCK_32,
    &crate::x86_64::avx2::BLOCK_1X8,
    &crate::x86_64::avx2::BLOCK_1X16,
    &crate::x86_64::avx2::ROWS8,
    &crate::x86_64::avx2::ROWS16,
    &crate::x86_64::avx2::CSR8,
    &crate::x86_64::avx2::CSR16,
    &crate::x86_64::avx2::NM_LANES4,
    &crate::x86_64::avx2::NM_LANES8,
    &crate::x86_64::avx2::NM_LANES16,
    &crate::x86_64::avx2::WINDOWS8,
    &crate::x86_64::avx2::DENSE_INPUT_MAJOR,
    &crate::x86_64::avx2::INPUT_MAJOR8,
    &crate::x86_64::avx2::INPUT_MAJOR16,
    &crate::x86_64::avx512_i8::DENSE,
    &crate::x86_64::avx512_i8::BLOCK_16,
    &crate::x86_64::avx512_i8::BLOCK_32,
    &crate::x86_64::avx512_i8::NM_LANES4,
    &crate::x86_64::avx512_i8::NM_LANES8,
    &crate::x86_64::avx512_i8::NM_LANES16,
    &crate::x86_64::avx512_i8::NM_LANES32,
    &crate::x86_64::avx512_i8::NM_LANES64,
    &crate::x86_64::avx512_i8::WINDOWS16,
    &crate::x86_64::avx512_i8::WINDOWS32,
    &crate::x86_64::avx512_i8::WINDOWS64,
    &crate::x86_64::avx512_i8::WINDOWS2OF128,
    &crate::x86_64::avx2_i8::DENSE,
    &crate::x86_64::avx2_i8::BLOCK_8,
    &crate::x86_64::avx2_i8::BLOCK_16,
    &crate::x86_64::avx2_i8::BLOCK_32,
    &crate::x86_64::avx2_i8::NM_LANES4,
    &crate::x86_64::avx2_i8::NM_LANES8,
    &crate::x86_64::avx2_i8::NM_LANES16,
    &crate::x86_64::avx2_i8::WINDOWS16,
    &crate::x86_64::avx2_i8::ROWS8,
    &crate::x86_64::avx2_i8::ROWS16,
    &crate::x86_64::avx2_i8::CSR8,
    &crate::x86_64::avx2_i8::CSR16,
];

/// The vector unit's own.
#[cfg(target_arch = "aarch64")]
const VECTOR: &[&Kernel] = &[
    &crate::aarch64::neon_i8::DOT_DENSE,
    &crate::aarch64::neon_i8::DOT_BLOCK_4,
    &crate::aarch64::neon_i8::DOT_BLOCK_8,
    &crate::aarch64::neon_i8::DOT_BLOCK_16,
    &crate::aarch64::neon_i8::DOT_NM_LANES4,
    &crate::aarch64::neon_i8::DOT_NM_LANES8,
    &crate::aarch64::neon_i8::DOT_NM_LANES16,
    &crate::aarch64::neon_i8::DOT_NM_LANES4X16,
    &crate::aarch64::neon_i8::DOT_NM_LANES8X16,
    &crate::aarch64::neon_i8::DOT_NM_LANES16X16,
    &crate::aarch64::neon_i8::DOT_NM_LANES32,
    &crate::aarch64::neon_i8::DOT_NM_LANES64,
    &crate::aarch64::neon_i8::DOT_WINDOWS16,
    &crate::aarch64::neon_i8::DOT_WINDOWS32,
    &crate::aarch64::neon_i8::DOT_WINDOWS64,
    &crate::aarch64::neon::DENSE,
    &crate::aarch64::neon::BLOCK_4,
    &crate::aarch64::neon::BLOCK_8,
    &crate::aarch64::neon::BLOCK_16,
    &crate::aarch64::neon::BLOCK_32,
    &crate::aarch64::neon::BLOCK_1X4,
    &crate::aarch64::neon::BLOCK_1X8,
    &crate::aarch64::neon::BLOCK_1X16,
    &crate::aarch64::rows::ROWS8,
    &crate::aarch64::rows::ROWS16,
    &crate::aarch64::rows::CSR8,
    &crate::aarch64::rows::CSR16,
    &crate::aarch64::neon_i8::DENSE,
    &crate::aarch64::neon_i8::BLOCK_4,
    &crate::aarch64::neon_i8::BLOCK_8,
    &crate::aarch64::neon_i8::BLOCK_16,
    &crate::aarch64::neon_i8::NM_LANES4,
    &crate::aarch64::neon_i8::NM_LANES8,
    &crate::aarch64::neon_i8::NM_LANES16,
    &crate::aarch64::neon_i8::NM_LANES4X16,
    &crate::aarch64::neon_i8::NM_LANES8X16,
    &crate::aarch64::neon_i8::NM_LANES16X16,
    &crate::aarch64::neon_i8::NM_LANES32,
    &crate::aarch64::neon_i8::NM_LANES64,
    &crate::aarch64::neon_i8::WINDOWS16,
    &crate::aarch64::neon_i8::WINDOWS32,
    &crate::aarch64::neon_i8::WINDOWS64,
    &crate::aarch64::lanes::NM_LANES4,
    &crate::aarch64::lanes::NM_LANES8,
    &crate::aarch64::lanes::NM_LANES16,
    &crate::aarch64::lanes::NM_LANES32,
    &crate::aarch64::lanes::WINDOWS8,
    &crate::aarch64::lanes::WINDOWS16,
    &crate::aarch64::windows::WINDOWS16,
    &crate::aarch64::input_major::DENSE_INPUT_MAJOR,
    &crate::aarch64::input_major::INPUT_MAJOR8,
    &crate::aarch64::input_major::INPUT_MAJOR16,
    &crate::aarch64::batch::BATCHED,
];

/// Those of the extensions that the target was said to have.
#[cfg(any(cortex_m_dsp, cortex_m_fpu))]
const VECTOR: &[&Kernel] = {
    use crate::cortex_m::{DSP, FPU};
    &joined::<{ FPU.len() + DSP.len() }>(FPU, DSP)
};

/// None.
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64", cortex_m_dsp, cortex_m_fpu)))]
const VECTOR: &[&Kernel] = &[];

/// Every kernel of a target without vector units, the one to prefer first.
pub(crate) const PORTABLE: &[&Kernel] = &joined::<{ SCALAR_REGISTERS.len() + SCALAR.len() }>(SCALAR_REGISTERS, SCALAR);

/// Every kernel, the one to prefer first.
pub(crate) const KERNELS: &[&Kernel] = &joined::<{ VECTOR.len() + PORTABLE.len() }>(VECTOR, PORTABLE);

/// The two lists, one after the other; `N` is the sum of their lengths.
const fn joined<const N: usize>(mut first: &[&'static Kernel], mut second: &[&'static Kernel]) -> [&'static Kernel; N] {
    let mut all: [&'static Kernel; N] = [&scalar::DENSE; N];
    let mut slots: &mut [&'static Kernel] = &mut all;
    while let [slot, free @ ..] = slots {
        if let [kernel, rest @ ..] = first {
            (*slot, first) = (*kernel, rest);
        } else if let [kernel, rest @ ..] = second {
            (*slot, second) = (*kernel, rest);
        }
        slots = free;
    }
    all
}

/// The one list of kernels of the target's architecture, the one to prefer first. Dispatch, conformance tests and benches
/// all read it.
#[must_use]
pub const fn kernel_list() -> &'static [&'static Kernel] {
    KERNELS
}
