//! What a pickle of tensors may name. A list of names, not of packages: PyTorch and NumPy have functions that run code or fetch
//! files, such as `torch.hub.load`.

/// Whether values are made with `name` of `module`, and with nothing that does more.
pub(super) fn is_known(module: &str, name: &str) -> bool {
    if is_layer(module, name) {
        return true;
    }
    match module {
        "torch" => TORCH.contains(&name) || name.strip_suffix("Storage").is_some_and(|kind| STORAGES.contains(&kind)),
        "torch.cuda" | "torch.storage" => {
            name.strip_suffix("Storage").is_some_and(|kind| STORAGES.contains(&kind.trim_start_matches('_')))
        }
        // Where old checkpoints have builtins, Python 2 pickled them.
        "builtins" | "__builtin__" => BUILTINS.contains(&name),
        _ => NAMES.iter().any(|(known, names)| *known == module && names.contains(&name)),
    }
}

/// Whether it is a class of layers of PyTorch's own, of which only the attributes are read.
pub(super) fn is_layer(module: &str, name: &str) -> bool {
    let is_word = |word: &str| word.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    let file = module.strip_prefix("torch.nn.modules.").unwrap_or_default();
    !file.is_empty() && is_word(file) && is_word(name) && name.starts_with(|first: char| first.is_ascii_uppercase())
}

const TORCH: [&str; 33] = [
    "Size",
    "Tensor",
    "device",
    "dtype",
    "layout",
    "strided",
    "sparse_coo",
    "per_tensor_affine",
    "per_channel_affine",
    "float16",
    "half",
    "float32",
    "float",
    "float64",
    "double",
    "bfloat16",
    "float8_e4m3fn",
    "float8_e5m2",
    "complex64",
    "complex128",
    "uint8",
    "uint16",
    "uint32",
    "uint64",
    "int8",
    "int16",
    "int32",
    "int64",
    "bool",
    "quint8",
    "qint8",
    "qint32",
    "complex32",
];

const STORAGES: [&str; 20] = [
    "Float",
    "Double",
    "Half",
    "BFloat16",
    "Long",
    "Int",
    "Short",
    "Char",
    "Byte",
    "Bool",
    "ComplexFloat",
    "ComplexDouble",
    "QInt8",
    "QUInt8",
    "QInt32",
    "QUInt4x2",
    "QUInt2x4",
    "Untyped",
    "Typed",
    "Legacy",
];

const BUILTINS: [&str; 13] = [
    "set",
    "frozenset",
    "bytearray",
    "complex",
    "int",
    "long",
    "float",
    "bool",
    "str",
    "list",
    "dict",
    "tuple",
    "object",
];

const NAMES: [(&str, &[&str]); 14] = [
    ("collections", &["OrderedDict", "defaultdict", "Counter"]),
    ("_codecs", &["encode"]),
    ("copy_reg", &["_reconstructor"]),
    ("copyreg", &["_reconstructor"]),
    (
        "torch._utils",
        &[
            "_rebuild_tensor",
            "_rebuild_tensor_v2",
            "_rebuild_tensor_v3",
            "_rebuild_parameter",
            "_rebuild_parameter_with_state",
            "_rebuild_qtensor",
            "_rebuild_sparse_tensor",
            "_rebuild_sparse_csr_tensor",
            "_rebuild_meta_tensor_no_storage",
            "_rebuild_nested_tensor",
            "_rebuild_device_tensor_from_numpy",
            "_rebuild_device_tensor_from_cpu_tensor",
        ],
    ),
    ("torch._tensor", &["_rebuild_from_type_v2", "Tensor"]),
    ("torch.tensor", &["_rebuild_from_type", "_rebuild_from_type_v2", "Tensor"]),
    ("torch.nn.parameter", &["Parameter", "Buffer"]),
    ("torch.serialization", &["_get_layout"]),
    ("torch.nn.utils.prune", PRUNING),
    ("numpy", &["ndarray", "dtype", "bool_", "float32", "float64", "int32", "int64"]),
    ("numpy.core.multiarray", NUMPY),
    ("numpy._core.multiarray", NUMPY),
    ("numpy.dtypes", &["BoolDType", "Float32DType", "Float64DType", "Int32DType", "Int64DType", "UInt8DType"]),
];
const NUMPY: &[&str] = &["_reconstruct", "scalar"];
/// Hooks of pruned modules: what they did is in the mask.
const PRUNING: &[&str] = &[
    "BasePruningMethod",
    "CustomFromMask",
    "Identity",
    "L1Unstructured",
    "LnStructured",
    "PruningContainer",
    "RandomStructured",
    "RandomUnstructured",
    "ThresholdUnstructured",
];

#[cfg(test)]
mod tests {
    use super::is_known;

    #[test]
    fn names_not_packages() {
        for (module, name) in [
            ("torch._utils", "_rebuild_tensor_v2"),
            ("torch", "FloatStorage"),
            ("torch.storage", "_LegacyStorage"),
            ("torch.cuda", "HalfStorage"),
            ("torch", "float32"),
            ("torch", "Size"),
            ("collections", "OrderedDict"),
            ("numpy.core.multiarray", "_reconstruct"),
            ("numpy._core.multiarray", "scalar"),
            ("numpy", "dtype"),
            ("torch.nn.modules.linear", "Linear"),
            ("torch.nn.utils.prune", "CustomFromMask"),
        ] {
            assert!(is_known(module, name), "{module}.{name}");
        }
        for (module, name) in [
            ("torch.hub", "load"),
            ("torch", "hub.load"),
            ("torch", "load"),
            ("torch._inductor.codecache", "compile_file"),
            ("numpy.testing._private.utils", "runstring"),
            ("numpy.f2py.crackfortran", "myeval"),
            ("numpy", "load"),
            ("torch._utils", "_import_dotted_name"),
            ("torch.nn.modules.linear", "Linear.forward"),
            ("torch.nn.modules.module", "torch"),
            ("torch.nn.modules", "Linear"),
            ("torch.nn.modules.a.b", "Linear"),
            ("builtins", "eval"),
            ("torchvision.models", "ResNet"),
        ] {
            assert!(!is_known(module, name), "{module}.{name}");
        }
    }
}
