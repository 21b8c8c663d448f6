//! Kernels as values: what one is, what it accepts, and how it comes to be run.

use core::fmt;

use crate::batch::BATCH;
use crate::deltas::DeltaCode;
use crate::isa::{Isa, IsaError};
use crate::junction::{Element, Junction};
use crate::packing::{IndexWidth, Packing};

/// Which junctions a kernel can run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Accepts {
    /// Every packing.
    Any,
    /// [`Packing::Dense`]
    Dense,
    /// [`Packing::Rows`] with this index.
    Rows(IndexWidth),
    /// [`Packing::Csr`] with this index.
    Csr(IndexWidth),
    /// [`Packing::Block`] of any shape.
    AnyBlock,
    /// [`Packing::Block`] of this many outputs and any number of inputs.
    BlockOfRows(u8),
    /// [`Packing::Block`] of one output and this many inputs.
    BlockOfCols(u8),
    /// [`Packing::NM`] with any `n` and `m`.
    AnyNM,
    /// [`Packing::NM`] with this `n` and this `m`.
    NM {
        /// Edges a page.
        n: u8,
        /// Inputs a page.
        m: u8,
    },
    /// [`Packing::Coded`] with four-bit distances.
    Coded4,
    /// [`Packing::Coded`] with Rice's code of any parameter.
    Rice,
    /// [`Packing::NMLanes`] of any shape.
    AnyNMLanes,
    /// [`Packing::NMLanes`] with pages of this many inputs, in this many lanes.
    NMLanes {
        /// Inputs a page.
        m: u8,
        /// Rows a group.
        lanes: u8,
    },
    /// [`Packing::Windows`] of any shape.
    AnyWindows,
    /// [`Packing::Windows`] with windows of this many inputs and steps, in this many lanes.
    Windows {
        /// Rows a group.
        lanes: u8,
        /// Inputs a window.
        width: u8,
        /// Steps a window.
        steps: u8,
    },
    /// [`Packing::DenseInputMajor`]
    DenseInputMajor,
    /// [`Packing::InputMajor`] with this index.
    InputMajor(IndexWidth),
}

impl Accepts {
    const fn packing(self, packing: &Packing) -> bool {
        match (self, packing) {
            (Self::Any, _)
            | (Self::Dense, Packing::Dense)
            | (Self::AnyBlock, Packing::Block { .. })
            | (Self::AnyNM, Packing::NM { .. })
            | (Self::Coded4, Packing::Coded { code: DeltaCode::Nibbles, .. })
            | (Self::Rice, Packing::Coded { code: DeltaCode::Rice(_), .. })
            | (Self::AnyNMLanes, Packing::NMLanes { .. })
            | (Self::AnyWindows, Packing::Windows { .. })
            | (Self::DenseInputMajor, Packing::DenseInputMajor) => true,
            (Self::NM { n: want_n, m: want }, Packing::NM { n, m }) => want_n == *n && want == *m,
            (Self::NMLanes { m: want, lanes: want_lanes }, Packing::NMLanes { m, lanes, .. }) => {
                want == *m && want_lanes == *lanes
            }
            (
                Self::Windows { lanes: want_lanes, width: want, steps: want_steps },
                Packing::Windows { lanes, width, steps },
            ) => want == *width && want_lanes == *lanes && want_steps == *steps,
            (Self::Rows(want), Packing::Rows { index, .. })
            | (Self::Csr(want), Packing::Csr { index })
            | (Self::InputMajor(want), Packing::InputMajor { index, .. }) => want.bytes() == index.bytes(),
            (Self::BlockOfRows(want), Packing::Block { rows, .. }) => want == *rows,
            (Self::BlockOfCols(want), Packing::Block { rows, cols, .. }) => *rows == 1 && want == *cols,
            _ => false,
        }
    }
}

