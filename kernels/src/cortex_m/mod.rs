//! Cortex-M cores: kernels with the DSP extension for int8 and with the floating-point unit for f32. Stable Rust has no intrinsics for
//! either, so the inner loops are `asm!`. Which of the two a target has is known at compile time (build.rs).
//!
//! Counts in the comments are instructions executed, loops' own included; benches/record/cortex-m4 has measured ones. Words of weights, inputs
//! and indices are read with `ldr` and `ldrh` at any address, which Armv7-M and Armv8-M allow (a program must not set UNALIGN_TRP);
//! `ldrd` and `vldm`, which fault, are used at multiples of four only.

#[cfg(cortex_m_fpu)]
use crate::activation::Activation;
use crate::kernel::Kernel;

#[cfg(cortex_m_fpu)]
pub mod block_f32;
#[cfg(cortex_m_dsp)]
pub mod block_i8;
#[cfg(cortex_m_fpu)]
pub mod dense_f32;
#[cfg(cortex_m_dsp)]
pub mod dense_i8;
#[cfg(cortex_m_fpu)]
pub mod input_major_f32;
#[cfg(cortex_m_dsp)]
pub mod input_major_i8;
#[cfg(cortex_m_dsp)]
pub mod nm_i8;
#[cfg(cortex_m_dsp)]
mod outputs;
#[cfg(cortex_m_fpu)]
pub mod rows_f32;
#[cfg(all(cortex_m_fpu, cortex_m_dsp))]
pub mod rows_f32_dsp;
#[cfg(cortex_m_dsp)]
pub mod rows_i8;

/// Those with the DSP extension.
#[cfg(cortex_m_dsp)]
pub(crate) const DSP: &[&Kernel] = &[
    &dense_i8::DENSE,
    &block_i8::BLOCK_4,
    &block_i8::BLOCK_8,
    &block_i8::BLOCK_16,
    &rows_i8::ROWS8,
    &rows_i8::ROWS16,
    &rows_i8::CSR8,
    &rows_i8::CSR16,
    &nm_i8::NM_1,
    &nm_i8::NM_2,
    &nm_i8::NM_4,
    &nm_i8::NM_8,
    &input_major_i8::INPUT_MAJOR8,
    &input_major_i8::INPUT_MAJOR16,
];
/// None: the target lacks it.
#[cfg(not(cortex_m_dsp))]
pub(crate) const DSP: &[&Kernel] = &[];

/// Those with the floating-point unit.
#[cfg(all(cortex_m_fpu, not(cortex_m_dsp)))]
pub(crate) const FPU: &[&Kernel] = &[
    &dense_f32::DENSE,
    &block_f32::BLOCK_8,
    &block_f32::BLOCK_16,
    &rows_f32::ROWS8,
    &rows_f32::ROWS16,
    &input_major_f32::INPUT_MAJOR8,
    &input_major_f32::INPUT_MAJOR16,
];
/// The same, and what needs both in front of what does without the DSP extension.
#[cfg(all(cortex_m_fpu, cortex_m_dsp))]
pub(crate) const FPU: &[&Kernel] = &[
    &dense_f32::DENSE,
    &block_f32::BLOCK_8,
    &block_f32::BLOCK_16,
    &rows_f32_dsp::ROWS8,
    &rows_f32_dsp::ROWS16,
    &rows_f32_dsp::CSR8,
    &rows_f32_dsp::CSR16,
    &rows_f32::ROWS8,
    &rows_f32::ROWS16,
    &input_major_f32::INPUT_MAJOR8,
    &input_major_f32::INPUT_MAJOR16,
];
/// None: the target lacks it.
#[cfg(not(cortex_m_fpu))]
pub(crate) const FPU: &[&Kernel] = &[];

/// [`Activation::apply`], with a loop of its own for the usual one: an activation that the compiler does not know costs twice as many instructions
/// an output.
#[cfg(cortex_m_fpu)]
fn apply(activation: Activation, y: &mut [f32]) {
    match activation {
        Activation::Relu => y.iter_mut().for_each(|v| *v = Activation::Relu.of(*v)),
        other => other.apply(y),
    }
}
