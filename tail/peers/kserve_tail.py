"""The KServe Python server with a tail in ONNX: python kserve_tail.py TAIL.onnx [PORT]. The gateway's and the client's peer.

    python tail/peers/kserve_tail.py tail.onnx 8085 &
    lacewing serve --upstream http://127.0.0.1:8085 --upstream-model tail --head model/head.lace --no-http --udp 127.0.0.1:7070
"""

import sys

import kserve
import numpy as np
import onnxruntime


class Tail(kserve.Model):
    def __init__(self, name, path):
        super().__init__(name)
        self.session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        self.given, self.asked = self.session.get_inputs()[0], self.session.get_outputs()[0]
        self.ready = True

    def _port(self, port, name):
        return [{"name": name, "datatype": "FP32", "shape": [-1, port.shape[-1]]}]

    async def get_input_types(self):
        return self._port(self.given, self.given.name)

    async def get_output_types(self):
        return self._port(self.asked, self.asked.name)

    def predict(self, payload, headers=None, response_headers=None):
        features = payload.inputs[0].as_numpy().astype(np.float32)
        logits = self.session.run(None, {self.given.name: features})[0]
        binary = any((asked.parameters or {}).get("binary_data") for asked in payload.request_outputs or [])
        output = kserve.InferOutput(name=self.asked.name, shape=list(logits.shape), datatype="FP32")
        output.set_data_from_numpy(logits, binary_data=binary)
        return kserve.InferResponse(response_id=payload.id, model_name=self.name, infer_outputs=[output])


if __name__ == "__main__":
    path, port = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 8085
    kserve.ModelServer(http_port=port, workers=1, enable_grpc=False).start([Tail("tail", path)])
