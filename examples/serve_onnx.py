"""Adapt to a task, export the adapted network to ONNX, and serve it: the server needs onnxruntime alone.

    python examples/serve_onnx.py

Needs the extra `onnx`. `metanas arch export RUN --domain langid` does the first half on the command line.
"""

import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from urllib.request import urlopen

import numpy as np
import onnxruntime

import metanas
from metanas.models.export import export
from metanas.studies.derive import derived


def server(path: Path) -> HTTPServer:
    """Answers POSTed inputs, JSON lists (B, *input_shape), with classes (B,). On a free port here."""
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    (given,) = session.get_inputs()
    kind = {"tensor(float)": np.float32, "tensor(int64)": np.int64}[given.type]

    class Classify(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            x = np.array(json.loads(self.rfile.read(int(self.headers["Content-Length"]))), kind)
            (logits,) = session.run(None, {given.name: x})
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps(logits.argmax(-1).tolist()).encode())

        def log_message(self, *words: object) -> None:
            """Nothing on the terminal."""

    return HTTPServer(("127.0.0.1", 0), Classify)


run = metanas.run(
    "scratch",
    "mini-v1",
    domains=["langid"],
    seeds=[0],
    budget="smoke",
    out="runs/scratch",
    settings={"space.layers": 2, "test_steps": 5},
    controls=False,  # no answers under other architectures
)
network, queries = derived(run.folder, "langid", seed=0, episode=0, root=None)
path = run.folder / "langid.onnx"
print(f"{network.architecture}: largest difference to PyTorch {export(network, queries, path, 'onnx'):.0e}")

serving = server(path)
threading.Thread(target=serving.serve_forever, daemon=True).start()
address = f"http://127.0.0.1:{serving.server_port}"
with urlopen(address, data=json.dumps(queries[:8].tolist()).encode()) as reply:
    answer = json.load(reply)
serving.shutdown()
serving.server_close()
print(f"the server's classes:  {answer}")
print(f"those of PyTorch:      {network(queries[:8]).argmax(-1).tolist()}")
