//! What every function returns.

use core::ffi::{CStr, c_char};

use ::lacewing_engine::{EngineError, JunctionError, PacketError, ResumeError, Rule};

/// What a function came to. Model, Junction, Engine, Resume and Packet are the engine's own refusals, each under its own name;
/// Caller is a call that cannot be right. Numbers are never reused.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(non_camel_case_types, reason = "the name that C sees")]
pub enum lacewing_status {
    /// Done.
    Ok = 0,
    /// Fewer bytes than a header, or than the records that the header announces.
    ModelTooShort = 1,
    /// The first four bytes are not "LACE".
    ModelNotAModel = 2,
    /// The byte order mark is swapped: written by a big-endian writer.
    ModelWrongEndian = 3,
    /// The byte order mark is neither right nor swapped.
    ModelBadByteOrder = 4,
    /// The read version is above this reader's, or 0.
    ModelUnknownVersion = 5,
    /// The write version is below the read version.
    ModelBadWriteVersion = 6,
    /// The stated file length is not the number of bytes.
    ModelWrongFileLength = 7,
    /// The checksum is another: the file was damaged.
    ModelWrongChecksum = 8,
    /// No such part.
    ModelUnknownPart = 9,
    /// Operations outside 1..=16.
    ModelOperationCount = 10,
    /// More than 8 exits.
    ModelExitCount = 11,
    /// A split in a whole network, or none (or one above 15) in a head or tail.
    ModelBadSplit = 12,
    /// Head exits stated in a file that is no tail, or more than 8.
    ModelBadHeadExits = 13,
    /// No inputs.
    ModelZeroInputs = 14,
    /// No classes.
    ModelZeroClasses = 15,
    /// An element type that this reader does not know, of input or weights.
    ModelUnknownElement = 16,
    /// An input or output scale that is not a finite number above 0, a zero point that is not finite or, of int8,
    /// no integer from −128 to 127; or an output scaling that is not the last trunk operation's, 1 and 0 for f32.
    ModelBadScaling = 17,
    /// An operation computes in f32, though the file's inputs are int8.
    ModelElementMismatch = 18,
    /// An int8 operation's input scale or zero point is not that of the int8 values it reads.
    ModelScaleMismatch = 19,
    /// An exit's integer step is 0 or its least confidence above 32,769 where its logits are int8, or they are not
    /// 0 where its logits are f32.
    ModelBadIntegerExit = 20,
    /// A reserved byte is not zero.
    ModelReservedNotZero = 21,
    /// No such operation kind.
    ModelUnknownOperation = 22,
    /// No such packing: of a later writer, or a deployment packing that this reader does not know.
    ModelUnknownPacking = 23,
    /// A packing parameter that the packing does not have is not zero, or its index width is unknown.
    ModelBadPackingParameter = 24,
    /// No such activation.
    ModelUnknownActivation = 25,
    /// A slope other than +0 for an activation that has none.
    ModelSlopeWithoutUse = 26,
    /// This build has no kernel for a junction's packing.
    ModelNoKernel = 27,
    /// An operation's n_in is not the width of what it reads.
    ModelWidthMismatch = 28,
    /// An operation belongs to an exit that is not the one due there.
    ModelBranchOutOfOrder = 29,
    /// A trunk operation, or the end, comes before the branch of the exit that sits there is complete.
    ModelBranchIncomplete = 30,
    /// A branch, or the trunk of a whole network or tail, ends in another number of outputs than there are classes.
    ModelNotTheClasses = 31,
    /// An exit sits at or before the part's first input, behind its end, or before the exit in front of it.
    ModelExitOutOfPlace = 32,
    /// No such metric.
    ModelUnknownMetric = 33,
    /// A temperature that is not a finite number above 0.
    ModelBadTemperature = 34,
    /// A threshold that is not finite.
    ModelBadThreshold = 35,
    /// A whole network or tail whose last exit is not the end of its trunk.
    ModelNoLastExit = 36,
    /// An exit without a branch that is not the last exit of a whole network or tail.
    ModelExitWithoutBranch = 37,
    /// A head whose trunk does not end at the split.
    ModelHeadNotAtSplit = 38,
    /// A section reaches past the end of the file.
    ModelSectionPastEnd = 39,
    /// Bytes between sections are not zero.
    ModelPaddingNotZero = 40,
    /// Bytes after the last section.
    ModelTrailingBytes = 41,
    /// The class names do not fill their section exactly, one of 1 to 64 bytes of UTF-8 for each class.
    ModelBadClassNames = 42,
    /// What an exit's threshold was chosen for is unknown, or its numbers are outside their ranges.
    ModelBadCalibration = 43,
    /// Sections are aligned neither to 16 nor to 64 bytes.
    ModelUnknownAlignment = 44,
    /// n_in or n_out is zero.
    JunctionZeroWidth = 101,
    /// The packing's own numbers are out of range.
    JunctionBadPacking = 102,
    /// A section has another length than the packing needs.
    JunctionWrongLength = 103,
    /// An input is n_in or above, or a block or window reaches past it; input-major: an output is n_out or above.
    JunctionInputOutOfRange = 104,
    /// The inputs of a row do not ascend; input-major: the outputs of an input.
    JunctionInputsNotAscending = 105,
    /// What stands for no edge (a weight below a ragged row block or group, a position without an edge, unused
    /// bits) is not zero.
    JunctionPaddingNotZero = 106,
    /// An output is missing from the order of rows: another one is there twice, or one that does not exist.
    JunctionNotAPermutation = 107,
    /// A weight, a bias or the activation's slope is NaN or infinite.
    JunctionNotFinite = 108,
    /// An int8 weight is −128: weights are symmetric, so that two products fit 16 bits.
    JunctionWeightOutOfRange = 109,
    /// The sum of an int8 row could overflow: its bias is beyond ±2³⁰, or blocks give it more than 65,535 products.
    JunctionSumOverflow = 110,
    /// A multiplier is negative, or a shift outside −31..=30.
    JunctionBadRescale = 111,
    /// The clamp's lower end is above its upper one.
    JunctionBadClamp = 112,
    /// The scratch is shorter than lacewing_model_scratch_len() says.
    EngineScratchTooSmall = 201,
    /// The scratch does not start at a multiple of 4 bytes.
    EngineScratchMisaligned = 202,
    /// The environment variable LACEWING_ISA asks for an instruction set that cannot be had.
    EngineIsa = 203,
    /// The model's inputs are of another type: int8 models need a lacewing_engine_i8, others a lacewing_engine.
    EngineWrongElement = 204,
    /// No kernel that accepts a junction's packing can run on this processor.
    EngineNoKernel = 205,
    /// This model is no tail.
    ResumeNotATail = 301,
    /// The features come from a head of another conversion.
    ResumeWrongPair = 302,
    /// The features were taken at another split point.
    ResumeWrongSplit = 303,
    /// Another number of features than the tail has inputs.
    ResumeWrongLength = 304,
    /// The tail's inputs are int8, and the features are f32 or int8 of another scale or zero point.
    ResumeWrongQuantisation = 305,
    /// The buffer does not hold the packet.
    PacketBufferTooSmall = 401,
    /// More than 65,535 values.
    PacketTooManyValues = 402,
    /// Shorter than a header and a checksum.
    PacketTooShort = 403,
    /// Does not begin with "LF", or "LR" for a reply.
    PacketNotAPacket = 404,
    /// A version, encoding or flag that this reader does not know.
    PacketUnknownVersion = 405,
    /// Not the length that its count of values makes.
    PacketWrongLength = 406,
    /// Damaged on the way.
    PacketWrongChecksum = 407,
    /// A bitmap that goes on behind the last value, or keeps a zero.
    PacketWrongBitmap = 408,
    /// A confidence above 1.
    PacketWrongConfidence = 409,
    /// A reply whose fields contradict its status.
    PacketWrongReply = 410,
    /// A value that half precision does not hold: NaN, infinite, or beyond ±65,504.
    PacketNotHalf = 411,
    /// Asked to send f32 features as int8.
    PacketNotInt8 = 412,
    /// The scale of int8 values is not a normal number above 0 and below 2^120 whose lowest eight bits are 0.
    PacketBadScale = 413,
    /// A value is NaN or infinite.
    PacketNotFinite = 414,
    /// A pointer is null.
    CallerNull = 501,
    /// A pointer does not have its type's alignment.
    CallerMisaligned = 502,
    /// A length is beyond what memory can hold.
    CallerTooLong = 503,
    /// This memory holds no model: lacewing_model_parse() has not succeeded in it.
    CallerNotAModel = 504,
    /// This memory holds no engine of this type: it was not initialised.
    CallerNotAnEngine = 505,
    /// Another number of values than the model has inputs, or outputs at its split.
    CallerWrongLength = 506,
    /// No such policy for this engine.
    CallerUnknownPolicy = 507,
    /// No such encoding or flag.
    CallerUnknownEncoding = 508,
    /// A confidence above 32,768.
    CallerBadConfidence = 509,
    /// No class or exit of this number.
    CallerOutOfRange = 510,
    /// The engine gave a reason that this header does not know: they are of different versions.
    Unknown = 999,
}

