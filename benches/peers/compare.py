"""One network, whole, batch 1, one thread, f32: our engine, ONNX Runtime and TensorFlow Lite, side by side.

Outputs are compared first. Then rounds: in each, every contender runs the same images for about 20 ms, so that what the machine
does besides hits all alike; figures are medians over rounds, ratios medians of the rounds' ratios. A peer is called from Python;
what the call costs is measured on a network of one input and one output, in the same rounds, and the time without it is shown
beside the time with it. Our engine is timed inside its own process, copying the input included; the peers' inputs lie ready.
"""

import argparse
import datetime
import json
import os
import platform
import statistics
import struct
import subprocess
import sys
import time

import ai_edge_litert.schema_py_generated as schema
import flatbuffers
import numpy as np
import onnx
import onnxruntime
from ai_edge_litert.interpreter import Interpreter
from importlib.metadata import version

ROUNDS = 41
SECONDS = 0.02

class Ours:
    """The engine in a process of its own: `timed-network`."""

    def __init__(self, program, network):
        self.process = subprocess.Popen([program, network], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.about = json.loads(self.process.stdout.readline())

    def time(self, model, runs):
        self.process.stdin.write(f"{model} {runs}\n")
        self.process.stdin.flush()
        return float(self.process.stdout.readline())

def read_safetensors(path):
    with open(path, "rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(length))
        data = file.read()
    tensors = {}
    for name, about in header.items():
        if name != "__metadata__":
            begin, end = about["data_offsets"]
            kind = {"F32": "<f4", "U8": "u1"}[about["dtype"]]
            tensors[name] = np.frombuffer(data[begin:end], kind).reshape(about["shape"])
    return tensors

def layers_of(path):
    """Weights with their zeros and biases; ReLU behind all but the last."""
    tensors = read_safetensors(path)
    layers = []
    while f"junction.{len(layers) + 1}.weight" in tensors:
        name = f"junction.{len(layers) + 1}"
        mask = tensors.get(f"{name}.mask", np.uint8(1))
        layers.append(((tensors[f"{name}.weight"] * mask).astype(np.float32), tensors[f"{name}.bias"]))
    return layers

class OnnxRuntime:
    def __init__(self, layers):
        nodes, constants, value = [], [], "x"
        for k, (weight, bias) in enumerate(layers):
            constants += [onnx.numpy_helper.from_array(weight, f"w{k}"), onnx.numpy_helper.from_array(bias, f"b{k}")]
            last = k + 1 == len(layers)
            nodes.append(onnx.helper.make_node("Gemm", [value, f"w{k}", f"b{k}"], ["y" if last else f"s{k}"], transB=1))
            if not last:
                nodes.append(onnx.helper.make_node("Relu", [f"s{k}"], [f"h{k}"]))
                value = f"h{k}"
        n_in, n_out = layers[0][0].shape[1], layers[-1][0].shape[0]
        info = onnx.helper.make_tensor_value_info
        graph = onnx.helper.make_graph(
            nodes,
            "network",
            [info("x", onnx.TensorProto.FLOAT, [1, n_in])],
            [info("y", onnx.TensorProto.FLOAT, [1, n_out])],
            constants,
        )
        model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8)
        onnx.checker.check_model(model)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self.session = onnxruntime.InferenceSession(
            model.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
        self.x = np.zeros((1, n_in), np.float32)
        self.y = np.zeros((1, n_out), np.float32)
        self.binding = self.session.io_binding()
        self.x_value = onnxruntime.OrtValue.ortvalue_from_numpy(self.x)
        self.y_value = onnxruntime.OrtValue.ortvalue_from_numpy(self.y)
        self.binding.bind_ortvalue_input("x", self.x_value)
        self.binding.bind_ortvalue_output("y", self.y_value)

    def logits(self, image):
        self.x_value.update_inplace(image.reshape(self.x.shape))
        self.session.run_with_iobinding(self.binding)
        return self.y_value.numpy()[0].copy()

    def call(self):
        run, binding = self.session.run_with_iobinding, self.binding
        return lambda: run(binding)

class TensorFlowLite:
    def __init__(self, layers):
        self.interpreter = Interpreter(model_content=self.file(layers), num_threads=1)
        self.interpreter.allocate_tensors()
        self.input = self.interpreter.get_input_details()[0]["index"]
        self.output = self.interpreter.get_output_details()[0]["index"]

    @staticmethod
    def file(layers):
        """The network as FULLY_CONNECTED operators, which XNNPACK takes over."""
        empty = schema.BufferT()
        model, graph = schema.ModelT(), schema.SubGraphT()
        model.version, model.subgraphs, model.buffers = 3, [graph], [empty]
        code = schema.OperatorCodeT()
        code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.FULLY_CONNECTED
        code.version = 1
        model.operatorCodes = [code]
        graph.tensors, graph.operators = [], []

        def tensor(name, shape, values=None):
            one = schema.TensorT()
            one.name, one.shape, one.type, one.buffer = name, list(shape), schema.TensorType.FLOAT32, 0
            if values is not None:
                buffer = schema.BufferT()
                buffer.data = np.frombuffer(np.ascontiguousarray(values, "<f4").tobytes(), np.uint8)
                model.buffers.append(buffer)
                one.buffer = len(model.buffers) - 1
            graph.tensors.append(one)
            return len(graph.tensors) - 1

        value = tensor("x", (1, layers[0][0].shape[1]))
        graph.inputs = [value]
        for k, (weight, bias) in enumerate(layers):
            operator, options = schema.OperatorT(), schema.FullyConnectedOptionsT()
            last = k + 1 == len(layers)
            activation = schema.ActivationFunctionType
            options.fusedActivationFunction = activation.NONE if last else activation.RELU
            operator.opcodeIndex = 0
            operator.builtinOptionsType = schema.BuiltinOptions.FullyConnectedOptions
            operator.builtinOptions = options
            w, b = tensor(f"w{k}", weight.shape, weight), tensor(f"b{k}", bias.shape, bias)
            operator.inputs = [value, w, b]
            value = tensor(f"y{k}", (1, weight.shape[0]))
            operator.outputs = [value]
            graph.operators.append(operator)
        graph.outputs = [value]
        builder = flatbuffers.Builder(1 << 20)
        builder.Finish(model.Pack(builder), b"TFL3")
        return bytes(builder.Output())

    def logits(self, image):
        self.interpreter.set_tensor(self.input, image.reshape(1, -1))
        self.interpreter.invoke()
        return self.interpreter.get_tensor(self.output)[0].copy()

    def call(self):
        return self.interpreter.invoke

def timed(call, runs):
    """Nanoseconds a call. The loop's own cost, about 20 ns, stays in."""
    begin = time.perf_counter_ns()
    for _ in range(runs):
        call()
    return (time.perf_counter_ns() - begin) / runs

def runs_for(nanoseconds):
    return max(1, int(SECONDS * 1e9 / nanoseconds))

def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("program")
    arguments.add_argument("network", nargs="?", default="paper-800-100-100-10")
    arguments.add_argument("--json")
    arguments = arguments.parse_args()
    if hasattr(os, "sched_setaffinity"):
        # All on one core, so that no two of them run at once.
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    ours = Ours(arguments.program, arguments.network)
    layers = layers_of(ours.about["weights"])
    one = [(np.ones((1, 1), np.float32), np.zeros(1, np.float32))]
    peers = {"ONNX Runtime": OnnxRuntime, "TensorFlow Lite": TensorFlowLite}
    whole = {name: peer(layers) for name, peer in peers.items()}
    calls = {name: peer(one) for name, peer in peers.items()}

    images = np.array(ours.about["images"], np.float32)
    worst = 0.0
    for at, image in enumerate(images):
        want = image
        for k, (weight, bias) in enumerate(layers):
            want = weight.astype(np.float64) @ want + bias
            want = np.maximum(want, 0) if k + 1 < len(layers) else want
        found = {name: peer.logits(image) for name, peer in whole.items()}
        found |= {model["name"]: model["logits"][at] for model in ours.about["models"]}
        for name, logits in found.items():
            error = np.abs(np.array(logits) - want).max() / np.abs(want).max()
            worst = max(worst, error)
            if not error < 1e-4:
                sys.exit(f"{name} computes something else: image {at}, off by {error}")

    ways = {f"ours, {m['name']}": (lambda runs, k=k: ours.time(k, runs)) for k, m in enumerate(ours.about["models"])}
    for kind, of in (("whole", whole), ("call", calls)):
        for name, peer in of.items():
            ways[f"{name} {kind}"] = lambda runs, call=peer.call(): timed(call, runs)
    counts = {name: runs_for(way(200)) for name, way in ways.items()}
    rounds = {name: [] for name in ways}
    for _ in range(ROUNDS):
        for name, way in ways.items():
            rounds[name].append(way(counts[name]))

    median = {name: statistics.median(times) for name, times in rounds.items()}
    names = [f"ours, {m['name']}" for m in ours.about["models"]]
    dense = min((name for name in names if "dense" in name), key=median.get)
    fastest = min((name for name in names if "dense" not in name), key=median.get)
    report = {
        "network": arguments.network,
        "date": datetime.date.today().isoformat(),
        "processor": ours.about["processor"],
        "threads": 1,
        "python": platform.python_version(),
        "onnxruntime": onnxruntime.__version__,
        "ai-edge-litert": version("ai-edge-litert"),
        "outputs agree within": worst,
        "rows": [],
    }
    for name in names:
        ratio = statistics.median(d / o for d, o in zip(rounds[dense], rounds[name]))
        report["rows"].append({"name": name, "ns": median[name], "our dense / this": ratio})
    for name in peers:
        both, call = rounds[f"{name} whole"], rounds[f"{name} call"]
        bare = [b - c for b, c in zip(both, call)]
        report["rows"].append(
            {
                "name": f"{name}, dense",
                "ns": median[f"{name} whole"],
                "call ns": median[f"{name} call"],
                "ns without call": statistics.median(bare),
                "this / our fastest": statistics.median(b / o for b, o in zip(both, rounds[fastest])),
                "the same without call": statistics.median(b / o for b, o in zip(bare, rounds[fastest])),
            }
        )
    for key in list(report)[:-1]:
        print(f"{key}: {report[key]}")
    for row in report["rows"]:
        figures = ", ".join(f"{key} {value:.2f}" if "/" in key or "same" in key else f"{key} {value:.0f}" for key, value in row.items() if key != "name")
        print(f"  {row['name']:<46} {figures}")
    if arguments.json:
        with open(arguments.json, "w") as file:
            json.dump(report, file, indent=1)
            file.write("\n")

main()
