//! Packets of features, and the replies to them.

use ::lacewing_engine::{Element, Encoding, Features, Packet, Q15, Refusal, Reply, Verdict};

use crate::memory::{check, give, lacewing_model, stored, values, values_mut};
use crate::status::lacewing_status;
use crate::status::lacewing_status as Status;

/// Features as they are: 4 bytes each of f32, 1 byte of int8.
pub const LACEWING_ENCODING_PLAIN: u32 = 0;
/// f32 features rounded to half precision: 2 bytes each.
pub const LACEWING_ENCODING_F16: u32 = 1;

/// Leaves zeros out of the packet where that makes it smaller.
pub const LACEWING_DROP_ZEROS: u32 = 1;
/// Sends `confidence`.
pub const LACEWING_WITH_CONFIDENCE: u32 = 2;
/// Asks that the reply carry logits.
pub const LACEWING_WANT_LOGITS: u32 = 4;

/// How a packet is written. A zeroed one writes features as they are.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct lacewing_packet_form {
    /// LACEWING_ENCODING_PLAIN or LACEWING_ENCODING_F16.
    pub encoding: u32,
    /// LACEWING_DROP_ZEROS, LACEWING_WITH_CONFIDENCE and LACEWING_WANT_LOGITS, or-ed.
    pub flags: u32,
    /// A number by which the reply can be told from others'.
    pub sequence: u32,
    /// Of the exit that was not sure enough, 0 to 32,768.
    pub confidence: u16,
}

/// What a server says to a packet.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct lacewing_reply {
    /// 0 for an answer; 1 not understood, 2 wrong pair, 3 wrong split, 4 wrong count, 5 busy, 6 logits not finite, 255 any other refusal.
    pub refusal: u8,
    /// The exit that answered.
    pub exit: u8,
    /// The answer.
    pub class_index: u16,
    /// How sure the exit is, 0 to 32,768.
    pub confidence: u16,
    /// The packet's sequence number.
    pub sequence: u32,
}

const FLAGS: u32 = LACEWING_DROP_ZEROS | LACEWING_WITH_CONFIDENCE | LACEWING_WANT_LOGITS;

fn formed<'f, T: Element>(features: Features<'f, T>, form: &lacewing_packet_form) -> Result<Features<'f, T>, Status> {
    if form.flags & !FLAGS != 0 {
        return Err(Status::CallerUnknownEncoding);
    }
    let mut features = features.with_sequence(form.sequence);
    if form.flags & LACEWING_DROP_ZEROS != 0 {
        features = features.without_zeros();
    }
    if form.flags & LACEWING_WITH_CONFIDENCE != 0 {
        let confidence = Q15::from_steps(form.confidence).ok_or(Status::CallerBadConfidence)?;
        features = features.with_confidence(confidence);
    }
    if form.flags & LACEWING_WANT_LOGITS != 0 {
        features = features.with_logits();
    }
    Ok(features)
}

/// # Safety
/// As lacewing_features_encode().
unsafe fn encode<T: Element>(
    features: Features<'_, T>,
    out: *mut u8,
    capacity: usize,
    written: *mut usize,
) -> Result<(), Status> {
    // SAFETY: the pointers are what this function asks of its caller.
    unsafe {
        check(written.cast_const())?;
        let out = values_mut(out, capacity)?;
        let needed = features.packet_len();
        if needed > out.len() {
            give(written, needed)?;
        }
        let length = features.encode(out)?;
        give(written, length)
    }
}