/// Computes `y = act(W·x + b)`.
///
/// # Safety
/// * The processor has the kernel's instruction set.
/// * The kernel accepts the junction's packing.
/// * `x.len() == n_in` and `y.len() == n_out`.
pub(crate) type RunF32 = unsafe fn(&Junction<'_>, &[f32], &mut [f32]);

/// Computes an int8 junction's outputs, bit for bit as the scalar reference does.
///
/// # Safety
/// As for [`RunF32`], and the junction's element is int8.
pub(crate) type RunI8 = unsafe fn(&Junction<'_>, &[i8], &mut [i8]);

/// Computes `y = act(W·x + b)` of sixteen samples, `[feature][sample]`.
///
/// # Safety
/// As for [`RunF32`].
pub(crate) type RunBatch = unsafe fn(&Junction<'_>, &[[f32; BATCH]], &mut [[f32; BATCH]]);

/// What a kernel calls, by its element.
#[derive(Clone, Copy)]
enum Run {
    F32(RunF32),
    Batch(RunBatch),
    I8(RunI8),
}

/// One kernel. Its name is its specification: `<packing>_<types>_<rows x lanes>`, in the module of its instruction set.
#[derive(Clone, Copy)]
pub struct Kernel {
    name: &'static str,
    isa: Isa,
    accepts: Accepts,
    run: Run,
}

impl Kernel {
    pub(crate) const fn new(name: &'static str, isa: Isa, accepts: Accepts, run: RunF32) -> Self {
        Self { name, isa, accepts, run: Run::F32(run) }
    }

    pub(crate) const fn new_i8(name: &'static str, isa: Isa, accepts: Accepts, run: RunI8) -> Self {
        Self { name, isa, accepts, run: Run::I8(run) }
    }

    pub(crate) const fn new_batch(name: &'static str, isa: Isa, accepts: Accepts, run: RunBatch) -> Self {
        Self { name, isa, accepts, run: Run::Batch(run) }
    }

    /// `<packing>_<types>_<rows x lanes>`; unique within its instruction set.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// The instruction set it is written for.
    #[must_use]
    pub const fn isa(&self) -> Isa {
        self.isa
    }

    /// What it computes with.
    #[must_use]
    pub const fn element(&self) -> Element {
        match self.run {
            Run::F32(_) | Run::Batch(_) => Element::F32,
            Run::I8(_) => Element::I8,
        }
    }

    /// Whether it runs [`BATCH`] samples at a time ([`ReadyKernel::run_batch`]) instead of one.
    #[must_use]
    pub const fn is_batched(&self) -> bool {
        matches!(self.run, Run::Batch(_))
    }

    /// Whether it runs f32 junctions of this packing, [`BATCH`] samples at a time.
    #[must_use]
    pub const fn accepts_batch(&self, packing: &Packing) -> bool {
        self.is_batched() && self.accepts.packing(packing)
    }

    /// Whether it can run f32 junctions of this packing, one sample at a time.
    #[must_use]
    pub const fn accepts(&self, packing: &Packing) -> bool {
        self.accepts_element(Element::F32, packing)
    }

    /// Whether it can run junctions of this element and packing, one sample at a time.
    #[must_use]
    pub const fn accepts_element(&self, element: Element, packing: &Packing) -> bool {
        self.element() as u8 == element as u8 && !self.is_batched() && self.accepts.packing(packing)
    }

    /// The kernel, ready to run, or `None` where this processor lacks its instruction set.
    #[must_use]
    pub fn ready(&self) -> Option<ReadyKernel<'_>> {
        self.isa.is_available().then_some(ReadyKernel { kernel: self })
    }
}

/// `name/isa`
impl fmt::Display for Kernel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.name, self.isa)
    }
}

impl fmt::Debug for Kernel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A kernel whose instruction set this processor has: having one is the proof.
#[derive(Clone, Copy, Debug)]
pub struct ReadyKernel<'k> {
    kernel: &'k Kernel,
}

