"""XGBoost, trained as the rival is, answering how long its prediction in place takes."""

import ctypes
import json

import serve

answers = serve.quiet()

import numpy  # noqa: E402
import pandas  # noqa: E402
import xgboost  # noqa: E402
from xgboost.core import _LIB, _check_call  # noqa: E402
from xgboost_rival import model, task  # noqa: E402

booster = model.get_booster()
booster.set_param({"nthread": 1})
rounds = model.best_iteration + 1
x = task.read("test.parquet").x
codes = serve.codes(x).astype("float32")
CONFIG = {
    "type": 0,
    "training": False,
    "iteration_begin": 0,
    "iteration_end": rounds,
    "strict_shape": True,
    "missing": float("nan"),
    "cache_id": 0,
}
config = json.dumps(CONFIG).encode()


def in_place(batch, _):
    rows = [numpy.ascontiguousarray(codes[at]) for at in serve.places(batch, len(codes))]
    shape = ctypes.POINTER(ctypes.c_uint64)()
    dim = ctypes.c_uint64()
    found = ctypes.POINTER(ctypes.c_float)()
    out = (ctypes.byref(shape), ctypes.byref(dim), ctypes.byref(found))
    function = _LIB.XGBoosterPredictFromDense

    def described(row):
        about = {"data": [row.ctypes.data, True], "shape": list(row.shape), "typestr": "<f4", "version": 3}
        return json.dumps(about).encode()

    arguments = [(booster.handle, described(row), config, None, *out) for row in rows]

    def probabilities():
        _check_call(function(*arguments[0]))
        size = [shape[i] for i in range(dim.value)]
        return serve.both(numpy.ctypeslib.as_array(found, shape=size).reshape(batch, -1).copy())

    return serve.Loop(function, arguments, probabilities, in_c=True, held=(rows, shape, dim, found))


def from_file(batch, path):
    names = [column["name"] for column in task.columns]
    types = {
        column["name"]: "float64" if column["kind"] == "number" else pandas.CategoricalDtype(x.iloc[:, at].cat.categories)
        for at, column in enumerate(task.columns)
    }
    out = path + ".xgboost.csv"

    def predict():
        rows = pandas.read_csv(path, usecols=names, dtype=types, na_values=[""], keep_default_na=False)[names]
        rows.columns = x.columns
        p = booster.inplace_predict(rows, iteration_range=(0, rounds))
        numpy.savetxt(out, p)
        return p

    return serve.Loop(predict, [()], lambda: serve.both(predict()))


serve.serve(
    f"xgboost {xgboost.__version__}, {rounds} rounds",
    {
        "XGBoost": serve.Form("C interface (XGBoosterPredictFromDense, in place)", "encoded", in_place),
        "XGBoost from a file": serve.Form(
            "Python: pandas.read_csv, Booster.inplace_predict, numpy.savetxt", "file", from_file
        ),
    },
    answers,
)