/// Writes the packet of a head's `n` features (lacewing_outcome) to `out` and its length to `*written`. Where `capacity` is too
/// small, the length needed goes there, and nothing to `out`. `form` may be null.
///
/// # Safety
/// As lacewing_model_parse().
// SAFETY: no other function of a program has this name.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lacewing_features_encode(
    model: *const lacewing_model,
    features: *const f32,
    n: usize,
    form: *const lacewing_packet_form,
    out: *mut u8,
    capacity: usize,
    written: *mut usize,
) -> lacewing_status {
    // SAFETY: the pointers are what this function asks of its caller.
    let write = || unsafe {
        let model = stored(model, Status::CallerNotAModel)?;
        let features = values(features, n)?;
        if n != model.features_len() {
            return Err(Status::CallerWrongLength);
        }
        let form = form_of(form)?;
        let encoding = match form.encoding {
            LACEWING_ENCODING_PLAIN => Encoding::F32,
            LACEWING_ENCODING_F16 => Encoding::F16,
            _ => return Err(Status::CallerUnknownEncoding),
        };
        let features = Features::new(features, model.pair_id(), model.split()).with_encoding(encoding);
        encode(formed(features, form)?, out, capacity, written)
    };
    Status::of(write())
}

/// The same of an int8 head.
///
/// # Safety
/// As lacewing_model_parse().
// SAFETY: no other function of a program has this name.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lacewing_features_i8_encode(
    model: *const lacewing_model,
    features: *const i8,
    n: usize,
    form: *const lacewing_packet_form,
    out: *mut u8,
    capacity: usize,
    written: *mut usize,
) -> lacewing_status {
    // SAFETY: the pointers are what this function asks of its caller.
    let write = || unsafe {
        let model = stored(model, Status::CallerNotAModel)?;
        let features = values(features, n)?;
        let Some(quantisation) = model.output() else { return Err(Status::EngineWrongElement) };
        if n != model.features_len() {
            return Err(Status::CallerWrongLength);
        }
        let form = form_of(form)?;
        if form.encoding != LACEWING_ENCODING_PLAIN {
            return Err(Status::CallerUnknownEncoding);
        }
        let features = Features::new_i8(features, quantisation, model.pair_id(), model.split());
        encode(formed(features, form)?, out, capacity, written)
    };
    Status::of(write())
}

/// The caller's form, or the plain one for null.
///
/// # Safety
/// As lacewing_model_parse().
unsafe fn form_of<'c>(form: *const lacewing_packet_form) -> Result<&'c lacewing_packet_form, Status> {
    const PLAIN: &lacewing_packet_form =
        &lacewing_packet_form { encoding: LACEWING_ENCODING_PLAIN, flags: 0, sequence: 0, confidence: 0 };
    if form.is_null() {
        return Ok(PLAIN);
    }
    // SAFETY: the caller's.
    let form = unsafe { values(form, 1)? };
    Ok(form.first().unwrap_or(PLAIN))
}

/// Reads a server's reply to the packet of `packet_len` bytes; one to another packet is refused as
/// LACEWING_STATUS_PACKET_WRONG_REPLY.
///
/// # Safety
/// As lacewing_model_parse().
// SAFETY: no other function of a program has this name.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lacewing_reply_parse(
    packet: *const u8,
    packet_len: usize,
    reply: *const u8,
    reply_len: usize,
    out: *mut lacewing_reply,
) -> lacewing_status {
    // SAFETY: the pointers are what this function asks of its caller.
    let read = || unsafe {
        let packet = Packet::parse(values(packet, packet_len)?)?;
        let (reply, _) = Reply::parse(values(reply, reply_len)?)?;
        if !reply.is_to(&packet) {
            return Err(Status::PacketWrongReply);
        }
        let mut read = lacewing_reply { refusal: 0, exit: 0, class_index: 0, confidence: 0, sequence: reply.sequence };
        match reply.verdict {
            Verdict::Answer(answer) => {
                (read.exit, read.class_index, read.confidence) =
                    (answer.exit.0, answer.class, answer.confidence.steps());
            }
            Verdict::Refused(refusal) => {
                read.refusal = match refusal {
                    Refusal::NotUnderstood => 1,
                    Refusal::WrongPair => 2,
                    Refusal::WrongSplit => 3,
                    Refusal::WrongCount => 4,
                    Refusal::Busy => 5,
                    Refusal::NotFinite => 6,
                    _ => 255,
                }
            }
        }
        give(out, read)
    };
    Status::of(read())
}