impl<'k> ReadyKernel<'k> {
    /// The kernel.
    #[must_use]
    pub const fn kernel(&self) -> &'k Kernel {
        self.kernel
    }

    /// Computes `y = act(W·x + b)`: `x` has `n_in` values, `y` gets `n_out`.
    ///
    /// # Errors
    /// A slice of another length, or a junction whose packing the kernel does not accept; `y` is then untouched.
    #[inline]
    pub fn run(&self, junction: &Junction<'_>, x: &[f32], y: &mut [f32]) -> Result<(), RunError> {
        if x.len() != junction.n_in() || y.len() != junction.n_out() {
            return Err(RunError::WrongLength);
        }
        let Run::F32(run) = self.kernel.run else { return Err(RunError::NotAccepted) };
        if !self.kernel.accepts_element(junction.element(), junction.packing()) {
            return Err(RunError::NotAccepted);
        }
        // SAFETY: `self` exists only where the instruction set is available (Kernel::ready); lengths, element and packing were
        // checked just above.
        unsafe { run(junction, x, y) };
        Ok(())
    }

    /// Computes an int8 junction: `x` has `n_in` values, `y` gets `n_out`.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    #[inline]
    pub fn run_i8(&self, junction: &Junction<'_>, x: &[i8], y: &mut [i8]) -> Result<(), RunError> {
        if x.len() != junction.n_in() || y.len() != junction.n_out() {
            return Err(RunError::WrongLength);
        }
        let Run::I8(run) = self.kernel.run else { return Err(RunError::NotAccepted) };
        if !self.kernel.accepts_element(junction.element(), junction.packing()) {
            return Err(RunError::NotAccepted);
        }
        // SAFETY: as in `run`.
        unsafe { run(junction, x, y) };
        Ok(())
    }

    /// Computes an f32 junction for [`BATCH`] samples: `x` has `n_in` features of all samples, `y` gets `n_out`.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    #[inline]
    pub fn run_batch(
        &self,
        junction: &Junction<'_>,
        x: &[[f32; BATCH]],
        y: &mut [[f32; BATCH]],
    ) -> Result<(), RunError> {
        if x.len() != junction.n_in() || y.len() != junction.n_out() {
            return Err(RunError::WrongLength);
        }
        let Run::Batch(run) = self.kernel.run else { return Err(RunError::NotAccepted) };
        if junction.element() as u8 != Element::F32 as u8 || !self.kernel.accepts.packing(junction.packing()) {
            return Err(RunError::NotAccepted);
        }
        // SAFETY: as in `run`.
        unsafe { run(junction, x, y) };
        Ok(())
    }
}

/// Why [`ReadyKernel::run`] refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunError {
    /// `x` is not `n_in` long, or `y` not `n_out`.
    WrongLength,
    /// The kernel is for another packing or element.
    NotAccepted,
}

impl fmt::Display for RunError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::WrongLength => "x must have n_in values and y n_out",
            Self::NotAccepted => "the kernel does not run this packing of this element",
        })
    }
}

impl core::error::Error for RunError {}

/// The kernels a program links: a value, so that firmware links what its model needs and nothing else.
#[derive(Clone, Copy, Debug)]
pub struct KernelSet {
    kernels: &'static [&'static Kernel],
}

impl KernelSet {
    /// Every kernel of the target's architecture.
    pub const ALL: Self = Self { kernels: crate::list::KERNELS };

    /// The scalar reference of every packing.
    pub const SCALAR: Self = Self { kernels: crate::list::SCALAR };

    /// Every kernel of a target without vector units, whatever the target is.
    pub const PORTABLE: Self = Self { kernels: crate::list::PORTABLE };

