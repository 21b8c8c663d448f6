"""TensorFlow Lite's int8 dense networks (XNNPACK, one thread, batch 1) beside Lacewing's int8 networks of the same shapes.

    pip install tensorflow-cpu==2.19.1 ai-edge-litert==2.3.0
    python benches/peers/tflite_int8.py TIME_MODELS 800-100-100-10=a.lace 800-40-40-10=b.lace ...

TIME_MODELS is the program that `cargo build --release -p lacewing-benches --bin time-models` builds; what follows are shapes and
model files, several for a shape if you like. Rounds of both take turns, medians over rounds are printed. Call cost is taken off on
both sides and shown: that of invoking a network of one weight, and that of copying the input.
"""

import json
import os
import statistics
import subprocess
import sys
import time

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import numpy as np
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter

ROUNDS = 7


def dense_int8(widths):
    layers = tf.keras.layers
    dense = [layers.Dense(width, "relu") for width in widths[1:-1]] + [layers.Dense(widths[-1])]
    model = tf.keras.Sequential([tf.keras.Input((widths[0],)), *dense])
    rng = np.random.default_rng(1)
    data = rng.uniform(0, 1, size=(100, 1, widths[0])).astype(np.float32)
    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: ([sample] for sample in data)
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = converter.inference_output_type = tf.int8
    return converter.convert()


def prepared(tflite):
    interpreter = Interpreter(model_content=tflite, num_threads=1)
    interpreter.allocate_tensors()
    details = interpreter.get_input_details()[0]
    interpreter.set_tensor(details["index"], np.ones(details["shape"], np.int8))
    return interpreter


def nanoseconds(interpreter, seconds=0.2):
    invoke, calls, end = interpreter.invoke, 0, time.perf_counter() + seconds
    start = time.perf_counter()
    while time.perf_counter() < end:
        for _ in range(200):
            invoke()
        calls += 200
    return (time.perf_counter() - start) * 1e9 / calls


program, pairs = sys.argv[1], [argument.split("=", 1) for argument in sys.argv[2:]]
shapes = list(dict.fromkeys(shape for shape, _ in pairs))
theirs = {shape: prepared(dense_int8([int(width) for width in shape.split("-")])) for shape in shapes}
empty = prepared(dense_int8([1, 1]))
times = {shape: [] for shape in shapes}
calls, ours = [], {file: [] for _, file in pairs}
for _ in range(ROUNDS):
    calls.append(nanoseconds(empty))
    for shape in shapes:
        times[shape].append(nanoseconds(theirs[shape]))
    answer = json.loads(subprocess.check_output([program, *(file for _, file in pairs)]))
    for file, found in answer.items():
        ours[file].append((found["run_ns"], found["copy_ns"]))

call = statistics.median(calls)
print(f"TensorFlow Lite call cost {call:.0f} ns, taken off below")
for shape in shapes:
    net = statistics.median(times[shape]) - call
    print(f"{shape} int8 dense, XNNPACK: {net:.0f} ns")
    for _, file in filter(lambda pair: pair[0] == shape, pairs):
        run = statistics.median(run for run, _ in ours[file])
        copy = statistics.median(copy for _, copy in ours[file])
        print(f"    {file}: {run - copy:.0f} ns ({copy:.0f} ns of copying taken off), {net / (run - copy):.2f}x")
