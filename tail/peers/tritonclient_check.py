"""tritonclient[http], a client that no one here wrote, against `lacewing serve`.

    lacewing convert models/weights/mnist-flagship.safetensors --out model
    lacewing serve model/tail.lace &
    python tail/peers/tritonclient_check.py 127.0.0.1:8080 tail models/weights/mnist-flagship.safetensors

Health, metadata, and inference in JSON and binary, one row and many; every logit is compared with the trained weights multiplied
by NumPy. Exits with 0 where all of it holds.
"""

import json
import struct
import sys

import numpy as np
import tritonclient.http as http
from tritonclient.utils import InferenceServerException


def tensors(path):
    """A safetensors file's tensors, and its metadata."""
    raw = open(path, "rb").read()
    (length,) = struct.unpack("<Q", raw[:8])
    header, data = json.loads(raw[8 : 8 + length]), raw[8 + length :]
    kinds = {"F32": "<f4", "U8": "u1"}
    meta = header.pop("__metadata__", {})
    read = lambda t: np.frombuffer(data[slice(*t["data_offsets"])], kinds[t["dtype"]]).reshape(t["shape"])
    return {name: read(tensor) for name, tensor in header.items()}, meta


def reference(weights, first, features):
    """The trunk from junction `first` on, ReLU between junctions."""
    values, k = features.astype(np.float64), first
    while f"junction.{k}.weight" in weights:
        weight = weights[f"junction.{k}.weight"].astype(np.float64)
        weight = weight * weights.get(f"junction.{k}.mask", np.ones_like(weight))
        values = values @ weight.T + weights[f"junction.{k}.bias"]
        k += 1
        if f"junction.{k}.weight" in weights:
            values = np.maximum(values, 0)
    return values


def main():
    url, model, path = sys.argv[1:4]
    weights, _ = tensors(path)
    client = http.InferenceServerClient(url, concurrency=4)
    assert client.is_server_live() and client.is_server_ready() and client.is_model_ready(model)
    assert client.is_model_ready(model, "1") and not client.is_model_ready("other")
    server, metadata = client.get_server_metadata(), client.get_model_metadata(model)
    assert server["name"] == "lacewing" and "binary_tensor_data" in server["extensions"], server
    width, split = metadata["inputs"][0]["shape"][1], metadata["parameters"]["split"]
    assert metadata["inputs"][0]["datatype"] == "FP32", metadata
    random = np.random.default_rng(1)
    worst, checked = 0.0, 0
    for rows in [1, 2, 7, 64]:
        features = np.maximum(random.normal(size=(rows, width)), 0).astype(np.float32)
        expected = reference(weights, split + 1, features)
        for binary_in, binary_out in [(False, False), (True, True), (True, False), (False, True)]:
            given = http.InferInput("features", list(features.shape), "FP32")
            given.set_data_from_numpy(features, binary_data=binary_in)
            asked = [http.InferRequestedOutput(name, binary_data=binary_out) for name in ["logits", "class"]]
            answer = client.infer(model, [given], outputs=asked, request_id="one")
            logits, classes = answer.as_numpy("logits"), answer.as_numpy("class")
            assert answer.get_response()["id"] == "one"
            assert logits.shape == expected.shape and classes.dtype == np.uint16
            assert (classes.ravel() == logits.argmax(axis=1)).all()
            worst = max(worst, np.abs(logits - expected).max() / np.abs(expected).max())
            checked += rows
        asynchronous = client.async_infer(model, [given], outputs=asked).get_result()
        assert (asynchronous.as_numpy("class") == classes).all()
    assert worst < 1e-5, worst
    try:
        given = http.InferInput("features", [1, width + 1], "FP32")
        given.set_data_from_numpy(np.zeros((1, width + 1), np.float32))
        client.infer(model, [given])
        raise SystemExit("a wrong shape was taken")
    except InferenceServerException as error:
        assert "rows" in str(error), error
    print(f"tritonclient: {checked} rows in JSON and binary, logits within {worst:.1e} of NumPy; health, metadata, refusal")


main()