use lacewing_status as Status;

impl Status {
    /// In a sentence.
    pub(crate) const fn text(self) -> &'static CStr {
        match self {
            Self::Ok => c"Done.",
            Self::ModelTooShort => c"Fewer bytes than a header, or than the records that the header announces.",
            Self::ModelNotAModel => c"The first four bytes are not 'LACE'.",
            Self::ModelWrongEndian => c"The byte order mark is swapped: written by a big-endian writer.",
            Self::ModelBadByteOrder => c"The byte order mark is neither right nor swapped.",
            Self::ModelUnknownVersion => c"The read version is above this reader's, or 0.",
            Self::ModelBadWriteVersion => c"The write version is below the read version.",
            Self::ModelWrongFileLength => c"The stated file length is not the number of bytes.",
            Self::ModelWrongChecksum => c"The checksum is another: the file was damaged.",
            Self::ModelUnknownPart => c"No such part.",
            Self::ModelOperationCount => c"Operations outside 1..=16.",
            Self::ModelExitCount => c"More than 8 exits.",
            Self::ModelBadSplit => c"A split in a whole network, or none (or one above 15) in a head or tail.",
            Self::ModelBadHeadExits => c"Head exits stated in a file that is no tail, or more than 8.",
            Self::ModelZeroInputs => c"No inputs.",
            Self::ModelZeroClasses => c"No classes.",
            Self::ModelUnknownElement => c"An element type that this reader does not know, of input or weights.",
            Self::ModelBadScaling => c"An input or output scale that is not a finite number above 0, a zero point that is not finite or, of int8, no integer from -128 to 127; or an output scaling that is not the last trunk operation's, 1 and 0 for f32.",
            Self::ModelElementMismatch => c"An operation computes in f32, though the file's inputs are int8.",
            Self::ModelScaleMismatch => c"An int8 operation's input scale or zero point is not that of the int8 values it reads.",
            Self::ModelBadIntegerExit => c"An exit's integer step is 0 or its least confidence above 32,769 where its logits are int8, or they are not 0 where its logits are f32.",
            Self::ModelReservedNotZero => c"A reserved byte is not zero.",
            Self::ModelUnknownOperation => c"No such operation kind.",
            Self::ModelUnknownPacking => c"No such packing: of a later writer, or a deployment packing that this reader does not know.",
            Self::ModelBadPackingParameter => c"A packing parameter that the packing does not have is not zero, or its index width is unknown.",
            Self::ModelUnknownActivation => c"No such activation.",
            Self::ModelSlopeWithoutUse => c"A slope other than +0 for an activation that has none.",
            Self::ModelNoKernel => c"This build has no kernel for a junction's packing.",
            Self::ModelWidthMismatch => c"An operation's n_in is not the width of what it reads.",
            Self::ModelBranchOutOfOrder => c"An operation belongs to an exit that is not the one due there.",
            Self::ModelBranchIncomplete => c"A trunk operation, or the end, comes before the branch of the exit that sits there is complete.",
            Self::ModelNotTheClasses => c"A branch, or the trunk of a whole network or tail, ends in another number of outputs than there are classes.",
            Self::ModelExitOutOfPlace => c"An exit sits at or before the part's first input, behind its end, or before the exit in front of it.",
            Self::ModelUnknownMetric => c"No such metric.",
            Self::ModelBadTemperature => c"A temperature that is not a finite number above 0.",
            Self::ModelBadThreshold => c"A threshold that is not finite.",
            Self::ModelNoLastExit => c"A whole network or tail whose last exit is not the end of its trunk.",
            Self::ModelExitWithoutBranch => c"An exit without a branch that is not the last exit of a whole network or tail.",
            Self::ModelHeadNotAtSplit => c"A head whose trunk does not end at the split.",
            Self::ModelSectionPastEnd => c"A section reaches past the end of the file.",
            Self::ModelPaddingNotZero => c"Bytes between sections are not zero.",
            Self::ModelTrailingBytes => c"Bytes after the last section.",
            Self::ModelBadClassNames => c"The class names do not fill their section exactly, one of 1 to 64 bytes of UTF-8 for each class.",
            Self::ModelBadCalibration => c"What an exit's threshold was chosen for is unknown, or its numbers are outside their ranges.",
            Self::ModelUnknownAlignment => c"Sections are aligned neither to 16 nor to 64 bytes.",
            Self::JunctionZeroWidth => c"n_in or n_out is zero.",
            Self::JunctionBadPacking => c"The packing's own numbers are out of range.",
            Self::JunctionWrongLength => c"A section has another length than the packing needs.",
            Self::JunctionInputOutOfRange => c"An input is n_in or above, or a block or window reaches past it; input-major: an output is n_out or above.",
            Self::JunctionInputsNotAscending => c"The inputs of a row do not ascend; input-major: the outputs of an input.",
            Self::JunctionPaddingNotZero => c"What stands for no edge (a weight below a ragged row block or group, a position without an edge, unused bits) is not zero.",
            Self::JunctionNotAPermutation => c"An output is missing from the order of rows: another one is there twice, or one that does not exist.",
            Self::JunctionNotFinite => c"A weight, a bias or the activation's slope is NaN or infinite.",
            Self::JunctionWeightOutOfRange => c"An int8 weight is -128: weights are symmetric, so that two products fit 16 bits.",
            Self::JunctionSumOverflow => c"The sum of an int8 row could overflow: its bias is beyond +-2^30, or blocks give it more than 65,535 products.",
            Self::JunctionBadRescale => c"A multiplier is negative, or a shift outside -31..=30 and 33..=94.",
            Self::JunctionBadClamp => c"The clamp's lower end is above its upper one.",
            Self::EngineScratchTooSmall => c"The scratch is shorter than lacewing_model_scratch_len() says.",
            Self::EngineScratchMisaligned => c"The scratch does not start at a multiple of 4 bytes.",
            Self::EngineIsa => c"The environment variable LACEWING_ISA asks for an instruction set that cannot be had.",
            Self::EngineWrongElement => c"The model's inputs are of another type: int8 models need a lacewing_engine_i8, others a lacewing_engine.",
            Self::EngineNoKernel => c"No kernel that accepts a junction's packing can run on this processor.",
            Self::ResumeNotATail => c"This model is no tail.",
            Self::ResumeWrongPair => c"The features come from a head of another conversion.",
            Self::ResumeWrongSplit => c"The features were taken at another split point.",
            Self::ResumeWrongLength => c"Another number of features than the tail has inputs.",
            Self::ResumeWrongQuantisation => c"The tail's inputs are int8, and the features are f32 or int8 of another scale or zero point.",
            Self::PacketBufferTooSmall => c"The buffer does not hold the packet.",
            Self::PacketTooManyValues => c"More than 65,535 values.",
            Self::PacketTooShort => c"Shorter than a header and a checksum.",
            Self::PacketNotAPacket => c"Does not begin with 'LF', or 'LR' for a reply.",
            Self::PacketUnknownVersion => c"A version, encoding or flag that this reader does not know.",
            Self::PacketWrongLength => c"Not the length that its count of values makes.",
            Self::PacketWrongChecksum => c"Damaged on the way.",
            Self::PacketWrongBitmap => c"A bitmap that goes on behind the last value, or keeps a zero.",
            Self::PacketWrongConfidence => c"A confidence above 1.",
            Self::PacketWrongReply => c"A reply whose fields contradict its status.",
            Self::PacketNotHalf => c"A value that half precision does not hold: NaN, infinite, or beyond +-65,504.",
            Self::PacketNotInt8 => c"Asked to send f32 features as int8.",
            Self::PacketBadScale => c"The scale of int8 values is not a normal number above 0 and below 2^120 whose lowest eight bits are 0.",
            Self::PacketNotFinite => c"A value is NaN or infinite.",
            Self::CallerNull => c"A pointer is null.",
            Self::CallerMisaligned => c"A pointer does not have its type's alignment.",
            Self::CallerTooLong => c"A length is beyond what memory can hold.",
            Self::CallerNotAModel => c"This memory holds no model: lacewing_model_parse() has not succeeded in it.",
            Self::CallerNotAnEngine => c"This memory holds no engine of this type: it was not initialised.",
            Self::CallerWrongLength => c"Another number of values than the model has inputs, or outputs at its split.",
            Self::CallerUnknownPolicy => c"No such policy for this engine.",
            Self::CallerUnknownEncoding => c"No such encoding or flag.",
            Self::CallerBadConfidence => c"A confidence above 32,768.",
            Self::CallerOutOfRange => c"No class or exit of this number.",
            Self::Unknown => c"The engine gave a reason that this header does not know: they are of different versions.",
        }
    }
}

