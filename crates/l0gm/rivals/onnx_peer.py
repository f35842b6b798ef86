"""ONNX Runtime with L0GM's own compact model, answering how long its session takes.

Beside task.json stand compact.onnx and encoded.json, which names the model's inputs and the binary files of their values.
"""

import json
import sys
from pathlib import Path

import serve

answers = serve.quiet()

import numpy  # noqa: E402
import onnxruntime  # noqa: E402

folder = Path(sys.argv[1]).parent
about = json.loads((folder / "encoded.json").read_text(encoding="utf-8"))
inputs = {
    name: numpy.fromfile(folder / file, dtype=kind).reshape(about["rows"], -1)
    for name, file, kind in about["inputs"]
}
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = 1
options.inter_op_num_threads = 1
session = onnxruntime.InferenceSession(str(folder / "compact.onnx"), options, providers=["CPUExecutionProvider"])


def bound(batch, _):
    bindings, held = [], []
    for at in serve.places(batch, about["rows"]):
        binding = session.io_binding()
        for name, values in inputs.items():
            value = onnxruntime.OrtValue.ortvalue_from_numpy(numpy.ascontiguousarray(values[at]))
            binding.bind_ortvalue_input(name, value)
            held.append(value)
        found = numpy.zeros((batch, about["classes"]), dtype="float32")
        value = onnxruntime.OrtValue.ortvalue_from_numpy(found)
        binding.bind_ortvalue_output("probabilities", value)
        held.append(value)
        bindings.append((binding._iobinding, None))
    function = session._sess.run_with_iobinding

    def probabilities():
        function(*bindings[0])
        # The outputs are in the order in which they were bound.
        return held[len(inputs)].numpy()

    return serve.Loop(function, bindings, probabilities, held=held)


serve.serve(
    f"onnxruntime {onnxruntime.__version__}, our compact model",
    {
        "ONNX Runtime": serve.Form(
            "Python: a session with inputs and outputs bound, its call included (about a microsecond)", "encoded", bound
        ),
    },
    answers,
)
