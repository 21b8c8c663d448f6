//! Models.

use core::ffi::c_char;

use ::lacewing_engine::{KernelSet, Model, Part};

use crate::memory::{check, clear, give, lacewing_model, store, stored, values};
use crate::status::lacewing_status;
use crate::status::lacewing_status as Status;

/// Which part of a network a file holds.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum lacewing_part {
    /// All of it: always answers.
    Whole = 0,
    /// From the input to the split point: answers or hands over.
    Head = 1,
    /// From the split point on: always answers.
    Tail = 2,
}

/// What a model is.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct lacewing_model_info {
    /// lacewing_part
    pub part: u32,
    /// The same in the head and tail of one conversion.
    pub pair_id: u32,
    /// Trunk junctions in the head; 0 in a whole network.
    pub split: u8,
    /// Exits.
    pub exits: u8,
    /// Whether inputs are int8 (lacewing_engine_i8) and not f32 (lacewing_engine).
    pub input_is_int8: bool,
    /// Values of an input.
    pub n_in: u16,
    /// Classes.
    pub classes: u16,
    /// Values that a head hands over.
    pub n_features: u16,
    /// The network sees (raw - input_zero) * input_scale.
    pub input_scale: f32,
    /// The raw number that means 0.
    pub input_zero: f32,
    /// Bytes of scratch that an engine needs.
    pub scratch_len: usize,
}

/// Proves `len` bytes of a model file and keeps the model in `model`. The bytes stay where they are and must not change as long
/// as the model is used; they may lie anywhere, and run fastest at a multiple of 16. Where the file is refused, `*offset` is the byte of the field or section that breaks the rule, and `model` holds
/// none. `offset` may be null.
///
/// # Safety
/// Pointers are null, misaligned, or valid for what they stand for; see the crate's documentation.
// SAFETY: no other function of a program has this name.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lacewing_model_parse(
    model: *mut lacewing_model,
    bytes: *const u8,
    len: usize,
    offset: *mut usize,
) -> lacewing_status {
    // SAFETY: the pointers are what this function asks of its caller.
    let parse = || unsafe {
        clear(model)?;
        let bytes = values(bytes, len)?;
        if !offset.is_null() {
            check(offset)?;
        }
        match Model::parse(bytes, &KernelSet::ALL) {
            Ok(parsed) => store(model, parsed),
            Err(error) => {
                if !offset.is_null() {
                    give(offset, error.at)?;
                }
                Err(error.rule.into())
            }
        }
    };
    Status::of(parse())
}

/// Bytes of scratch that an engine for `model` needs: exact, the same on every processor. 0 where `model` holds no model.
///
/// # Safety
/// As lacewing_model_parse().
// SAFETY: no other function of a program has this name.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lacewing_model_scratch_len(model: *const lacewing_model) -> usize {
    // SAFETY: the caller's.
    unsafe { stored(model, Status::CallerNotAModel) }.map_or(0, |model| model.scratch_len())
}

/// What `model` is.
///
/// # Safety
/// As lacewing_model_parse().
// SAFETY: no other function of a program has this name.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lacewing_model_describe(
    model: *const lacewing_model,
    info: *mut lacewing_model_info,
) -> lacewing_status {
    // SAFETY: the pointers are what this function asks of its caller.
    let describe = || unsafe {
        let model = stored(model, Status::CallerNotAModel)?;
        let part = match model.part() {
            Part::Whole => lacewing_part::Whole,
            Part::Head => lacewing_part::Head,
            Part::Tail => lacewing_part::Tail,
        };
        let described = lacewing_model_info {
            part: part as u32,
            pair_id: model.pair_id(),
            split: model.split(),
            exits: model.exits().count() as u8,
            input_is_int8: model.input().is_some(),
            n_in: model.n_in() as u16,
            classes: model.classes() as u16,
            n_features: model.features_len() as u16,
            input_scale: model.input_scaling().scale,
            input_zero: model.input_scaling().zero,
            scratch_len: model.scratch_len(),
        };
        give(info, described)
    };
    Status::of(describe())
}

/// The name of a class, UTF-8 and NOT NUL-terminated, in the model's own bytes: `*name` and its `*len` bytes; of length 0 where
/// the file has no names.
///
/// # Safety
/// As lacewing_model_parse().
// SAFETY: no other function of a program has this name.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lacewing_model_class_name(
    model: *const lacewing_model,
    class_index: u16,
    name: *mut *const c_char,
    len: *mut usize,
) -> lacewing_status {
    // SAFETY: the pointers are what this function asks of its caller.
    let class_name = || unsafe {
        let model = stored(model, Status::CallerNotAModel)?;
        if usize::from(class_index) >= model.classes() {
            return Err(Status::CallerOutOfRange);
        }
        check(name.cast_const())?;
        check(len.cast_const())?;
        let found = model.class_name(usize::from(class_index)).unwrap_or_default();
        give(name, found.as_ptr().cast())?;
        give(len, found.len())
    };
    Status::of(class_name())
}
