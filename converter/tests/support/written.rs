//! Files of other formats, written by hand in the simplest form that is one, for tests that need large or odd ones.

use super::archive;

/// A tensor of a state dict: name, storage, shape and strides.
pub type View<'v> = (&'v str, usize, &'v [usize], &'v [usize]);

/// A PyTorch state dict as `torch.save` pickles it: each tensor is a view in float32 of the storage that its number says.
pub fn state_dict(tensors: &[View<'_>], storages: &[&[f32]]) -> Vec<u8> {
    let mut pickle = [&b"\x80\x02"[..], DICT, b"("].concat();
    for (name, storage, shape, strides) in tensors {
        pickle.extend([text(name), tensor(*storage, storages[*storage].len(), shape, strides)].concat());
    }
    pickle.extend(b"u.");
    stored(pickle, storages)
}

/// What a checkpoint has pickled in it.
pub enum Pickled<'v> {
    /// A tensor of this shape, whose numbers are all this one.
    Tensor(&'v [usize], f32),
    Dict(Vec<(&'v str, Pickled<'v>)>),
    /// A module of the class behind `torch.nn.modules.`, such as `linear\nLinear`, with its tensors, ε where it has one, and the
    /// modules within it.
    Module(&'v str, Vec<(&'v str, Pickled<'v>)>, Option<f64>, Vec<(&'v str, Pickled<'v>)>),
}

/// A PyTorch checkpoint as `torch.save` writes it.
pub fn checkpoint(root: &Pickled<'_>) -> Vec<u8> {
    let mut storages = Vec::new();
    let pickle = [&b"\x80\x02"[..], &root.put(&mut storages), b"."].concat();
    let storages: Vec<&[f32]> = storages.iter().map(Vec::as_slice).collect();
    stored(pickle, &storages)
}

impl Pickled<'_> {
    fn put(&self, storages: &mut Vec<Vec<f32>>) -> Vec<u8> {
        match self {
            Self::Tensor(shape, value) => {
                let length = shape.iter().product();
                storages.push(vec![*value; length]);
                let strides: Vec<usize> = (1..=shape.len()).map(|axis| shape[axis..].iter().product()).collect();
                tensor(storages.len() - 1, length, shape, &strides)
            }
            Self::Dict(entries) => [DICT, &Self::entries(entries, storages)].concat(),
            Self::Module(class, tensors, epsilon, within) => {
                let class = format!("ctorch.nn.modules.{class}\n)");
                let mut dict = |name, entries| [&text(name)[..], DICT, &Self::entries(entries, storages)].concat();
                let tables = [dict("_parameters", tensors), dict("_buffers", &Vec::new()), dict("_modules", within)];
                let epsilon =
                    epsilon.map(|value| [&text("eps")[..], b"G", &value.to_be_bytes()].concat()).unwrap_or_default();
                [class.as_bytes(), b"\x81}(", &tables.concat(), &epsilon, b"ub"].concat()
            }
        }
    }

    fn entries(entries: &[(&str, Self)], storages: &mut Vec<Vec<f32>>) -> Vec<u8> {
        let entries = entries.iter().flat_map(|(name, value)| [text(name), value.put(storages)].concat());
        [&b"("[..], &entries.collect::<Vec<u8>>(), b"u"].concat()
    }
}

const DICT: &[u8] = b"ccollections\nOrderedDict\n)R";

fn text(text: &str) -> Vec<u8> {
    [&[b'X'][..], &u32_of(text.len()), text.as_bytes()].concat()
}

/// A pickled tensor: a view of the storage of that number, which has `length` values.
fn tensor(storage: usize, length: usize, shape: &[usize], strides: &[usize]) -> Vec<u8> {
    let number = |number: usize| [&b"J"[..], &u32_of(number)].concat();
    let tuple = |numbers: &[usize]| {
        let numbers: Vec<u8> = numbers.iter().flat_map(|n| number(*n)).collect();
        [&b"("[..], &numbers, b"t"].concat()
    };
    let (key, kind): (_, &[u8]) = (text(&storage.to_string()), b"ctorch\nFloatStorage\n");
    let storage = [&b"("[..], &text("storage"), kind, &key, &text("cpu")].concat();
    let start = [&b"ctorch._utils\n_rebuild_tensor_v2\n("[..], &storage, &number(length)].concat();
    [&start[..], b"tQK\x00", &tuple(shape), &tuple(strides), b"\x89", DICT, b"tR"].concat()
}

/// An archive with a pickle and the storages that its tensors are in.
fn stored(pickle: Vec<u8>, storages: &[&[f32]]) -> Vec<u8> {
    let mut members = vec![("net/data.pkl".to_owned(), pickle), ("net/byteorder".to_owned(), b"little".to_vec())];
    members.extend(storages.iter().enumerate().map(|(key, values)| (format!("net/data/{key}"), bytes(values))));
    members.push(("net/version".to_owned(), b"3\n".to_vec()));
    archive(members.iter().map(|(name, bytes)| (name.as_str(), bytes.as_slice())), zip::CompressionMethod::Stored)
}

fn u32_of(number: usize) -> [u8; 4] {
    u32::try_from(number).unwrap().to_le_bytes()
}

fn bytes(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

/// What is in an HDF5 file.
pub enum Hdf5<'v> {
    Group(Vec<(String, Hdf5<'v>)>),
    /// float32, in one piece.
    Dataset(&'v [usize], &'v [f32]),
}

impl<'v> Hdf5<'v> {
    /// Groups within groups, as a path says.
    pub fn under(path: &str, inner: Self) -> Self {
        path.rsplit('/').fold(inner, |inner, name| Self::Group(vec![(name.to_owned(), inner)]))
    }

    pub fn file(&self) -> Vec<u8> {
        let mut file = vec![0; 96];
        let root = self.put(&mut file);
        // Version 0: eight bytes for offsets and lengths; base, free space, end, driver; the root's entry.
        let sizes = [0, 0, 0, 0, 0, 8, 8, 0, 4, 0, 16, 0, 0, 0, 0, 0];
        let numbers = [0, u64::MAX, file.len() as u64, u64::MAX, 0, root].map(u64::to_le_bytes).concat();
        let start = [&b"\x89HDF\r\n\x1a\n"[..], &sizes, &numbers].concat();
        file[..start.len()].copy_from_slice(&start);
        file
    }

    /// Appends it; the address of its header.
    fn put(&self, file: &mut Vec<u8>) -> u64 {
        let mut messages = Vec::new();
        let mut message = |kind: u16, body: &[u8]| {
            let size = body.len().next_multiple_of(8);
            messages.extend([&kind.to_le_bytes()[..], &(size as u16).to_le_bytes(), &[0; 4], body].concat());
            messages.resize(messages.len() + size - body.len(), 0);
        };
        let count = match self {
            Self::Group(members) => {
                for (name, member) in members {
                    let address = member.put(file).to_le_bytes();
                    message(6, &[&[1, 0, name.len() as u8][..], name.as_bytes(), &address].concat());
                }
                members.len()
            }
            Self::Dataset(shape, values) => {
                let lengths: Vec<u8> = shape.iter().flat_map(|length| (*length as u64).to_le_bytes()).collect();
                message(1, &[&[1, shape.len() as u8, 0, 0, 0, 0, 0, 0][..], &lengths].concat());
                // IEEE, little-endian, 32 bits.
                message(3, &[0x11, 0x20, 0x1f, 0, 4, 0, 0, 0, 0, 0, 32, 0, 23, 8, 0, 23, 127, 0, 0, 0]);
                let place = [file.len() as u64, 4 * values.len() as u64].map(u64::to_le_bytes).concat();
                message(8, &[&[3, 1][..], &place].concat());
                file.extend(bytes(values));
                file.resize(file.len().next_multiple_of(8), 0);
                3
            }
        };
        let address = file.len() as u64;
        file.extend([&[1, 0, count as u8, 0, 1, 0, 0, 0][..], &u32_of(messages.len()), &[0; 4], &messages].concat());
        address
    }
}

/// A matrix without biases: shape (outputs, inputs) and values.
pub type Matrix<'v> = ([usize; 2], &'v [f32]);

/// A field of a FlatBuffers table.
enum Field {
    None,
    Int(usize),
    Ints(Vec<usize>),
    Bytes(Vec<u8>),
    Tables(Vec<Vec<Field>>),
}

/// A TensorFlow Lite file of matrices in floats, one behind the other without activations.
pub fn tflite(matrices: &[Matrix<'_>]) -> Vec<u8> {
    tflite_between(matrices, &[])
}

/// Likewise, with these operators behind each matrix, by their numbers, of which QUANTIZE gives int8.
pub fn tflite_between(matrices: &[Matrix<'_>], between: &[usize]) -> Vec<u8> {
    use Field::{Bytes, Int, Ints, None, Tables};
    const FULLY_CONNECTED: usize = 9;
    const QUANTIZE: usize = 114;
    const INT8: usize = 9;
    // Buffer 0 is empty by the format. Tensors: what is given, then each matrix and what it gives.
    let (mut tensors, mut operators, mut buffers) = (Vec::new(), Vec::new(), vec![vec![None]]);
    let tensor = |shape: &[usize], buffer| vec![Ints(shape.to_vec()), Int(0), Int(buffer)];
    tensors.push(tensor(&[1, matrices[0].0[1]], 0));
    for (shape, values) in matrices {
        let read = tensors.len() - 1;
        buffers.push(vec![Bytes(bytes(values))]);
        tensors.push(tensor(shape, buffers.len() - 1));
        tensors.push(tensor(&[1, shape[0]], 0));
        operators.push(vec![Int(0), Ints(vec![read, read + 1]), Ints(vec![read + 2])]);
        for (at, code) in (1..).zip(between) {
            let element = if *code == QUANTIZE { INT8 } else { 0 };
            tensors.push(vec![Ints(vec![1, shape[0]]), Int(element), Int(0)]);
            operators.push(vec![Int(at), Ints(vec![read + 1 + at]), Ints(vec![read + 2 + at])]);
        }
    }
    let end = tensors.len() - 1;
    let graph = vec![Tables(tensors), Ints(vec![0]), Ints(vec![end]), Tables(operators)];
    let codes = [FULLY_CONNECTED].iter().chain(between).map(|code| vec![Int(*code), None, None, Int(*code)]);
    let model = [Int(3), Tables(codes.collect()), Tables(vec![graph]), None, Tables(buffers)];
    let mut file = b"....TFL3".to_vec();
    let root = table(&mut file, &model);
    file[..4].copy_from_slice(&u32_of(root));
    file
}

/// Appends a table, and what its fields lead to; its address.
fn table(file: &mut Vec<u8>, fields: &[Field]) -> usize {
    let vtable = file.len();
    let lengths = [4 + 2 * fields.len(), 4 + 4 * fields.len()].into_iter();
    let places = (0..).zip(fields).map(|(slot, field)| if matches!(field, Field::None) { 0 } else { 4 + 4 * slot });
    file.extend(lengths.chain(places).flat_map(|number| (number as u16).to_le_bytes()));
    file.resize(file.len().next_multiple_of(4), 0);
    let at = file.len();
    file.extend(u32_of(at - vtable));
    file.resize(at + 4 + 4 * fields.len(), 0);
    for (slot, field) in fields.iter().enumerate() {
        let place = at + 4 + 4 * slot;
        let start = file.len();
        let value = match field {
            Field::None => 0,
            Field::Int(number) => *number,
            Field::Ints(numbers) => {
                file.extend(u32_of(numbers.len()));
                file.extend(numbers.iter().flat_map(|number| u32_of(*number)));
                start - place
            }
            Field::Bytes(bytes) => {
                file.extend([&u32_of(bytes.len()), bytes.as_slice()].concat());
                file.resize(file.len().next_multiple_of(4), 0);
                start - place
            }
            Field::Tables(tables) => {
                file.extend(u32_of(tables.len()));
                file.resize(file.len() + 4 * tables.len(), 0);
                for (number, fields) in tables.iter().enumerate() {
                    let (entry, inner) = (start + 4 + 4 * number, table(file, fields));
                    file[entry..entry + 4].copy_from_slice(&u32_of(inner - entry));
                }
                start - place
            }
        };
        file[place..place + 4].copy_from_slice(&u32_of(value));
    }
    at
}
