//! Why a model file, a scratch or a hand-over was refused.

use core::fmt;

use lacewing_kernels::{IsaError, JunctionError};

/// Why [`Model::parse`](crate::Model::parse) refused a file: the rule of FORMAT.md that it breaks, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParseError {
    /// The rule.
    pub rule: Rule,
    /// Offset in bytes of the field, record or section that breaks it.
    pub at: usize,
}

/// The rules of FORMAT.md that a file can break.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Rule {
    /// Fewer bytes than a header, or than the records that the header announces.
    TooShort,
    /// The first four bytes are not "LACE".
    NotAModel,
    /// The byte order mark is swapped: written by a big-endian writer.
    WrongEndian,
    /// The byte order mark is neither right nor swapped.
    BadByteOrder,
    /// The read version is above this reader's, or 0.
    UnknownVersion,
    /// The write version is below the read version.
    BadWriteVersion,
    /// The stated file length is not the number of bytes.
    WrongFileLength,
    /// The checksum is another: the file was damaged.
    WrongChecksum,
    /// No such part.
    UnknownPart,
    /// Operations outside 1..=16.
    OperationCount,
    /// More than 8 exits.
    ExitCount,
    /// A split in a whole network, or none (or one above 15) in a head or tail.
    BadSplit,
    /// Head exits stated in a file that is no tail, or more than 8.
    BadHeadExits,
    /// No inputs.
    ZeroInputs,
    /// No classes.
    ZeroClasses,
    /// An element type that this reader does not know, of input or weights.
    UnknownElement,
    /// An input or output scale that is not a finite number above 0, a zero point that is not finite or, of int8, no integer
    /// from −128 to 127; or an output scaling that is not the last trunk operation's, 1 and 0 for f32.
    BadScaling,
    /// An operation computes in f32, though the file's inputs are int8.
    ElementMismatch,
    /// An int8 operation's input scale or zero point is not that of the int8 values it reads.
    ScaleMismatch,
    /// An exit's integer step is 0 or its least confidence above 32,769 where its logits are int8, or they are not 0 where its
    /// logits are f32.
    BadIntegerExit,
    /// What an exit's threshold was chosen for is unknown, or its numbers are outside their ranges.
    BadCalibration,
    /// Sections aligned neither to 16 nor to 64 bytes.
    UnknownAlignment,
    /// A reserved byte is not zero.
    ReservedNotZero,
    /// No such operation kind.
    UnknownOperation,
    /// No such packing: of a later writer, or a deployment packing that this reader does not know.
    UnknownPacking,
    /// A packing parameter that the packing does not have is not zero, or its index width is unknown.
    BadPackingParameter,
    /// No such activation.
    UnknownActivation,
    /// A slope other than +0 for an activation that has none.
    SlopeWithoutUse,
    /// The kernel set has no kernel for the packing of this name.
    NoKernel(
        /// The packing.
        &'static str,
    ),
    /// The junction's sections break a rule of their packing.
    Junction(JunctionError),
    /// An operation's n_in is not the width of what it reads.
    WidthMismatch,
    /// An operation belongs to an exit that is not the one due there.
    BranchOutOfOrder,
    /// A trunk operation, or the end, comes before the branch of the exit that sits there is complete.
    BranchIncomplete,
    /// A branch, or the trunk of a whole network or tail, ends in another number of outputs than there are classes.
    NotTheClasses,
    /// An exit sits at or before the part's first input, behind its end, or before the exit in front of it.
    ExitOutOfPlace,
    /// No such metric.
    UnknownMetric,
    /// A temperature that is not a finite number above 0.
    BadTemperature,
    /// A threshold that is not finite.
    BadThreshold,
    /// A whole network or tail whose last exit is not the end of its trunk.
    NoLastExit,
    /// An exit without a branch that is not the last exit of a whole network or tail.
    ExitWithoutBranch,
    /// A head whose trunk does not end at the split.
    HeadNotAtSplit,
    /// A section reaches past the end of the file.
    SectionPastEnd,
    /// Bytes between sections are not zero.
    PaddingNotZero,
    /// Bytes after the last section.
    TrailingBytes,
    /// The class names do not fill their section exactly, one of 1 to 64 bytes of UTF-8 for each class.
    BadClassNames,
}