    /// A set of one's own; of several that accept a packing, the first one on the list that is available is used.
    #[must_use]
    pub const fn new(kernels: &'static [&'static Kernel]) -> Self {
        Self { kernels }
    }

    /// The kernels, widest instruction set first.
    #[must_use]
    pub const fn kernels(&self) -> &'static [&'static Kernel] {
        self.kernels
    }

    /// Whether some kernel of the set accepts f32 junctions of the packing.
    #[must_use]
    pub const fn accepts(&self, packing: &Packing) -> bool {
        self.accepts_element(Element::F32, packing)
    }

    /// Whether some kernel of the set accepts junctions of this element and packing.
    #[must_use]
    pub const fn accepts_element(&self, element: Element, packing: &Packing) -> bool {
        let mut rest = self.kernels;
        while let [kernel, after @ ..] = rest {
            if kernel.accepts_element(element, packing) {
                return true;
            }
            rest = after;
        }
        false
    }

    /// Whether `candidate`, on this set, is one that a program made for `junction` needs to link: with `std` every kernel
    /// that accepts it, since the choice is made at run time; without, the one that [`choose_for`](Self::choose_for) takes.
    #[must_use]
    pub const fn needs(&self, candidate: &Kernel, junction: &Junction<'_>) -> bool {
        let (element, packing) = (junction.element(), junction.packing());
        if cfg!(feature = "std") {
            return candidate.accepts_element(element, packing);
        }
        let mut rest = self.kernels;
        while let [kernel, after @ ..] = rest {
            if kernel.accepts_element(element, packing) && kernel.isa.at_compile_time() {
                return same(kernel.name, candidate.name) && kernel.isa as u8 == candidate.isa as u8;
            }
            rest = after;
        }
        false
    }

    /// The first kernel that accepts f32 junctions of the packing, among those this processor can run and `LACEWING_ISA`
    /// allows.
    ///
    /// # Errors
    /// `LACEWING_ISA` asks for what cannot be had; `Ok(None)` where the set has no kernel for the packing.
    pub fn choose(&self, packing: &Packing) -> Result<Option<ReadyKernel<'static>>, IsaError> {
        self.choose_element(Element::F32, packing)
    }

    /// The first kernel that accepts f32 junctions of the packing, [`BATCH`] samples at a time, as [`choose`](Self::choose).
    ///
    /// # Errors
    /// As [`choose`](Self::choose).
    pub fn choose_batch(&self, packing: &Packing) -> Result<Option<ReadyKernel<'static>>, IsaError> {
        let widest = Isa::widest()?;
        let mut fit = self.kernels.iter().filter(|kernel| kernel.isa <= widest && kernel.accepts_batch(packing));
        Ok(fit.find_map(|kernel| kernel.ready()))
    }

    /// The first kernel that accepts the junction, as [`choose`](Self::choose).
    ///
    /// # Errors
    /// As [`choose`](Self::choose).
    pub fn choose_for(&self, junction: &Junction<'_>) -> Result<Option<ReadyKernel<'static>>, IsaError> {
        self.choose_element(junction.element(), junction.packing())
    }

    /// The first kernel that accepts junctions of this element and packing, as [`choose`](Self::choose).
    ///
    /// # Errors
    /// As [`choose`](Self::choose).
    pub fn choose_element(
        &self,
        element: Element,
        packing: &Packing,
    ) -> Result<Option<ReadyKernel<'static>>, IsaError> {
        let widest = Isa::widest()?;
        Ok(self
            .kernels
            .iter()
            .filter(|kernel| kernel.isa <= widest && kernel.accepts_element(element, packing))
            .find_map(|kernel| kernel.ready()))
    }
}

/// `a == b`, in const.
const fn same(a: &str, b: &str) -> bool {
    let (mut a, mut b) = (a.as_bytes(), b.as_bytes());
    while let ([first_a, rest_a @ ..], [first_b, rest_b @ ..]) = (a, b) {
        if *first_a != *first_b {
            return false;
        }
        (a, b) = (rest_a, rest_b);
    }
    a.is_empty() && b.is_empty()
}
