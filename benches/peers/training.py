"""Seconds of a training epoch: our trainer beside the paper's approach, dense weights whose masks are multiplied in after every
step, in PyTorch and in TensorFlow; and beside SparseProp (arXiv 2302.04852), one thread each.

Every contender trains the same shapes at the same densities on the same 60,000 images of MNIST in memory, batch 256, Adam, with a new
order of images each epoch and without evaluation. The first epoch, which warms up, is not timed; the least and the median of
those that follow are printed, contenders taking turns where they can.
"""

import argparse
import gzip
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
import numpy as np

ROOT = pathlib.Path(__file__).resolve().parents[2]
BATCH = 256
# Out-degrees, as in the paper; the last junction is dense.
PAPER = {"800-40-40-10": [2, 9], "800-100-100-10": [25, 25]}


def mnist(width):
    folder = ROOT / "models/data/mnist"
    read = lambda name, skip: np.frombuffer(gzip.open(folder / f"{name}.gz").read(), np.uint8, offset=skip)
    pixels = read("train-images-idx3-ubyte", 16).reshape(-1, 784)
    x = np.zeros((len(pixels), width), np.float32)
    x[:, :784] = pixels / np.float32(255)
    return x, read("train-labels-idx1-ubyte", 8).astype(np.int64)


def masks(widths, in_degrees, seed=1):
    """(outputs, inputs); None for a dense junction."""
    random = np.random.default_rng(seed)
    all = []
    for n_in, n_out, degree in zip(widths, widths[1:], in_degrees + [None]):
        mask = None
        if degree is not None:
            mask = np.zeros((n_out, n_in), np.float32)
            for row in mask:
                row[random.choice(n_in, degree, replace=False)] = 1
        all.append(mask)
    return all


def timed(epoch, epochs):
    epoch()
    times = []
    for _ in range(epochs):
        start = time.perf_counter()
        epoch()
        times.append(time.perf_counter() - start)
    return min(times), statistics.median(times)


def torch_epoch(widths, masks, x, y, sparse_linear=None):
    """An epoch as a function: of masked dense weights, or with SparseProp's module for junctions with a mask."""
    import torch

    torch.manual_seed(1)
    layers, masked = [], []
    for n_in, n_out, mask in zip(widths, widths[1:], masks):
        linear = torch.nn.Linear(n_in, n_out)
        if mask is not None:
            mask = torch.from_numpy(mask)
            with torch.no_grad():
                linear.weight.mul_(mask)
            if sparse_linear:
                linear = sparse_linear.from_dense(linear)
            else:
                masked.append((linear.weight, mask))
        layers += [linear, torch.nn.ReLU()]
    model = torch.nn.Sequential(*layers[:-1])
    adam = torch.optim.Adam(model.parameters(), lr=1e-3)
    loss = torch.nn.CrossEntropyLoss()
    x, y = torch.from_numpy(x), torch.from_numpy(y)

    def epoch():
        order = torch.randperm(len(x))
        for at in range(0, len(x), BATCH):
            rows = order[at : at + BATCH]
            adam.zero_grad(set_to_none=True)
            loss(model(x[rows]), y[rows]).backward()
            adam.step()
            with torch.no_grad():
                for weight, mask in masked:
                    weight.mul_(mask)

    return epoch


def tensorflow_epoch(widths, masks, x, y, threads):
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    random = np.random.default_rng(1)
    weights, biases = [], []
    for n_in, n_out, mask in zip(widths, widths[1:], masks):
        limit = np.sqrt(6 / (n_in + n_out))
        start = random.uniform(-limit, limit, (n_in, n_out)).astype(np.float32)
        weights.append(tf.Variable(start if mask is None else start * mask.T))
        biases.append(tf.Variable(np.zeros(n_out, np.float32)))
    pairs = [(w, tf.constant(m.T)) for w, m in zip(weights, masks) if m is not None]
    variables = weights + biases
    adam = tf.keras.optimizers.Adam(1e-3)
    adam.build(variables)
    x, y = tf.constant(x), tf.constant(y)

    @tf.function
    def step(rows):
        with tf.GradientTape() as tape:
            h = tf.gather(x, rows)
            for k, (w, b) in enumerate(zip(weights, biases)):
                h = tf.matmul(h, w) + b
                if k < len(weights) - 1:
                    h = tf.nn.relu(h)
            loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(tf.gather(y, rows), h))
        adam.apply_gradients(zip(tape.gradient(loss, variables), variables))
        for w, mask in pairs:
            w.assign(w * mask)

    def epoch():
        order = tf.random.shuffle(tf.range(len(x)))
        for at in range(0, len(x), BATCH):
            step(order[at : at + BATCH])

    return epoch