impl Rule {
    /// The rule in plain words.
    #[must_use]
    pub const fn text(&self) -> &'static str {
        match self {
            Self::TooShort => {
                "the file is shorter than its header and records: it is empty or was cut off; copy it again"
            }
            Self::NotAModel => "the file does not begin with LACE: it is no model; make one with 'lacewing convert'",
            Self::WrongEndian => "the file was written big-endian: convert it again, models are little-endian",
            Self::BadByteOrder => "the byte order mark is wrong: the file is damaged",
            Self::UnknownVersion => "the file needs another version of this engine: update it, or convert again",
            Self::BadWriteVersion => "the write version is below the read version",
            Self::WrongFileLength => {
                "the file's length is not the stated one: it was cut off or has grown; copy it again"
            }
            Self::WrongChecksum => "the checksum does not match: the file is damaged; copy it again",
            Self::UnknownPart => "the part is neither whole, head nor tail",
            Self::OperationCount => "the number of operations is outside 1 to 16",
            Self::ExitCount => "there are more than 8 exits",
            Self::BadSplit => "the split does not fit the part: 0 in a whole network, 1 to 15 in a head or tail",
            Self::BadHeadExits => "head exits are stated in a file that is no tail, or more than 8",
            Self::ZeroInputs => "there are no inputs",
            Self::ZeroClasses => "there are no classes",
            Self::UnknownElement => "the element type is unknown to this engine: update it",
            Self::BadScaling => "the input or output scaling is out of range, or not that of the trunk's end",
            Self::ElementMismatch => "an operation computes in f32 where the inputs are int8",
            Self::ScaleMismatch => "an operation's input scaling is not that of what it reads",
            Self::BadIntegerExit => "an exit's integers do not fit its logits",
            Self::BadCalibration => {
                "what an exit's threshold was chosen for is unknown, or a number of it is out of range"
            }
            Self::UnknownAlignment => "the alignment of sections is unknown to this engine: update it",
            Self::ReservedNotZero => "a reserved byte is not zero",
            Self::UnknownOperation => "the operation is unknown to this engine: update it",
            Self::UnknownPacking => "the packing is unknown to this engine: update it, or repack with 'lacewing pack'",
            Self::BadPackingParameter => "a packing parameter is out of place",
            Self::UnknownActivation => "the activation is unknown to this engine: update it",
            Self::SlopeWithoutUse => "a slope is given for an activation that has none",
            Self::NoKernel(_) => "the kernel set lacks the packing: link its kernel",
            Self::Junction(_) => "a junction breaks a rule of its packing",
            Self::WidthMismatch => "an operation reads another width than the one before it writes",
            Self::BranchOutOfOrder => "an operation belongs to an exit that is not due there",
            Self::BranchIncomplete => "the branch of an exit is not complete",
            Self::NotTheClasses => "a branch or the trunk ends in another number of outputs than there are classes",
            Self::ExitOutOfPlace => "an exit sits outside its part, or before the exit in front of it",
            Self::UnknownMetric => "the confidence metric is unknown to this engine: update it",
            Self::BadTemperature => "a temperature is not a finite number above 0",
            Self::BadThreshold => "a threshold is not finite",
            Self::NoLastExit => "the last exit is not the end of the trunk",
            Self::ExitWithoutBranch => "an exit has no branch",
            Self::HeadNotAtSplit => "the head does not end at the split",
            Self::SectionPastEnd => "a section reaches past the end of the file",
            Self::PaddingNotZero => "bytes between sections are not zero",
            Self::TrailingBytes => "there are bytes after the last section",
            Self::BadClassNames => "the class names do not fit their section: 1 to 64 bytes of UTF-8 for each class",
        }
    }
}

impl ParseError {
    /// What to do where the rule's text does not say it, to be printed behind the error; empty where it does. Apart, so that
    /// firmware need not carry it.
    #[must_use]
    pub const fn advice(&self) -> &'static str {
        match self.rule {
            Rule::TooShort
            | Rule::NotAModel
            | Rule::WrongEndian
            | Rule::UnknownVersion
            | Rule::WrongFileLength
            | Rule::WrongChecksum
            | Rule::UnknownElement
            | Rule::UnknownAlignment
            | Rule::UnknownOperation
            | Rule::UnknownPacking
            | Rule::UnknownActivation
            | Rule::UnknownMetric
            | Rule::NoKernel(_) => "",
            _ => "; convert the network again",
        }
    }
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "byte {}: {}", self.at, self.rule.text())?;
        match self.rule {
            Rule::NoKernel(packing) => write!(f, " ({packing})"),
            Rule::Junction(error) => write!(f, " ({error})"),
            _ => Ok(()),
        }
    }
}