impl From<Rule> for Status {
    fn from(error: Rule) -> Self {
        match error {
            Rule::TooShort => Self::ModelTooShort,
            Rule::NotAModel => Self::ModelNotAModel,
            Rule::WrongEndian => Self::ModelWrongEndian,
            Rule::BadByteOrder => Self::ModelBadByteOrder,
            Rule::UnknownVersion => Self::ModelUnknownVersion,
            Rule::BadWriteVersion => Self::ModelBadWriteVersion,
            Rule::WrongFileLength => Self::ModelWrongFileLength,
            Rule::WrongChecksum => Self::ModelWrongChecksum,
            Rule::UnknownPart => Self::ModelUnknownPart,
            Rule::OperationCount => Self::ModelOperationCount,
            Rule::ExitCount => Self::ModelExitCount,
            Rule::BadSplit => Self::ModelBadSplit,
            Rule::BadHeadExits => Self::ModelBadHeadExits,
            Rule::ZeroInputs => Self::ModelZeroInputs,
            Rule::ZeroClasses => Self::ModelZeroClasses,
            Rule::UnknownElement => Self::ModelUnknownElement,
            Rule::BadScaling => Self::ModelBadScaling,
            Rule::ElementMismatch => Self::ModelElementMismatch,
            Rule::ScaleMismatch => Self::ModelScaleMismatch,
            Rule::BadIntegerExit => Self::ModelBadIntegerExit,
            Rule::UnknownAlignment => Self::ModelUnknownAlignment,
            Rule::ReservedNotZero => Self::ModelReservedNotZero,
            Rule::UnknownOperation => Self::ModelUnknownOperation,
            Rule::UnknownPacking => Self::ModelUnknownPacking,
            Rule::BadPackingParameter => Self::ModelBadPackingParameter,
            Rule::UnknownActivation => Self::ModelUnknownActivation,
            Rule::SlopeWithoutUse => Self::ModelSlopeWithoutUse,
            Rule::NoKernel(_) => Self::ModelNoKernel,
            Rule::WidthMismatch => Self::ModelWidthMismatch,
            Rule::BranchOutOfOrder => Self::ModelBranchOutOfOrder,
            Rule::BranchIncomplete => Self::ModelBranchIncomplete,
            Rule::NotTheClasses => Self::ModelNotTheClasses,
            Rule::ExitOutOfPlace => Self::ModelExitOutOfPlace,
            Rule::UnknownMetric => Self::ModelUnknownMetric,
            Rule::BadTemperature => Self::ModelBadTemperature,
            Rule::BadThreshold => Self::ModelBadThreshold,
            Rule::NoLastExit => Self::ModelNoLastExit,
            Rule::ExitWithoutBranch => Self::ModelExitWithoutBranch,
            Rule::HeadNotAtSplit => Self::ModelHeadNotAtSplit,
            Rule::SectionPastEnd => Self::ModelSectionPastEnd,
            Rule::PaddingNotZero => Self::ModelPaddingNotZero,
            Rule::TrailingBytes => Self::ModelTrailingBytes,
            Rule::BadClassNames => Self::ModelBadClassNames,
            Rule::BadCalibration => Self::ModelBadCalibration,
            Rule::Junction(error) => error.into(),
            _ => Self::Unknown,
        }
    }
}

