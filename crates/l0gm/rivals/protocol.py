"""The runner's side of an external tool: reads the task and its rows, writes probabilities and the answer.

docs/external.md describes the files. A tool reads `task = Task()`, fits on `task.train` and `task.valid`, and hands a
function that predicts to `task.answer`.
"""

import json
import random
import sys
import time
from pathlib import Path

import numpy
import pandas


class Rows:
    """Some rows: `x`, a data frame of the task's columns, and `y`, their classes by number (None for test rows)."""

    def __init__(self, x, y):
        self.x, self.y = x, y


class Task:
    def __init__(self, path=None):
        path = Path(path or sys.argv[1])
        self.folder = path.parent
        self.__dict__.update(json.loads(path.read_text(encoding="utf-8")))
        self.numbers = [column["name"] for column in self.columns if column["kind"] == "number"]
        self.categories = [column["name"] for column in self.columns if column["kind"] == "category"]
        self.params = self.settings.get("params") or {}
        self.trials = int(self.settings.get("trials") or 1)
        self.notes = []
        # Only values of the training rows are known; any other is read as missing.
        self._known = {}
        self.train_rows = self.read(self.train)
        self.valid_rows = self.read(self.valid)
        self._began = time.time()

    def read(self, file):
        frame = pandas.read_parquet(self.folder / file)
        y = frame[self.label].to_numpy() if self.label in frame else None
        x = frame[[column["name"] for column in self.columns]].copy()
        # Some tools refuse brackets and other signs in names.
        x.columns = [f"c{at}" for at in range(x.shape[1])]
        for at, column in enumerate(self.columns):
            name = f"c{at}"
            if column["kind"] == "category":
                known = self._known.setdefault(name, sorted(x[name].dropna().unique()))
                x[name] = pandas.Categorical(x[name], categories=known)
            else:
                x[name] = x[name].astype("float64")
        return Rows(x, y)

    def loss(self, probabilities, y):
        """The mean negative log-likelihood."""
        p = numpy.asarray(probabilities, dtype="float64")[numpy.arange(len(y)), y]
        return float(-numpy.log(numpy.clip(p, 1e-15, 1)).mean())

    def search(self, fit, space):
        """Fits the defaults and `trials` - 1 draws of `space`, and returns the model with the lowest validation loss.

        `fit(params)` returns a model and a function that predicts; `space` maps a parameter to the values to draw from.
        """
        draw = random.Random(self.seed)
        best = None
        for trial in range(self.trials):
            params = {name: draw.choice(values) for name, values in space.items()} if trial else {}
            params.update(self.params)
            model, predict = fit(params)
            loss = self.loss(predict(self.valid_rows.x), self.valid_rows.y)
            if best is None or loss < best[0]:
                best = (loss, params, model, predict)
        loss, params, model, predict = best
        if self.trials > 1:
            self.notes.append(f"best of {self.trials} settings by validation loss: {params or 'the defaults'}")
        return model, predict

    def answer(self, predict, **facts):
        """Predicts all that is asked and ends the task. `predict(x)` gives an array of rows x classes."""
        facts.setdefault("fit_seconds", time.time() - self._began)
        (self.folder / "answers").mkdir(exist_ok=True)
        for name in self.predict:
            x = self.read(f"{name}.parquet").x
            p = numpy.asarray(predict(x), dtype="float64")
            p /= p.sum(axis=1, keepdims=True)
            frame = pandas.DataFrame({self.row: numpy.arange(len(x), dtype="uint32")})
            for at, name_of_class in enumerate(self.classes):
                frame[f"p_{name_of_class}"] = p[:, at]
            frame.to_parquet(self.folder / "answers" / f"{name}.parquet")
        answer = {"run": self.run, "notes": self.notes, **facts}
        (self.folder / "answer.json").write_text(json.dumps(answer), encoding="utf-8")