impl core::error::Error for ParseError {}

/// Why [`Engine::new`](crate::Engine::new) refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EngineError {
    /// The scratch is shorter than [`Model::scratch_len`](crate::Model::scratch_len).
    ScratchTooSmall {
        /// Bytes needed.
        needed: usize,
        /// Bytes lent.
        found: usize,
    },
    /// The scratch does not start at a multiple of 4 bytes: lend a [`Scratch`](crate::Scratch).
    ScratchMisaligned,
    /// `LACEWING_ISA` asks for what cannot be had.
    Isa(IsaError),
    /// The model's inputs are of another type: int8 models run in an `Engine<i8>`, others in an `Engine<f32>`.
    WrongElement {
        /// Whether the model's inputs are int8.
        model_is_int8: bool,
    },
    /// No kernel that accepts this packing can run here: only those of instruction sets that the processor lacks, or that
    /// `LACEWING_ISA` leaves out, are in the set.
    NoKernel(
        /// The packing.
        &'static str,
    ),
}

impl fmt::Display for EngineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ScratchTooSmall { needed, found } => {
                write!(
                    f,
                    "the scratch has {found} bytes where the model needs {needed}: lend Model::scratch_len() bytes"
                )
            }
            Self::ScratchMisaligned => {
                f.write_str("the scratch does not start at a multiple of 4 bytes: lend a Scratch, which is aligned")
            }
            Self::Isa(error) => error.fmt(f),
            Self::WrongElement { model_is_int8: true } => {
                f.write_str("the model's inputs are int8: make an engine for them with Engine::new_i8")
            }
            Self::WrongElement { model_is_int8: false } => {
                f.write_str("the model's inputs are f32: make an engine for them with Engine::new")
            }
            Self::NoKernel(packing) => {
                write!(f, "no kernel for packing {packing} can run here: add its scalar reference to the kernel set")
            }
        }
    }
}

impl core::error::Error for EngineError {}

/// Why [`BatchEngine::new`](crate::BatchEngine::new) refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BatchError {
    /// Batches are f32 throughout, and a part of the model is int8.
    Int8,
    /// What any engine refuses.
    Engine(EngineError),
}

impl From<EngineError> for BatchError {
    fn from(error: EngineError) -> Self {
        Self::Engine(error)
    }
}

impl fmt::Display for BatchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Int8 => f.write_str("a part of the model is int8, and batches are f32 throughout: run it one by one"),
            Self::Engine(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for BatchError {}

/// An input of the wrong length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WrongLength {
    /// Values needed.
    pub needed: usize,
    /// Values found.
    pub found: usize,
}

impl fmt::Display for WrongLength {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} values where the network has {} inputs", self.found, self.needed)
    }
}

impl core::error::Error for WrongLength {}

/// Why [`Engine::resume`](crate::Engine::resume) refused features.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ResumeError {
    /// This model is no tail.
    NotATail,
    /// The features come from a head of another conversion.
    WrongPair {
        /// The tail's pair id.
        tail: u32,
        /// The features' pair id.
        features: u32,
    },
    /// The features were taken at another split point.
    WrongSplit {
        /// The tail's split.
        tail: u8,
        /// The features' split.
        features: u8,
    },
    /// Another number of features than the tail has inputs.
    WrongLength(WrongLength),
    /// The tail's inputs are int8, and the features are f32 or int8 of another scale or zero point.
    WrongQuantisation,
}

impl fmt::Display for ResumeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotATail => f.write_str("features can only be resumed in a tail, and this model is none"),
            Self::WrongPair { tail, features } => write!(
                f,
                "the features come from a head with pair id {features:08x}, this tail has {tail:08x}: use the head and tail \
                 of one conversion"
            ),
            Self::WrongSplit { tail, features } => {
                write!(f, "the features were taken after junction {features}, this tail begins after junction {tail}")
            }
            Self::WrongLength(error) => error.fmt(f),
            Self::WrongQuantisation => f.write_str(
                "the tail takes int8 features of its own scale, these are others: use the head of the same conversion, or a tail \
                 in f32",
            ),
        }
    }
}

impl core::error::Error for ResumeError {}