def recipe(name, widths, patterns):
    text = f'name = "{name}"\nclasses = 10\n[input]\nwidth = {widths[0]}\n'
    for outputs, pattern in zip(widths[1:], patterns + [""]):
        text += f"[[junction]]\noutputs = {outputs}\n{pattern}\n"
    return text + f"[training]\nbatch = {BATCH}\nlearning_rate = 0.001\n"


def ours(binary, recipes, threads, epochs):
    with tempfile.TemporaryDirectory() as folder:
        files = []
        for at, text in enumerate(recipes):
            files.append(str(pathlib.Path(folder) / f"{at}.toml"))
            pathlib.Path(files[-1]).write_text(text)
        command = [binary, "epochs", *files, "--threads", str(threads), "--epochs", str(epochs)]
        result = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return {name: (line["epoch_least_s"], line["epoch_median_s"]) for name, line in result.items()}


def child(python, arguments):
    """One peer in a process of its own: thread pools of two frameworks in one get into each other's way."""
    command = [python, __file__, *map(str, arguments)]
    result = subprocess.run(command, capture_output=True, text=True)
    if result.returncode:
        return None, result.stderr.strip().splitlines()[-1:]
    return json.loads(result.stdout.splitlines()[-1]), None


def peer(name, widths, in_degrees, threads, epochs):
    widths, in_degrees = json.loads(widths), json.loads(in_degrees)
    (x, y), drawn = mnist(widths[0]), masks(widths, in_degrees)
    if name == "tensorflow":
        epoch = tensorflow_epoch(widths, drawn, x, y, threads)
    else:
        import torch

        torch.set_num_threads(threads)
        sparse = None
        if name == "sparseprop":
            from sparseprop.modules import SparseLinear as sparse
        epoch = torch_epoch(widths, drawn, x, y, sparse)
    print(json.dumps(timed(epoch, epochs)))


def show(rows):
    for row in rows:
        print("| " + " | ".join(str(cell) for cell in row) + " |")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("binary", help="train-times of this workspace; or, within, a peer's name")
    parser.add_argument("rest", nargs="*")
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--tensorflow", default=sys.executable, help="the Python that has TensorFlow, where it is another")
    parser.add_argument("--only", choices=["masked", "sparseprop"])
    args = parser.parse_args()
    if args.rest:
        return peer(args.binary, *args.rest, args.threads, args.epochs)
    if args.only != "sparseprop":
        against_masked(args)
    if args.only != "masked":
        against_sparseprop(args)


def against_masked(args):
    limits = ["--threads", args.threads, "--epochs", args.epochs]
    rows = [("network, seconds an epoch", "ours", "PyTorch", "TensorFlow", "times"), ("-",) * 5]
    for name, degrees in PAPER.items():
        widths = [int(width) for width in name.split("-")]
        mine = ours(args.binary, [recipe(name, widths, [f'pattern = "random"\nout_degree = {d}' for d in degrees])], args.threads, args.epochs)
        in_degrees = [n_in * d // n_out for n_in, n_out, d in zip(widths, widths[1:], degrees)]
        shape = [json.dumps(widths), json.dumps(in_degrees), *limits]
        theirs = [child(sys.executable, ["pytorch", *shape]), child(args.tensorflow, ["tensorflow", *shape])]
        known = [times[0] for times, _ in theirs if times]
        cell = lambda found: f"{found[0][0]:.3f} ({found[0][1]:.3f})" if found[0] else f"failed: {found[1]}"
        least, median = mine[name]
        ratio = f"{min(known) / least:.1f}" if known else "-"
        rows.append((name, f"{least:.3f} ({median:.3f})", *map(cell, theirs), ratio))
    show(rows)
    print()


def against_sparseprop(args):
    limits = ["--threads", 1, "--epochs", max(1, args.epochs // 2)]
    rows = [("one thread, seconds an epoch", "ours", "SparseProp", "times"), ("-",) * 4]
    for widths in ([800, 100, 100, 10], [1024, 1024, 1024, 10]):
        for density in (0.1, 0.05):
            name = "-".join(map(str, widths))
            pattern = f'pattern = "random_density"\ndensity = {density}'
            mine = ours(args.binary, [recipe(name, widths, [pattern] * (len(widths) - 2))], 1, max(1, args.epochs // 2))
            in_degrees = [round(n_in * density) for n_in in widths[:-2]]
            found, error = child(sys.executable, ["sparseprop", json.dumps(widths), json.dumps(in_degrees), *limits])
            theirs = f"{found[0]:.3f} ({found[1]:.3f})" if found else f"failed: {error}"
            times = f"{found[0] / mine[name][0]:.1f}" if found else "-"
            rows.append((f"{name}, {density}", f"{mine[name][0]:.3f} ({mine[name][1]:.3f})", theirs, times))
    show(rows)


if __name__ == "__main__":
    main()
