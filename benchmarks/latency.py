"""How long does an exported policy take for an action, on one core?

    python benchmarks/latency.py policy.onnx

Prints the median and the 99th percentile of 20,000 calls with one observation, and with 1,024 of
them, in microseconds. Needs numpy and onnxruntime alone.
"""

import json
import sys
import time

import numpy as np
import onnxruntime

CALLS = 20_000


def measure(path: str) -> list[str]:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    width = len(json.loads(session.get_modelmeta().custom_metadata_map["ivr"])["observations"])
    rng = np.random.default_rng(0)
    lines = []
    for count, calls in ((1, CALLS), (1024, CALLS // 100)):
        given = {"observations": rng.normal(size=(count, width)).astype(np.float32)}
        taken = np.empty(calls)
        for i in range(calls):
            begun = time.perf_counter()
            session.run(None, given)
            taken[i] = 1e6 * (time.perf_counter() - begun)
        median, late = np.median(taken), np.quantile(taken, 0.99)
        lines.append(f"{count:5} observations: median {median:,.0f} us, 99 % within {late:,.0f} us")
    return lines


if __name__ == "__main__":
    print("\n".join(measure(sys.argv[1])))
