//! Models in flash, proven at compile time.

use lacewing_kernels::{Kernel, KernelSet, kernel_list, scalar};

use crate::model::{MAX_OPERATIONS, Model};

/// Bytes at a multiple of 16, on x86-64 at a cache line, as [`include_model!`](crate::include_model) lays them.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(target_arch = "x86_64", repr(C, align(64)))]
#[cfg_attr(not(target_arch = "x86_64"), repr(C, align(16)))]
pub struct Aligned<B>(
    /// The bytes.
    pub B,
);

/// The model in this file, in flash, as a `Model<'static>` constant: proven at compile time (a bad file is a build error that
/// names the rule) and tied to exactly the kernels it needs, so that nothing else is linked. For files up to 128 KB:
/// evaluation at compile time takes too long above; use [`Model::parse`] at run time there.
///
/// The path is relative to the source file, as for `include_bytes!`.
#[macro_export]
macro_rules! include_model {
    ($path:expr) => {{
        const FILE: &$crate::Aligned<[u8; include_bytes!($path).len()]> = &$crate::Aligned(*include_bytes!($path));
        #[allow(long_running_const_eval, reason = "every byte of the model is checked at compile time")]
        const KERNELS: &[&$crate::Kernel] =
            &$crate::needed_kernels::<{ $crate::needed_kernel_count(&FILE.0) }>(&FILE.0);
        #[allow(long_running_const_eval, reason = "every byte of the model is checked at compile time")]
        const MODEL: $crate::Model<'static> = match $crate::Model::parse(&FILE.0, &$crate::KernelSet::new(KERNELS)) {
            Ok(model) => model,
            Err(error) => panic!("{}", error.rule.text()),
        };
        MODEL
    }};
}

/// How many kernels of this target's list a model needs.
#[doc(hidden)]
#[must_use]
pub const fn needed_kernel_count(bytes: &[u8]) -> usize {
    let model = parsed(bytes);
    let mut rest = kernel_list();
    let mut count = 0;
    while let [kernel, others @ ..] = rest {
        count += needs(&model, kernel) as usize;
        rest = others;
    }
    count
}

/// The kernels of this target's list that a model needs; `N` of them.
#[doc(hidden)]
#[must_use]
pub const fn needed_kernels<const N: usize>(bytes: &[u8]) -> [&'static Kernel; N] {
    let model = parsed(bytes);
    let mut kernels: [&'static Kernel; N] = [&scalar::DENSE; N];
    let mut slots: &mut [&'static Kernel] = &mut kernels;
    let mut rest = kernel_list();
    while let [kernel, others @ ..] = rest {
        if needs(&model, kernel)
            && let [slot, more @ ..] = slots
        {
            *slot = kernel;
            slots = more;
        }
        rest = others;
    }
    kernels
}

const fn parsed(bytes: &[u8]) -> Model<'_> {
    match Model::parse(bytes, &KernelSet::ALL) {
        Ok(model) => model,
        Err(error) => panic!("{}", error.rule.text()),
    }
}

const fn needs(model: &Model<'_>, kernel: &Kernel) -> bool {
    let mut rest: &[_] = &model.operations;
    let mut number = 0;
    while let [Some(operation), others @ ..] = rest {
        if number < MAX_OPERATIONS && KernelSet::ALL.needs(kernel, &operation.junction) {
            return true;
        }
        number += 1;
        rest = others;
    }
    false
}