impl From<JunctionError> for Status {
    fn from(error: JunctionError) -> Self {
        match error {
            JunctionError::ZeroWidth => Self::JunctionZeroWidth,
            JunctionError::BadPacking => Self::JunctionBadPacking,
            JunctionError::WrongLength { .. } => Self::JunctionWrongLength,
            JunctionError::InputOutOfRange { .. } => Self::JunctionInputOutOfRange,
            JunctionError::InputsNotAscending { .. } => Self::JunctionInputsNotAscending,
            JunctionError::PaddingNotZero => Self::JunctionPaddingNotZero,
            JunctionError::NotAPermutation => Self::JunctionNotAPermutation,
            JunctionError::NotFinite { .. } => Self::JunctionNotFinite,
            JunctionError::WeightOutOfRange => Self::JunctionWeightOutOfRange,
            JunctionError::SumOverflow { .. } => Self::JunctionSumOverflow,
            JunctionError::BadRescale { .. } => Self::JunctionBadRescale,
            JunctionError::BadClamp => Self::JunctionBadClamp,
            _ => Self::Unknown,
        }
    }
}

impl From<EngineError> for Status {
    fn from(error: EngineError) -> Self {
        match error {
            EngineError::ScratchTooSmall { .. } => Self::EngineScratchTooSmall,
            EngineError::ScratchMisaligned => Self::EngineScratchMisaligned,
            EngineError::Isa(_) => Self::EngineIsa,
            EngineError::WrongElement { .. } => Self::EngineWrongElement,
            EngineError::NoKernel(_) => Self::EngineNoKernel,
            _ => Self::Unknown,
        }
    }
}

impl From<ResumeError> for Status {
    fn from(error: ResumeError) -> Self {
        match error {
            ResumeError::NotATail => Self::ResumeNotATail,
            ResumeError::WrongPair { .. } => Self::ResumeWrongPair,
            ResumeError::WrongSplit { .. } => Self::ResumeWrongSplit,
            ResumeError::WrongLength(_) => Self::ResumeWrongLength,
            ResumeError::WrongQuantisation => Self::ResumeWrongQuantisation,
            _ => Self::Unknown,
        }
    }
}

impl From<PacketError> for Status {
    fn from(error: PacketError) -> Self {
        match error {
            PacketError::BufferTooSmall { .. } => Self::PacketBufferTooSmall,
            PacketError::TooManyValues => Self::PacketTooManyValues,
            PacketError::TooShort => Self::PacketTooShort,
            PacketError::NotAPacket => Self::PacketNotAPacket,
            PacketError::UnknownVersion => Self::PacketUnknownVersion,
            PacketError::WrongLength { .. } => Self::PacketWrongLength,
            PacketError::WrongChecksum => Self::PacketWrongChecksum,
            PacketError::WrongBitmap => Self::PacketWrongBitmap,
            PacketError::WrongConfidence => Self::PacketWrongConfidence,
            PacketError::WrongReply => Self::PacketWrongReply,
            PacketError::NotHalf { .. } => Self::PacketNotHalf,
            PacketError::NotInt8 => Self::PacketNotInt8,
            PacketError::BadScale => Self::PacketBadScale,
            PacketError::NotFinite { .. } => Self::PacketNotFinite,
            _ => Self::Unknown,
        }
    }
}

/// A status in a sentence, NUL-terminated, for logs. A number that is no status counts as unknown.
// SAFETY: no other function of a program has this name.
#[unsafe(no_mangle)]
pub extern "C" fn lacewing_status_text(status: u32) -> *const c_char {
    let known = ALL.iter().find(|known| **known as u32 == status);
    known.copied().unwrap_or(Status::Unknown).text().as_ptr()
}

/// Every status.
pub const ALL: &[Status] = &[
    Status::Ok,
    Status::ModelTooShort,
    Status::ModelNotAModel,
    Status::ModelWrongEndian,
    Status::ModelBadByteOrder,
    Status::ModelUnknownVersion,
    Status::ModelBadWriteVersion,
    Status::ModelWrongFileLength,
    Status::ModelWrongChecksum,
    Status::ModelUnknownPart,
    Status::ModelOperationCount,
    Status::ModelExitCount,
    Status::ModelBadSplit,
    Status::ModelBadHeadExits,
    Status::ModelZeroInputs,
    Status::ModelZeroClasses,
    Status::ModelUnknownElement,
    Status::ModelBadScaling,
    Status::ModelElementMismatch,
    Status::ModelScaleMismatch,
    Status::ModelBadIntegerExit,
    Status::ModelReservedNotZero,
    Status::ModelUnknownOperation,
    Status::ModelUnknownPacking,
    Status::ModelBadPackingParameter,
    Status::ModelUnknownActivation,
    Status::ModelSlopeWithoutUse,
    Status::ModelNoKernel,
    Status::ModelWidthMismatch,
    Status::ModelBranchOutOfOrder,
    Status::ModelBranchIncomplete,
    Status::ModelNotTheClasses,
    Status::ModelExitOutOfPlace,
    Status::ModelUnknownMetric,
    Status::ModelBadTemperature,
    Status::ModelBadThreshold,
    Status::ModelNoLastExit,
    Status::ModelExitWithoutBranch,
    Status::ModelHeadNotAtSplit,
    Status::ModelSectionPastEnd,
    Status::ModelPaddingNotZero,
    Status::ModelTrailingBytes,
    Status::ModelBadClassNames,
    Status::ModelBadCalibration,
    Status::ModelUnknownAlignment,
    Status::JunctionZeroWidth,
    Status::JunctionBadPacking,
    Status::JunctionWrongLength,
    Status::JunctionInputOutOfRange,
    Status::JunctionInputsNotAscending,
    Status::JunctionPaddingNotZero,
    Status::JunctionNotAPermutation,
    Status::JunctionNotFinite,
    Status::JunctionWeightOutOfRange,
    Status::JunctionSumOverflow,
    Status::JunctionBadRescale,
    Status::JunctionBadClamp,
    Status::EngineScratchTooSmall,
    Status::EngineScratchMisaligned,
    Status::EngineIsa,
    Status::EngineWrongElement,
    Status::EngineNoKernel,
    Status::ResumeNotATail,
    Status::ResumeWrongPair,
    Status::ResumeWrongSplit,
    Status::ResumeWrongLength,
    Status::ResumeWrongQuantisation,
    Status::PacketBufferTooSmall,
    Status::PacketTooManyValues,
    Status::PacketTooShort,
    Status::PacketNotAPacket,
    Status::PacketUnknownVersion,
    Status::PacketWrongLength,
    Status::PacketWrongChecksum,
    Status::PacketWrongBitmap,
    Status::PacketWrongConfidence,
    Status::PacketWrongReply,
    Status::PacketNotHalf,
    Status::PacketNotInt8,
    Status::PacketBadScale,
    Status::PacketNotFinite,
    Status::CallerNull,
    Status::CallerMisaligned,
    Status::CallerTooLong,
    Status::CallerNotAModel,
    Status::CallerNotAnEngine,
    Status::CallerWrongLength,
    Status::CallerUnknownPolicy,
    Status::CallerUnknownEncoding,
    Status::CallerBadConfidence,
    Status::CallerOutOfRange,
    Status::Unknown,
];

impl Status {
    pub(crate) const fn of(result: Result<(), Self>) -> Self {
        match result {
            Ok(()) => Self::Ok,
            Err(status) => status,
        }
    }
}
